"""From an answer or a file to raw facts: what is kept, what is refused, and what the receipts say."""

import socket
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from orchestration import ingest
from orchestration.exchanges.client import open_client
from orchestration.lake import facts

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


def fetch(url, home, *datasets: str) -> dict[str, ingest.Outcome]:
    client = open_client("gate", url)
    watched = ("BTC", "XRP")
    return ingest.fetch_range(ingest.Fetch(client, home, datasets, watched, watched, START, NOW, NOW))


def receipts(home) -> list[tuple]:
    """Symbol-hours of every dataset by state."""
    found = facts.read_raw(home, "coverage")
    hours = (found["end_at"] - found["start_at"]) / timedelta(hours=1)
    return list(
        hours.groupby([found["dataset"], found["state"]]).sum().reset_index().itertuples(index=False, name=None)
    )


def test_fetch_leaves_rows_and_one_receipt_for_each_state(url, tmp_path):
    outcomes = fetch(url, tmp_path, "candles")
    assert outcomes["candles"].written.new == 42
    assert outcomes["instruments"].written.new == 1
    assert not any(outcome.failures for outcome in outcomes.values())
    assert receipts(tmp_path) == [
        ("candles", "complete", 42),
        ("candles", "partial", 1),
        ("candles", "unavailable", 5),
        ("instruments", "unavailable", 24),  # XRP isn't listed
    ]


def test_fetch_tells_how_far_it_is(url, tmp_path):
    heard = []
    client = open_client("gate", url)
    ingest.fetch_range(
        ingest.Fetch(client, tmp_path, ("candles",), ("BTC",), ("BTC",), START, NOW, NOW, show=heard.append)
    )
    assert heard == [ingest.Progress(("candles",), BTC, 48)]


def test_exchange_out_of_reach_fails_every_symbol_with_the_reason(tmp_path):
    with socket.socket() as nobody:  # bound, but nobody listens
        nobody.bind(("127.0.0.1", 0))
        client = open_client("gate", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        watched = ("BTC", "XRP")
        outcomes = ingest.fetch_range(ingest.Fetch(client, tmp_path, ("candles",), watched, watched, START, NOW, NOW))
    assert outcomes["candles"].failures == outcomes["instruments"].failures
    assert outcomes["candles"].failures[0].startswith("gate: instruments: can't be reached")
    assert receipts(tmp_path) == [("candles", "failed", 96)]


def test_exchange_that_suddenly_lists_nothing_is_sick_and_not_delisted(url, tape, sandbox, tmp_path):
    fetch(url, tmp_path, "candles")
    empty = pd.DataFrame([{"exchange": "okx", "symbol": BTC, "asset": "BTC", "quote": "USDT", "settle": "USDT"}])
    sick = fetch(sandbox(tape(instruments=empty), NOW), tmp_path, "candles")
    assert sick["candles"].failures == ["gate: instruments: lists none of those it listed before"]
    assert ("instruments", "unavailable", 24) in receipts(tmp_path)  # XRP's, from before; none of BTC
    assert set(facts.read_raw(tmp_path, "coverage").query("dataset == 'instruments'")["symbol"]) == {"XRP/USDT:USDT"}


def test_fetch_that_fails_takes_no_hour_back_that_was_observed(url, tmp_path):
    def fetch_whole_hours(url):
        hours = (START + timedelta(hours=6), START + timedelta(hours=12))
        fetch = ingest.Fetch(open_client("gate", url), tmp_path, ("candles",), ("BTC",), ("BTC",), *hours, NOW)
        return ingest.fetch_range(fetch)["candles"]

    assert not fetch_whole_hours(url).failures
    assert receipts(tmp_path) == [("candles", "complete", 6)]
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        assert fetch_whole_hours(f"http://127.0.0.1:{nobody.getsockname()[1]}").failures
    assert receipts(tmp_path) == [("candles", "complete", 6)]


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
    ingest.import_file(tmp_path, "funding_rates", str(tmp_path / "own.csv"), NOW)
    kept = facts.read_raw(tmp_path, "funding_rates")
    assert kept[["rate", "interval_hours", "feed"]].values.tolist() == [[0.0001, 8.0, "import"]]
    assert '"rate":0.0001' in kept["payload"][0]


def test_rows_of_a_server_that_replays_a_tape_say_so(url, tmp_path):
    fetch(url, tmp_path, "candles")
    for dataset in ("candles", "instruments", "coverage"):
        assert set(facts.read_raw(tmp_path, dataset)["origin"].str.partition(":")[0]) == {"replayed"}


def archive(folder, **columns) -> str:
    row = {"exchange": "okx", "symbol": BTC, "observed_at": START, "open_interest_usd": 5.0, **columns}
    row = {**dict.fromkeys(("open_interest_contracts", "open_interest_base")), **row}
    pd.DataFrame([row]).to_parquet(folder / "archive.parquet")
    return str(folder / "archive.parquet")


@pytest.mark.parametrize("origin", ["live", "simulated:deleveraging-2026-02", "replayed:crash-2024-08"])
def test_an_archive_says_where_its_rows_come_from(tmp_path, origin):
    facts.prepare(tmp_path)
    ingest.import_file(tmp_path, "open_interest", archive(tmp_path, origin=origin), NOW)
    assert facts.read_raw(tmp_path, "open_interest")["origin"].tolist() == [origin]


def test_an_archive_that_names_no_origin_is_live(tmp_path):
    facts.prepare(tmp_path)
    ingest.import_file(tmp_path, "open_interest", archive(tmp_path), NOW)
    assert facts.read_raw(tmp_path, "open_interest")["origin"].tolist() == ["live"]


def test_an_origin_that_is_none_is_refused(tmp_path):
    facts.prepare(tmp_path)
    outcome = ingest.import_file(tmp_path, "open_interest", archive(tmp_path, origin="somewhere else"), NOW)
    assert (outcome.written.new, outcome.quarantined) == (0, 1)
