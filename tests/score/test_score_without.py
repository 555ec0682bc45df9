"""The score without one exchange or asset: made anew of whoever is left, prices and all."""

import duckdb
import numpy as np
import pandas as pd
import pytest
from frames import HOURS, WARM_UP_DAYS, instrument, spread

from orchestration import contracts, score
from orchestration.score.grids import on_grids
from orchestration.score.measures import Instruments, on_grid
from orchestration.score.prices import price_measures
from orchestration.score.without import COLUMNS, score_without


def market() -> pd.DataFrame:
    """Two assets on two exchanges; okx's instruments are stressed in the last day, and so is its price."""
    frames = []
    for number, (exchange, asset) in enumerate([("gate", "BTC"), ("okx", "BTC"), ("gate", "ETH"), ("okx", "ETH")]):
        values = np.roll(spread(HOURS + 24), 17 * number)
        path = np.exp(np.cumsum(np.random.default_rng(number).normal(0, 0.01, HOURS + 24)))
        if exchange == "okx":
            values[-24:] = 0.99
            path[-24:] *= np.linspace(0.99, 0.8, 24)
        frames.append(instrument(values, asset, exchange).assign(close=100 * path))
    return pd.concat(frames, ignore_index=True)


def of_prices(instruments: Instruments, assets: list[str]) -> dict[str, np.ndarray]:
    figures = instruments.figures
    return price_measures(figures["close"], figures["open_interest_usd"], instruments.assets, assets)


def prices_of(instruments: pd.DataFrame) -> pd.DataFrame:
    """These instruments' `stress_measures_hourly`."""
    hours = pd.date_range(instruments["as_of"].min(), instruments["as_of"].max(), freq="h")
    assets = sorted({"ALL", *instruments["asset"]})
    measures = of_prices(on_grid(instruments, hours), assets)
    index = pd.MultiIndex.from_product([hours, assets], names=["as_of", "asset"])
    return pd.DataFrame({name: its.ravel() for name, its in measures.items()}, index=index).reset_index()


def test_what_is_left_is_scored_as_if_there_had_been_nothing_else():
    everyone = market()
    table = score_without(everyone, WARM_UP_DAYS)
    assert table.columns.tolist() == COLUMNS == contracts.contract("score_without").columns
    contracts.check_published("score_without", table)
    assert table.groupby("left_out")["asset"].agg(list).to_dict() == {
        "BTC": ["ALL", "ETH"],
        "ETH": ["ALL", "BTC"],
        "gate": ["ALL", "BTC", "ETH"],
        "okx": ["ALL", "BTC", "ETH"],
    }
    exchanges = everyone["instrument"].str.partition(":")[0]
    for left_out, rows in table.groupby("left_out"):
        kept = everyone[(exchanges != left_out) & (everyone["asset"] != left_out)]
        alone = score.market_stress(prices_of(kept), kept, WARM_UP_DAYS)
        alone = alone[alone["as_of"] == alone["as_of"].max()].set_index("asset")
        shown = rows.set_index("asset")
        for column in ("score", "score_low", "score_high"):
            assert shown[column].to_dict() == pytest.approx(alone[column].to_dict(), nan_ok=True)


def test_a_stress_of_one_exchange_goes_with_it():
    table = score_without(market(), WARM_UP_DAYS).set_index(["left_out", "asset"])
    assert table.loc[("okx", "ALL"), "score"] < table.loc[("gate", "ALL"), "score"] - 20


def test_a_market_without_liquidations_has_its_other_parts():
    table = score_without(market().assign(long_usd=np.nan, completeness=None, epoch_at=pd.NaT), WARM_UP_DAYS)
    assert table["reason"].str.contains("never observed: liquidations").all()
    assert (table["score_high"] - table["score_low"] >= 20).all()


def test_where_nothing_is_left_there_is_no_row():
    alone = instrument(spread(HOURS))
    assert score_without(alone, WARM_UP_DAYS).empty
    assert score_without(alone[:0], WARM_UP_DAYS).columns.tolist() == COLUMNS


@pytest.mark.thorough
def test_prices_are_those_of_the_models(demo_home):
    with duckdb.connect(str(demo_home / "build.duckdb"), read_only=True) as build:
        of_models = build.execute("select * from stress_measures_hourly").df()
        instruments = build.execute("select * from intermediate.int_stress_instruments_hourly").df()
    grids = on_grids(of_models, instruments)
    for name, ours in of_prices(grids.instruments, grids.assets).items():
        # market_hourly begins an hour after the first stamp, which only has a share.
        np.testing.assert_allclose(ours[1:], grids.prices[name][1:], rtol=1e-9, atol=1e-12)
