"""From an answer or a file to raw facts: what is kept, what is refused, and what the receipts say."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from orchestration import ingest, lake

NOW = datetime(2026, 2, 12, tzinfo=UTC)
START = NOW - timedelta(days=2)
BTC = "BTC/USDT:USDT"


@pytest.fixture(scope="module")
def url(tape, sandbox):
    """Gate with two days of candles that lack one hour, and the first one of them only from 05:00 on."""
    hours = pd.date_range(START + timedelta(hours=5), NOW, freq="h", inclusive="left").delete(20)
    close = 70_000.0 + np.arange(len(hours))
    candles = pd.DataFrame({"exchange": "gate", "symbol": BTC, "opened_at": hours, "close": close, "volume_base": 1.0})
    instrument = {"exchange": "gate", "symbol": BTC, "asset": "BTC", "quote": "USDT", "settle": "USDT"}
    return sandbox(
        tape(
            instruments=[{**instrument, "contract_kind": "linear", "contract_size": 0.0001}],
            candles=candles.assign(open=close, high=close + 1, low=close - 1),
        ),
        NOW,
    )


def scope(*datasets: str) -> ingest.Scope:
    return ingest.Scope("gate", datasets, ("BTC", "XRP"), START, NOW)


def receipts(home) -> list[tuple]:
    """(dataset, state, hours) of all receipts, summed over symbols."""
    rows = lake.read_raw(home, "coverage")
    rows["hours"] = (rows["end_at"] - rows["start_at"]) // pd.Timedelta(hours=1)
    return list(rows.groupby(["dataset", "state"])["hours"].sum().reset_index().itertuples(index=False, name=None))


def test_fetch_leaves_rows_and_one_receipt_for_each_state(url, tmp_path):
    session = ingest.open_session("gate", url, ("BTC", "XRP"))
    ingest.keep_instruments(session, tmp_path, ("BTC", "XRP"), NOW)
    outcome = ingest.fetch_range(session, tmp_path, scope("candles"), NOW)["candles"]
    assert outcome.written.new == 42
    assert outcome.failures == []
    assert receipts(tmp_path) == [
        ("candles", "complete", 42),
        ("candles", "partial", 1),
        ("candles", "unavailable", 5),
        ("instruments", "unavailable", 24),  # XRP isn't listed
    ]


def test_exchange_out_of_reach_fails_every_symbol_with_the_reason(url, tmp_path):
    session = ingest.open_session("gate", url, ("BTC", "XRP"))
    session.failure, session.listed = "gate: instruments: blocked", None
    outcome = ingest.fetch_range(session, tmp_path, scope("candles"), NOW)["candles"]
    assert outcome.failures == ["gate: instruments: blocked"]
    assert receipts(tmp_path) == [("candles", "failed", 96)]


def test_exchange_that_suddenly_lists_nothing_is_sick_and_not_delisted(url, tmp_path):
    session = ingest.open_session("gate", url, ("BTC",))
    ingest.keep_instruments(session, tmp_path, ("BTC",), NOW)
    sick = ingest.Session("gate", session.client, listed=session.listed.iloc[:0])
    ingest.keep_instruments(sick, tmp_path, ("BTC",), NOW)
    assert sick.failure == "gate: instruments: lists none of those it listed before"
    assert not receipts(tmp_path)


def test_yesterday_is_observed_once_its_last_hour_has_a_complete_receipt(url, tmp_path):
    day = (NOW - timedelta(days=1)).date()
    assert not ingest.is_observed(tmp_path, "gate", day, ("BTC",))
    states = [
        {"exchange": "gate", "dataset": dataset, "symbol": BTC, "start_at": START, "end_at": NOW, "state": "complete"}
        for dataset in ("candles", "open_interest", "liquidation_totals", "funding_rates")
    ]
    path = tmp_path / "receipts.csv"
    pd.DataFrame(states).to_csv(path, index=False)
    ingest.import_file(tmp_path, "coverage", str(path), NOW, lambda exchange: nullcontext())
    assert ingest.is_observed(tmp_path, "gate", day, ("BTC",))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("none.csv", None, "does not exist"),
        ("a.parquet", "no parquet", "neither Parquet nor CSV"),
        ("b.csv", "price\n1\n", "lacks exchange"),
    ],
)
def test_unreadable_archive_is_bad_input(tmp_path, name, text, said):
    if text:
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=said):
        ingest.read_archive("candles", str(tmp_path / name))


def test_imported_row_is_its_own_payload(tmp_path):
    (tmp_path / "own.csv").write_text(
        "exchange,symbol,funded_at,rate,interval_hours\ngate,BTC/USDT:USDT,2026-02-11T08:00Z,0.0001,8\n"
    )
    ingest.import_file(tmp_path, "funding_rates", str(tmp_path / "own.csv"), NOW, lambda exchange: nullcontext())
    kept = lake.read_raw(tmp_path, "funding_rates")
    assert kept[["rate", "interval_hours", "feed"]].values.tolist() == [[0.0001, 8.0, "import"]]
    assert '"rate":0.0001' in kept["payload"][0]
