"""Every declared exchange is asked for one small page of each dataset; shapes and units are compared.

No part of `make test`, since it needs the internet. `make test-live` asks the real exchanges; a failure means that one
of them changed, or that it can't be reached from here. To try it against the sandbox:

    market-stress sandbox --tape deleveraging-2026-02 --port 8787 --now 2026-02-12T00:30:00Z &
    export MARKET_STRESS_EXCHANGE_URL=http://127.0.0.1:8787 MARKET_STRESS_NOW=2026-02-12T00:30:00Z
    make test-live
"""

from datetime import timedelta

import pandas as pd
import pytest

from orchestration import contracts
from orchestration.exchanges import declared
from orchestration.exchanges.client import open_client
from orchestration.exchanges.fetch import TIMES, fetch_listing, fetch_pages
from orchestration.settings import Settings

SETTINGS = Settings.from_environment()
NOW = SETTINGS.now()
DAY = timedelta(days=1)
PLAUSIBLE_USD = (1e5, 1e12)  # Bitcoin on one exchange: an hour's turnover, or all open positions


def serving(dataset: str) -> pytest.MarkDecorator:
    """Once for every exchange that serves a dataset."""
    return pytest.mark.parametrize("exchange", [name for name, one in declared().items() if one.feeds[dataset].served])


@pytest.fixture(scope="module")
def asked():
    """A function (exchange, dataset) -> (instrument of BTC, its rows of the last day); each is asked for once."""
    clients, seen = {}, {}

    def ask(exchange: str, dataset: str) -> tuple[pd.Series, pd.DataFrame]:
        if exchange not in clients:
            clients[exchange] = open_client(exchange, SETTINGS.exchange_url)
            seen[exchange, "instruments"] = fetch_listing(clients[exchange], ["BTC"]).instruments
        instrument = seen[exchange, "instruments"].iloc[0]
        if (exchange, dataset) not in seen:
            pages = fetch_pages(clients[exchange], (dataset,), instrument, NOW - DAY, NOW, NOW)
            seen[exchange, dataset] = pd.concat([page.frames[dataset] for page in pages if page.frames])
        rows = seen[exchange, dataset]
        good, refused = contracts.validate(rows, dataset, NOW)
        assert refused.empty, refused["reason"].tolist()
        if dataset != "instruments":
            assert good[TIMES[dataset]].is_unique or dataset == "liquidations"
            assert good[TIMES[dataset]].between(NOW - DAY, NOW).all()
        return instrument, good

    return ask


@pytest.fixture
def price(asked):
    """A function of an exchange -> its latest close of BTC in USD."""
    return lambda exchange: asked(exchange, "candles")[1].sort_values("opened_at")["close"].iloc[-1]


def on_the_hour(stamps: pd.Series) -> bool:
    return stamps.eq(stamps.dt.floor("h")).all()


@serving("instruments")
def test_l1_bitcoin_is_listed(asked, exchange):
    instrument, rows = asked(exchange, "instruments")
    assert rows["symbol"].tolist() == ["BTC/USDT:USDT"]
    assert 0 < instrument["contract_size"] <= 1


@serving("candles")
def test_l2_candles_are_hourly_and_their_volume_is_coins(asked, exchange):
    _, rows = asked(exchange, "candles")
    assert len(rows) in (23, 24)
    assert on_the_hour(rows["opened_at"])
    assert rows["close"].between(rows["low"], rows["high"]).all()
    assert (rows["volume_base"] * rows["close"]).between(*PLAUSIBLE_USD).all()


@serving("open_interest")
def test_l3_open_interest_in_coins_times_the_price_is_its_value(asked, price, exchange):
    instrument, rows = asked(exchange, "open_interest")
    assert len(rows) in (23, 24, 25)
    assert on_the_hour(rows["observed_at"])
    value = rows["open_interest_base"] * price(exchange)
    assert value.between(*PLAUSIBLE_USD).all()
    assert (rows["open_interest_usd"] / value).dropna().between(0.7, 1.4).all()  # the price of a day moves
    coins = rows["open_interest_contracts"].dropna() * instrument["contract_size"]
    assert (rows["open_interest_base"] / coins).dropna().between(0.99, 1.01).all()


@serving("funding_rates")
def test_l4_funding_is_a_small_ratio_at_a_known_interval(asked, exchange):
    _, rows = asked(exchange, "funding_rates")
    assert len(rows) in range(2, 25)
    assert rows["rate"].abs().max() < 0.03
    assert rows["interval_hours"].notna().all()


@serving("liquidation_totals")
def test_l5_totals_in_usd_over_totals_in_coins_are_the_price(asked, price, exchange):
    _, rows = asked(exchange, "liquidation_totals")
    assert len(rows) in (23, 24)
    assert on_the_hour(rows["period_start_at"])
    for side in ("long", "short"):
        paid = rows[f"{side}_usd"] / rows[f"{side}_base"].where(rows[f"{side}_base"] > 0)
        assert (paid.dropna() / price(exchange)).between(0.7, 1.4).all()


@serving("liquidations")
def test_l6_liquidations_are_coins_at_about_the_price(asked, price, exchange):
    _, rows = asked(exchange, "liquidations")
    assert (rows["price"] / price(exchange)).between(0.7, 1.4).all()
    assert rows["notional_usd"].between(1e-2, 1e9).all()
    assert set(rows["position_side"]) <= {"long", "short"}
