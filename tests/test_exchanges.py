"""The numbered cases that every exchange has to pass, whatever it serves: D1 to D12.

They run over every folder under `orchestration/exchanges`, every dataset declared there and every golden file under
`tests/exchanges/<ccxt id>` (`golden` says what such a file holds). What only one exchange does is a golden file, not a
case. D10 to D12 ask over real HTTP, and so only what the sandbox can answer for.
"""

import json
from datetime import UTC, date, datetime, timedelta

import ccxt
import pandas as pd
import pytest
import requests
from golden import Golden, golden

from orchestration import contracts
from orchestration.exchanges import declared, reader
from orchestration.exchanges.client import open_client
from orchestration.exchanges.fetch import TIMES, earliest, fetch_listing, fetch_pages, name_of, symbol_of
from orchestration.sandbox.server import spoken

HOUR = timedelta(hours=1)
NOON = datetime(2026, 2, 11, 12, tzinfo=UTC)
LATER = datetime(2026, 12, 31, tzinfo=UTC)
FIRST_DAY = date(2019, 9, 1)  # nothing earlier is ever asked for
GOLDEN = [case for exchange in declared() for case in golden(exchange)]
SERIES = [case for case in GOLDEN if case.holds["dataset"] != "instruments"]
SERVED = [(one.exchange, dataset) for one in declared().values() for dataset in one.feeds if one.feeds[dataset].served]
GROUPS = [(one.exchange, group) for one in declared().values() for group in one.groups if group != ("liquidations",)]
LIMITED = [(exchange, dataset) for exchange, dataset in SERVED if declared()[exchange].feeds[dataset].depth]

each_exchange = pytest.mark.parametrize("exchange", declared())
each_golden = pytest.mark.parametrize("case", GOLDEN, ids=str)


# --- 1. the folder


@each_exchange
def test_d1_declaration_bears_the_name_of_its_folder_and_of_ccxts_class(exchange):
    assert declared()[exchange].exchange == exchange
    assert exchange in ccxt.exchanges


@each_exchange
def test_d2_what_is_declared_as_served_is_what_the_reader_asks_for(exchange):
    module = reader(exchange)
    asked = [tuple(endpoint.datasets) for endpoint in module.ENDPOINTS]
    asked += [("liquidations",)] * hasattr(module, "ask_liquidations")
    assert list(declared()[exchange].groups) == asked
    assert declared()[exchange].feeds["instruments"].served


@each_exchange
def test_d3_what_is_declared_of_a_feed_holds_together(exchange):
    feeds, epochs = declared()[exchange].feeds, declared()[exchange].epochs
    assert all(feed.note for feed in feeds.values())
    assert all(feed.served for feed in feeds.values() if feed.depth)
    since = [(epoch.dataset, epoch.since) for epoch in epochs]
    assert since == sorted(set(since))
    known = {dataset for dataset, day in since if day <= FIRST_DAY}
    assert {dataset for dataset in ("liquidations", "liquidation_totals") if feeds[dataset].served} <= known


@pytest.mark.parametrize(("exchange", "dataset"), SERVED)
def test_d4_every_served_dataset_has_a_golden_row_that_says_why(exchange, dataset):
    cases = [case for case in GOLDEN if (case.exchange, case.holds["dataset"]) == (exchange, dataset)]
    assert any(case.holds["expected"] for case in cases), f"tests/exchanges/{exchange}/ has no row of {dataset}"
    assert all(case.holds["why"] and case.holds["source"] for case in cases)


# --- 2. its rows


@pytest.mark.parametrize("case", [case for case in GOLDEN if case.holds["dataset"] == "instruments"], ids=str)
def test_d5_instruments_keep_the_name_that_the_exchange_knows(case: Golden):
    listed = case.read()
    rows = [json.loads(payload) for payload in listed["payload"]]
    assert [reader(case.exchange).native_id(row) for row in rows] == case.holds["native_ids"]
    assert [name_of(case.exchange, symbol) for symbol in listed["symbol"]] == case.holds["native_ids"]
    assert [symbol_of(case.exchange, name) for name in case.holds["native_ids"]] == listed["symbol"].tolist()


@each_golden
def test_d6_golden_rows_are_read_to_the_digit(case: Golden):
    case.assert_read()


@each_golden
def test_d7_payload_is_the_exchanges_own_row(case: Golden):
    frame = case.read()
    kept = [json.loads(payload) for payload in frame["payload"]]
    assert all(row in case.holds["native"] for row in kept)
    assert len(kept) == len(case.holds["expected"])


@each_golden
def test_d8_golden_rows_pass_the_border(case: Golden):
    rows = case.read().drop(columns="has_ended", errors="ignore")
    good, refused = contracts.validate(rows, case.holds["dataset"], LATER)
    assert len(refused) == case.holds.get("refused_at_the_border", 0)
    assert len(good) == len(case.holds["expected"]) - len(refused)


@pytest.mark.parametrize("bad", ["abc", [], {}], ids=str)
@pytest.mark.parametrize("case", SERIES, ids=str)
def test_d9_row_with_a_cell_that_cannot_be_read_goes_on_to_the_border(case: Golden, bad):
    """Every cell of every golden row is spoilt in turn: no row stops the others, and none vanishes."""
    spoilt = [(len(case.read([row])), worse) for row in case.holds["native"] for worse in with_each_cell(row, bad)]
    frame = case.read([row for _, row in spoilt])
    assert len(frame) >= sum(count for count, _ in spoilt)
    good, refused = contracts.validate(frame, case.holds["dataset"], LATER)
    assert len(good) + len(refused) == len(frame)


def with_each_cell(row, bad):
    """Copies of a native row with one cell, however deep, replaced by `bad`."""
    for key in range(len(row)) if isinstance(row, list) else list(row):
        deeper = with_each_cell(row[key], bad) if isinstance(row[key], (list, dict)) and row[key] else [bad]
        for cell in deeper:
            copy = row.copy()
            copy[key] = cell
            yield copy


# --- 3. over the wire


@pytest.fixture(scope="module")
def url(tape, sandbox):
    """Every exchange that the sandbox speaks: hourly figures of seventy days until one hour past the clock."""
    hours = pd.date_range(NOON - timedelta(days=70), NOON + HOUR, freq="h", unit="us")
    price = pd.Series(range(len(hours)), dtype=float) % 100 + 67_450
    btc = {"symbol": "BTC/USDT:USDT", "asset": "BTC", "quote": "USDT", "settle": "USDT", "contract_kind": "linear"}

    def everywhere(time, **figures):
        frame = pd.DataFrame({time: hours, **figures})
        return pd.concat([frame.assign(exchange=exchange, symbol=btc["symbol"]) for exchange in spoken()])

    candles = {"open": price, "high": price + 9, "low": price - 9, "close": price + 1, "volume_base": 5.0}
    totals = {"long_usd": price, "short_usd": price * 2, "long_base": 1.0, "short_base": 2.0}
    folder = tape(
        instruments=[{"exchange": exchange, "contract_size": 1.0, **btc} for exchange in spoken()],
        candles=everywhere("opened_at", **candles),
        open_interest=everywhere("observed_at", open_interest_base=100.0, open_interest_usd=price * 100),
        funding_rates=everywhere("funded_at", rate=0.0001)[::8],
        liquidation_totals=everywhere("period_start_at", **totals),
        liquidations=everywhere("occurred_at", position_side="long", price=price, quantity_base=1.0),
    )
    return sandbox(folder, NOON)


@pytest.fixture
def connected(url):
    """A function of an exchange -> (client, BTC's instrument)."""

    def connect(exchange):
        if exchange not in spoken():
            pytest.skip(f"the sandbox doesn't speak {exchange}")
        client = open_client(exchange, url)
        return client, fetch_listing(client, ["BTC"]).instruments.iloc[0]

    return connect


@pytest.mark.parametrize(("exchange", "group"), GROUPS, ids=str)
def test_d10_datasets_of_one_endpoint_are_one_request(url, connected, exchange, group):
    client, btc = connected(exchange)
    asked = []
    for datasets in (group, group[:1]):
        requests.delete(f"{url}/_requests", timeout=5)
        pages = list(fetch_pages(client, datasets, btc, NOON - 3 * HOUR, NOON, NOON))
        assert [set(page.frames) for page in pages] == [set(datasets)]
        asked.append(requests.get(f"{url}/_requests", timeout=5).json())
    assert asked[0] == asked[1]


@pytest.mark.parametrize(("exchange", "dataset"), LIMITED)
def test_d11_nothing_is_asked_beyond_the_declared_depth(connected, exchange, dataset):
    client, btc = connected(exchange)
    pages = fetch_pages(client, (dataset,), btc, NOON - timedelta(days=400), NOON, NOON)
    stamps = pd.concat([page.frames[dataset][TIMES[dataset]] for page in pages if page.frames])
    assert stamps.min() == earliest(exchange, dataset, NOON)
    assert stamps.min() > NOON - declared()[exchange].feeds[dataset].depth.reach


@pytest.mark.parametrize(("exchange", "dataset"), SERVED)
def test_d12_only_what_is_closed_comes_and_it_passes_the_border(connected, exchange, dataset):
    """Of bars and totals the hour before noon, of open interest noon itself; nothing of the hour after the clock."""
    client, btc = connected(exchange)
    if dataset == "instruments":
        frame = fetch_listing(client, ["BTC"]).instruments.drop(columns="has_ended")
    else:
        pages = list(fetch_pages(client, (dataset,), btc, NOON - timedelta(days=2), NOON, NOON))
        frame = pd.concat([page.frames[dataset] for page in pages if page.frames])
        stamps = frame[TIMES[dataset]]
        last = {"open_interest": NOON, "funding_rates": stamps.max()}.get(dataset, NOON - HOUR)
        assert stamps.between(NOON - timedelta(days=2), NOON).all()
        assert stamps.max() == last
        assert stamps.is_unique
    good, refused = contracts.validate(frame, dataset, NOON)
    assert refused.empty
    assert (good["exchange"] == exchange).all()
    assert (good["symbol"] == "BTC/USDT:USDT").all()
