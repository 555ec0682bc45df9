"""A home that slept, was blocked or met holes catches up by itself: what it asks for, and in how many requests."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import dagster as dg
import numpy as np
import pandas as pd
import pytest
import requests

from orchestration import home as homes
from orchestration import ingest, planning
from orchestration.defs.ingest import ingestion, raw_key
from orchestration.exchanges import declared
from orchestration.exchanges.client import open_client
from orchestration.lake import facts

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TODAY = datetime(2026, 2, 12, tzinfo=UTC)
NOW = TODAY + timedelta(hours=10, minutes=5)
FIRST = TODAY - 12 * DAY
ASSETS = ("BTC", "ETH")
EXCHANGES = ("binance", "bybit", "gate", "okx")
HOLE = TODAY - 4 * DAY + 7 * HOUR  # no exchange has a bar of this hour
OTHERS = ("candles", "open_interest", "funding_rates", "liquidation_totals")


@pytest.fixture(scope="module")
def recorded(tape):
    hours = pd.date_range(FIRST - 2 * DAY, NOW, freq="h")
    series = [(exchange, f"{asset}/USDT:USDT") for exchange in EXCHANGES for asset in ASSETS]

    def every_hour(time, of=EXCHANGES, **columns):
        kept = hours[hours != HOLE] if time == "opened_at" else hours
        frames = [pd.DataFrame({"exchange": exchange, "symbol": symbol, time: kept, **columns})
                  for exchange, symbol in series if exchange in of]  # fmt: skip
        return pd.concat(frames, ignore_index=True)

    instruments = [
        {"exchange": exchange, "symbol": symbol, "asset": symbol[:3], "quote": "USDT", "settle": "USDT",
         "contract_kind": "linear", "contract_size": 0.01 if exchange in ("gate", "okx") else 1.0}
        for exchange, symbol in series
    ]  # fmt: skip
    liquidations = every_hour("occurred_at", ("okx",), position_side="long", price=100.0, price_kind="bankruptcy",
                              quantity_base=1.0, notional_usd=100.0)  # fmt: skip
    liquidations = liquidations[liquidations["occurred_at"].dt.hour % 4 == 0]
    funding = every_hour("funded_at", rate=0.0001)
    return tape(
        instruments=instruments,
        candles=every_hour("opened_at", open=100.0, high=101.0, low=99.0, close=100.0, volume_base=1.0),
        open_interest=every_hour("observed_at", open_interest_base=50.0, open_interest_usd=5000.0),
        funding_rates=funding[funding["funded_at"].dt.hour % 8 == 0],
        liquidation_totals=every_hour("period_start_at", ("gate",), long_usd=1.0, short_usd=1.0, long_base=1.0,
                                      short_base=1.0),
        liquidations=liquidations,
    )  # fmt: skip


@pytest.fixture(scope="module")
def at(recorded, sandbox):
    """A function (moment) -> base URL of a sandbox whose clock stands there."""
    started: dict[datetime, str] = {}

    def url(moment: datetime) -> str:
        if moment not in started:
            started[moment] = sandbox(recorded, moment)
        return started[moment]

    return url


def backfill(home, url, exchange, start, end, now):
    datasets = tuple(dataset for group in declared()[exchange].groups for dataset in group)
    client = open_client(exchange, url)
    return ingest.fetch_range(ingest.Fetch(client, home, datasets, ASSETS, ASSETS, start, end, now))


def catch_up(home, url, exchange, now):
    """What a scheduled run does; the requests that it took, by path."""
    datasets = tuple(dataset for group in declared()[exchange].groups for dataset in group)
    requests.delete(f"{url}/_requests", timeout=5)
    fetch = ingest.Fetch(open_client(exchange, url), home, datasets, ASSETS, ASSETS, now, now, now)
    outcomes = ingest.fetch_range(fetch, only_missing=True)
    assert not [reason for outcome in outcomes.values() for reason in outcome.failures]
    return [(path, query) for asked, path, query in requests.get(f"{url}/_requests", timeout=5).json()]


@contextmanager
def scheduling():
    """An instance of the home, and the context in which a schedule is evaluated in it."""
    with (
        dg.DagsterInstance.get() as instance,
        dg.build_schedule_context(instance=instance, scheduled_execution_time=NOW) as context,
    ):
        yield instance, context


def unanswered(home, exchange, dataset, now):
    """Hours of BTC since the first receipt whose best state isn't complete."""
    receipts = facts.read_raw(home, "coverage", f"exchange = '{exchange}' and dataset = '{dataset}'")
    receipts = receipts[(receipts["symbol"] == "BTC/USDT:USDT") & (receipts["state"] == "complete")]
    hours = pd.date_range(FIRST, now.replace(minute=0), freq="h", inclusive="left")
    held = np.zeros(len(hours), dtype=bool)
    for row in receipts.itertuples():
        held |= (hours >= row.start_at) & (hours < row.end_at)
    return list(hours[~held])


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_outage_of_days_is_closed_by_one_run_in_the_fewest_requests(exchange, at, tmp_path):
    """Asleep for 70 hours, and 2 days before that were never asked for."""
    asleep = NOW - 70 * HOUR
    backfill(tmp_path, at(asleep), exchange, FIRST, TODAY - 8 * DAY, asleep)
    backfill(tmp_path, at(asleep), exchange, TODAY - 6 * DAY, TODAY, asleep)
    spans = ingest.plan(tmp_path, exchange, ASSETS, NOW)
    fewest = 1  # what is listed
    for span in spans:
        if held := planning.hours_per_request(exchange, span.datasets):
            fewest += len(span.symbols) * -(-((span.end - span.start) // HOUR) // held)
        else:  # events: where the exchange's memory begins, two more show that it holds nothing older
            fewest += len(span.symbols) * (3 if span.start < NOW - 6 * DAY else 1)
    asked = [path for path, _ in catch_up(tmp_path, at(NOW), exchange, NOW)]
    assert len(asked) <= 1.2 * fewest, asked
    assert unanswered(tmp_path, exchange, "candles", NOW) == [pd.Timestamp(HOLE)]
    for dataset in set(OTHERS[1:]) & {name for group in declared()[exchange].groups for name in group}:
        assert unanswered(tmp_path, exchange, dataset, NOW) == [], dataset


def test_hour_of_a_home_that_is_up_to_date_asks_each_endpoint_once_for_today(at, tmp_path):
    earlier = NOW - HOUR
    backfill(tmp_path, at(earlier), "gate", FIRST, TODAY + DAY, earlier)
    asked = catch_up(tmp_path, at(NOW), "gate", NOW)
    bounded = [int(query["from"]) for path, query in asked if "from" in query and "funding" not in path]
    assert len(bounded) == 2 * len(ASSETS)
    assert {datetime.fromtimestamp(first, UTC) for first in bounded} == {TODAY}


def test_hole_is_asked_for_again_a_day_after_its_answer_and_not_before(at, tmp_path):
    answered = HOLE + 50 * HOUR
    backfill(tmp_path, at(answered), "gate", FIRST, answered.replace(hour=0) + DAY, answered)

    def asks_for_hole(now):
        asked = catch_up(tmp_path, at(now), "gate", now)
        stamps = [(int(query["from"]), int(query["to"])) for path, query in asked if "candlesticks" in path]
        return any(first <= HOLE.timestamp() <= last for first, last in stamps)

    assert [asks_for_hole(answered + hours * HOUR) for hours in (1, 2, 14)] == [False] * 3
    catch_up(tmp_path, at(answered + 23 * HOUR), "gate", answered + 23 * HOUR)  # midnight's second looks share its page
    assert [asks_for_hole(answered + hours * HOUR) for hours in (24, 25, 26)] == [True, False, False]


@pytest.mark.slow
def test_scheduled_run_fetches_what_is_missing_and_marks_the_days_it_asked_for(at, tmp_path, monkeypatch):
    asleep = NOW - 70 * HOUR
    backfill(tmp_path, at(asleep), "gate", FIRST, TODAY, asleep)
    universe = tmp_path / "universe.yml"
    universe.write_text("assets: [BTC, ETH]\nexchanges: [gate]\n")
    names = {"MARKET_STRESS_NOW": NOW.isoformat(), "MARKET_STRESS_EXCHANGE_URL": at(NOW),
             "MARKET_STRESS_UNIVERSE": str(universe), **homes.prepare(tmp_path)}  # fmt: skip
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    definitions = ingestion()
    with scheduling() as (instance, context):
        schedule = definitions.get_schedule_def("ingest_hourly")
        (request,) = schedule.evaluate_tick(context).run_requests
        ran = definitions.resolve_job_def("ingest").execute_in_process(
            instance=instance, run_config=request.run_config, tags=request.tags,
            asset_selection=list(request.asset_selection),
        )  # fmt: skip
        assert ran.success
        assert unanswered(tmp_path, "gate", "candles", NOW) == [pd.Timestamp(HOLE)]
        days = instance.get_materialized_partitions(raw_key("gate", "candles"))
        assert request.tags["dagster/asset_partition_range_start"] in days
        assert {f"{(TODAY - days * DAY):%Y-%m-%d}" for days in (3, 2, 1, 0)} <= days
        assert f"{FIRST:%Y-%m-%d}" not in days  # answered long ago: nobody asked for it again


def test_exchange_whose_last_scheduled_run_has_not_ended_is_left_to_it(tmp_path, monkeypatch):
    """However many hours a run takes, no second one waits behind it."""
    for name, value in {"MARKET_STRESS_NOW": NOW.isoformat(), **homes.prepare(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    definitions = ingestion()
    schedule, job = definitions.get_schedule_def("ingest_hourly"), definitions.resolve_job_def("ingest")
    with scheduling() as (instance, context):
        requested = {request.tags["market_stress/exchange"]: request for request in
                     schedule.evaluate_tick(context).run_requests}  # fmt: skip
        assert set(requested) == set(EXCHANGES)
        tags = {**requested["okx"].tags, "dagster/schedule_name": "ingest_hourly"}
        running = instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
        again = [request.tags["market_stress/exchange"] for request in schedule.evaluate_tick(context).run_requests]
        assert again == [exchange for exchange in requested if exchange != "okx"]
        instance.report_run_failed(running)
        assert len(schedule.evaluate_tick(context).run_requests) == len(EXCHANGES)


def test_what_an_exchange_mends_in_a_closed_day_becomes_a_revision(tape, sandbox, tmp_path):
    """Yesterday's noon is corrected after it was fetched: a day after its end the schedule sees it, unasked for."""
    noon, later = TODAY - 12 * HOUR, TODAY + DAY + timedelta(minutes=5)
    hours = pd.date_range(TODAY - 2 * DAY, later, freq="h")
    instrument = {"exchange": "gate", "symbol": "BTC/USDT:USDT", "asset": "BTC", "quote": "USDT", "settle": "USDT",
                  "contract_kind": "linear", "contract_size": 0.01}  # fmt: skip
    candles = pd.DataFrame({"exchange": "gate", "symbol": "BTC/USDT:USDT", "opened_at": hours}).assign(
        open=100.0, high=101.0, low=99.0, close=100.0, volume_base=1.0
    )
    mended = candles.assign(close=candles["close"].where(candles["opened_at"] != noon, 100.5))

    def ask(rows, now, only_missing):
        client = open_client("gate", sandbox(tape(instruments=[instrument], candles=rows), now))
        span = (TODAY - 2 * DAY, TODAY + DAY)
        fetch = ingest.Fetch(client, tmp_path, ("candles",), ("BTC",), ("BTC",), *span, now)
        return ingest.fetch_range(fetch, only_missing)["candles"].written

    ask(candles, NOW, False)
    assert ask(mended, NOW + HOUR, True).changed == 0  # yesterday is answered: today alone is asked for
    assert ask(mended, later, True).changed == 1
    (held,) = facts.read_raw(tmp_path, "candles", f"opened_at = timestamptz '{noon}'").itertuples()
    assert (held.close, held.revision) == (100.5, 1)
