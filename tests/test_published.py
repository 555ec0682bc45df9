"""Figures that others published of the exchanges' answers, as our readers read them. They stay outside."""

import json
from pathlib import Path

import pandas as pd
import pytest

from orchestration.exchanges import reader

PUBLISHED = Path(__file__).parents[2] / "shared" / "recordings" / "payloads" / "published_answers.json"

pytestmark = pytest.mark.skipif(not PUBLISHED.exists(), reason="shared/recordings is not beside this checkout")


def published(exchange, method, version=""):
    """The native rows of a figure that ccxt's maintainers published."""
    cases = json.loads(PUBLISHED.read_text())["cases"]
    case = next(
        case
        for case in cases
        if (case["exchange"], case.get("method")) == (exchange, method) and version in case.get("ccxt", "")
    )
    return case.get("httpResponse") or [parsed["info"] for parsed in case["parsed"]]


def instrument(exchange, contract_size=1.0, symbol="BTC/USDT:USDT"):
    return {"exchange": exchange, "symbol": symbol, "contract_size": contract_size}


def only_row(frame):
    assert len(frame) == 1
    return frame.iloc[0]


def test_binance_open_interest_is_coins_and_usd():
    """100,264.955 BTC worth 3,049,899,507.172 USD: 30,418.40 USD each, a price of April 2023."""
    row = only_row(
        reader("binance").open_interest(published("binance", "fetchOpenInterestHistory"), instrument("binance"))
    )
    assert row["observed_at"] == pd.Timestamp("2023-04-15T10:30Z")
    assert (row["open_interest_base"], row["open_interest_usd"]) == (100264.955, 3049899507.172)
    assert pd.isna(row["open_interest_contracts"])


def test_gate_open_interest_is_contracts_of_the_quanto_multiplier():
    """150,508,526 contracts x 0.0001 BTC = 15,050.8526 BTC; x 30,551.93 USD = 459,832,595 USD, as Gate states it."""
    native = published("gate", "fetchOpenInterestHistory", "4.0.3")
    row = only_row(reader("gate").open_interest(native, instrument("gate", 0.0001)))
    assert row["observed_at"] == pd.Timestamp("2023-07-01T13:50Z")
    assert row["open_interest_contracts"] == 150508526
    assert row["open_interest_base"] == pytest.approx(15050.8526, rel=1e-12)
    assert row["open_interest_usd"] == 459832595.07552
    assert row["open_interest_base"] * 30551.93 == pytest.approx(row["open_interest_usd"], rel=1e-9)


def test_okx_liquidation_as_published():
    """86 contracts of 1 APT at 5.761 USD are 495.446 USD; ccxt's own parser gives no value at all."""
    native = published("okx", "watchLiquidationsForSymbols")[:1]
    row = only_row(reader("okx").liquidations(native, instrument("okx", 1, "APT/USDT:USDT")))
    assert row["notional_usd"] == pytest.approx(495.446)
    assert row["position_side"] == "long"
