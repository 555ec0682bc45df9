"""What is listed changes: sizes, ends and tickers, over real HTTP against two states of an exchange."""

from datetime import UTC, datetime, timedelta

import pandas as pd

from orchestration import contracts, ingest
from orchestration.exchanges.client import open_client
from orchestration.lake import facts, instruments

THEN, NOW = datetime(2026, 2, 11, tzinfo=UTC), datetime(2026, 2, 12, tzinfo=UTC)
START = THEN - timedelta(hours=6)
HOURS = pd.date_range(START, NOW, freq="h", inclusive="left")


def listed(exchange: str, ticker: str, contract_size: float) -> dict:
    terms = {"quote": "USDT", "settle": "USDT", "contract_kind": "linear", "contract_size": contract_size}
    return {"exchange": exchange, "symbol": f"{ticker}/USDT:USDT", "asset": ticker, **terms}


def bars(exchange: str, ticker: str, price: float, volume_base: float) -> pd.DataFrame:
    prices = dict.fromkeys(("open", "high", "low", "close"), price)
    return pd.DataFrame(
        {
            "exchange": exchange,
            "symbol": f"{ticker}/USDT:USDT",
            "opened_at": HOURS,
            **prices,
            "volume_base": volume_base,
        }
    )


def fetch(home, exchange: str, url: str, now: datetime, *assets: str) -> dict[str, ingest.Outcome]:
    client = open_client(exchange, url)
    return ingest.fetch_range(ingest.Fetch(client, home, ("candles",), assets, assets, START, now, now))


def test_a_new_contract_size_changes_no_row_of_before(tape, sandbox, tmp_path):
    """Gate's volumes count contracts: of 1,000 coins until the size becomes 10, and the tape with it a hundredth."""
    before = tape(instruments=[listed("gate", "DOGE", 1000)], candles=bars("gate", "DOGE", 0.1, 5000))
    fetch(tmp_path, "gate", sandbox(before, THEN), THEN, "DOGE")
    # the same five contracts a bar on the wire, which are 50 coins by the new size
    after = tape(instruments=[listed("gate", "DOGE", 10)], candles=bars("gate", "DOGE", 0.1, 50))
    outcomes = fetch(tmp_path, "gate", sandbox(after, NOW), NOW, "DOGE")
    assert outcomes["candles"].written.changed == 0
    volumes = facts.read_raw(tmp_path, "candles").groupby(pd.to_datetime(HOURS) < THEN)["volume_base"].unique()
    assert {was: list(found) for was, found in volumes.items()} == {True: [5000.0], False: [5000.0]}
    sizes = facts.read_raw(tmp_path, "instruments").sort_values("valid_from")["contract_size"].tolist()
    assert sizes == [1000.0, 10.0]


def test_a_ticker_by_the_thousand_is_its_coin(tape, sandbox, tmp_path):
    folder = tape(instruments=[listed("binance", "1000PEPE", 1)], candles=bars("binance", "1000PEPE", 0.02, 7))
    fetch(tmp_path, "binance", sandbox(folder, NOW), NOW, "PEPE")
    row = facts.read_raw(tmp_path, "candles").iloc[0]
    assert (row["symbol"], row["close"], row["volume_base"]) == ("1000PEPE/USDT:USDT", 0.02 / 1000, 7000)
    instrument = facts.read_raw(tmp_path, "instruments").iloc[0]
    assert (instrument["asset"], instrument["multiplier"]) == ("PEPE", 1000)


def test_what_is_no_longer_listed_keeps_its_past_and_ends(tape, sandbox, tmp_path):
    two = [listed("bybit", "BTC", 1), listed("bybit", "LUNA", 1)]
    candles = pd.concat([bars("bybit", "BTC", 70_000, 1), bars("bybit", "LUNA", 80, 1)])
    fetch(tmp_path, "bybit", sandbox(tape(instruments=two, candles=candles), THEN), THEN, "BTC", "LUNA")
    gone = tape(instruments=two[:1], candles=bars("bybit", "BTC", 70_000, 1))
    outcomes = fetch(tmp_path, "bybit", sandbox(gone, NOW), NOW, "BTC", "LUNA")
    assert not any(outcome.failures for outcome in outcomes.values())
    stored = facts.read_raw(tmp_path, "instruments").set_index("asset")
    assert stored.loc["LUNA", "ends_at"] == pd.Timestamp(NOW)
    assert pd.isna(stored.loc["BTC", "ends_at"])
    assert len(facts.read_raw(tmp_path, "candles", "symbol like 'LUNA%'")) == 6
    coverage = facts.read_raw(tmp_path, "coverage", "symbol like 'LUNA%'")
    assert set(coverage["state"]) == {"complete", "unavailable"}


def rows(*given: dict) -> pd.DataFrame:
    return contracts.validate(pd.DataFrame(given), "instruments", NOW)[0]


def test_an_end_that_is_known_stays_and_what_comes_back_has_none():
    held = rows({**listed("okx", "BTC", 1), "ends_at": THEN})
    gone = instruments.versioned(held.assign(has_ended=True, ends_at=pd.NaT), held, NOW)
    assert gone["ends_at"].tolist() == [pd.Timestamp(THEN)]
    again = instruments.versioned(rows(listed("okx", "BTC", 1)).assign(has_ended=False), held, NOW)
    assert again["valid_from"].tolist() == [instruments.FIRST]
    assert again["ends_at"].isna().all()
