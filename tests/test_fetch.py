"""What of an answer counts: the range, the depth, and what comes back through real HTTP from the sandbox."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from recordings import RECORDINGS, needs_recordings

from orchestration.exchanges import declared
from orchestration.exchanges.client import FetchFailed, open_client
from orchestration.exchanges.fetch import TIMES, Page, earliest, fetch_listing, fetch_pages

HOUR = timedelta(hours=1)
NOON = datetime(2026, 2, 11, 12, tzinfo=UTC)


# --- which range is asked for


def test_every_dataset_of_the_declared_depth_is_served():
    groups = {exchange: declared()[exchange].groups for exchange in declared()}
    assert groups["gate"] == (("candles",), ("open_interest", "liquidation_totals"), ("funding_rates",))
    assert ("liquidations",) in groups["okx"]
    for exchange, declaration in declared().items():
        limited = [dataset for dataset, feed in declaration.feeds.items() if feed.depth]
        assert all(any(dataset in group for group in groups[exchange]) for dataset in limited)


def test_the_range_begins_safely_inside_the_declared_depth():
    """At 12:00 exactly, 30 days ago is the first hour that Binance may already refuse: the next one is asked for."""
    assert earliest("binance", "open_interest", NOON) == NOON - timedelta(days=30) + HOUR
    assert earliest("okx", "open_interest", NOON + HOUR / 2) == NOON - timedelta(hours=1439)
    assert earliest("gate", "open_interest", NOON) is None


# --- against the sandbox


def listed(client, asset):
    return fetch_listing(client, [asset]).instruments.iloc[0]


def fetched(client, datasets, one, start, end, now):
    """Frames by dataset, all pages together, ordered by time; and covered_from of the last page."""
    *pages, last = fetch_pages(client, datasets, one, start, end, now) or [Page()]
    frames = {}
    for dataset in datasets:
        parts = [page.frames[dataset] for page in (*pages, last) if dataset in page.frames]
        frames[dataset] = pd.concat(parts).sort_values(TIMES[dataset], ignore_index=True) if parts else None
    return frames, last.covered_from


def recorded(tape, dataset, exchange, first, last, symbol="BTC/USDT:USDT"):
    """Rows of a recorded tape with a time in [first, last]."""
    frame = pd.read_parquet(RECORDINGS / tape / f"{dataset}.parquet")
    frame = frame[(frame["exchange"] == exchange) & (frame["symbol"] == symbol)]
    time = TIMES[dataset]
    return frame[frame[time].between(first, last)].sort_values(time, ignore_index=True)


def assert_same(got, tape, columns, **tolerance):
    pd.testing.assert_frame_equal(
        got[columns], tape[columns], check_dtype=False, **(tolerance or {"check_exact": True})
    )


PRICES = ["opened_at", "open", "high", "low", "close"]


@needs_recordings
def test_the_crash_of_august_2024_comes_back_as_recorded(sandbox):
    """The open end: the clock says 21:00, so the bar and the totals of 21:00 aren't closed, its open interest is."""
    start, now = datetime(2024, 8, 1, tzinfo=UTC), datetime(2024, 8, 19, 21, tzinfo=UTC)
    client = open_client("gate", sandbox(RECORDINGS / "crash-2024-08", now))
    one = listed(client, "BTC")
    frames, _ = fetched(client, ("open_interest", "liquidation_totals"), one, start, now, now)
    tape = recorded("crash-2024-08", "liquidation_totals", "gate", start, now - HOUR)
    assert len(tape) == 18 * 24 + 21
    assert_same(
        frames["liquidation_totals"], tape, ["period_start_at", "long_usd", "short_usd", "long_base", "short_base"]
    )
    tape = recorded("crash-2024-08", "open_interest", "gate", start, now)
    assert_same(frames["open_interest"], tape, ["observed_at", "open_interest_usd"])
    contract = one["contract_size"]
    difference = frames["open_interest"]["open_interest_base"] - tape["open_interest_base"]
    assert difference.abs().max() <= contract / 2 + 1e-9  # Gate counts whole contracts
    frames, _ = fetched(client, ("candles",), one, start, now, now)
    tape = recorded("crash-2024-08", "candles", "gate", start, now - HOUR)
    assert_same(frames["candles"], tape, PRICES)
    assert_same(frames["candles"], tape, ["volume_base"], rtol=1e-12)


@needs_recordings
@pytest.mark.parametrize(
    ("exchange", "asset"), [("binance", "BTC"), ("binance", "HYPE"), ("bybit", "BTC"), ("okx", "HYPE")]
)
def test_a_year_of_candles_and_funding_comes_back_as_recorded(sandbox, exchange, asset):
    start, now = datetime(2025, 3, 6, tzinfo=UTC), datetime(2026, 3, 8, tzinfo=UTC)
    client = open_client(exchange, sandbox(RECORDINGS / "perps-2025", now))
    one = listed(client, asset)
    frames, _ = fetched(client, ("candles",), one, start, now, now)
    tape = recorded("perps-2025", "candles", exchange, start, now, one["symbol"])
    assert len(tape) > 2000
    assert_same(frames["candles"], tape, [*PRICES, "volume_base"])
    frames, _ = fetched(client, ("funding_rates",), one, start, now, now)
    tape = recorded("perps-2025", "funding_rates", exchange, start, now, one["symbol"])
    assert_same(frames["funding_rates"], tape, ["funded_at", "rate"])
    assert frames["funding_rates"]["interval_hours"][1:].isin([1, 2, 4, 6, 8]).all()


BTC = {"symbol": "BTC/USDT:USDT", "asset": "BTC", "quote": "USDT", "settle": "USDT", "contract_kind": "linear"}


def liquidation(at, price=67450.0, quantity=1.5, side="long"):
    return {"exchange": "okx", "symbol": BTC["symbol"], "occurred_at": at, "position_side": side, "price": price,
            "price_kind": "bankruptcy", "quantity_base": quantity, "notional_usd": price * quantity}  # fmt: skip


def test_events_tell_how_far_back_they_were_seen(sandbox, tape):
    """250 events, 10 minutes apart until 12:00, the last two alike: three pages, and 1.7 days that are known."""
    moments = [NOON - timedelta(minutes=10 * n) for n in range(249)][::-1]
    events = [liquidation(at.isoformat()) for at in (*moments, NOON)]
    folder = tape(instruments=[{"exchange": "okx", "contract_size": 0.01, **BTC}], liquidations=events)
    now = NOON + HOUR
    client = open_client("okx", sandbox(folder, now))
    one = listed(client, "BTC")

    frames, covered_from = fetched(client, ("liquidations",), one, NOON - timedelta(days=1), now, now)
    assert len(frames["liquidations"]) == 24 * 6 + 2
    assert frames["liquidations"]["event_id"].is_unique
    assert frames["liquidations"]["notional_usd"].sum() == pytest.approx(101175 * 146)
    assert covered_from == NOON - timedelta(days=1)

    frames, covered_from = fetched(client, ("liquidations",), one, NOON - timedelta(days=90), now, now)
    assert len(frames["liquidations"]) == 250
    assert covered_from == moments[0]

    frames, covered_from = fetched(
        client, ("liquidations",), one, NOON - timedelta(days=90), NOON - timedelta(days=9), now
    )
    assert (frames["liquidations"], covered_from) == (None, None)


def test_what_an_exchange_has_forgotten_is_not_asked_for(sandbox, tape):
    """Binance refuses a start more than 30 days ago: 29 days and 23 hours come, with the stamp of the end itself."""
    stamps = pd.date_range(NOON - timedelta(days=40), NOON + HOUR, freq="h", unit="us")
    rows = pd.DataFrame(
        {"exchange": "binance", "symbol": BTC["symbol"], "observed_at": stamps, "open_interest_base": 9.5}
    )
    folder = tape(instruments=[{"exchange": "binance", "contract_size": 1.0, **BTC}], open_interest=rows)
    client = open_client("binance", sandbox(folder, NOON))
    frames, _ = fetched(client, ("open_interest",), listed(client, "BTC"), NOON - timedelta(days=40), NOON, NOON)
    observed = frames["open_interest"]["observed_at"]
    assert (observed.min(), observed.max()) == (NOON - timedelta(days=30) + HOUR, NOON)
    assert len(observed) == 30 * 24


def test_a_symbol_that_is_unknown_fails_alone_and_an_unlisted_asset_is_absent(sandbox, tape):
    folder = tape(instruments=[{"exchange": "bybit", "contract_size": 1.0, **BTC}])
    client = open_client("bybit", sandbox(folder, NOON))
    assert fetch_listing(client, ["BTC", "XRP"]).instruments["asset"].tolist() == ["BTC"]
    delisted = {"exchange": "bybit", "symbol": "XRP/USDT:USDT", "multiplier": 1}
    with pytest.raises(FetchFailed, match="bybit: candles of XRP/USDT:USDT: 10001") as it:
        list(fetch_pages(client, ("candles",), delisted, NOON - HOUR, NOON, NOON))
    assert it.value.concerns_symbol
