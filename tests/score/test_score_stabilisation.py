"""The stabilisation monitor: each condition by hand, and that nothing unknown ever counts as met."""

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration import contracts
from orchestration.score.stabilisation import COLUMNS, stabilisation
from orchestration.universe import Stabilisation

START = pd.Timestamp("2025-01-01")
TERMS = Stabilisation()
HOURS = 45 * 24
CALM_USD, LOUD_USD = 10.0, 100.0
LEVEL = 100.0


def hours(count: int = HOURS) -> pd.DatetimeIndex:
    return pd.date_range(START, periods=count, freq="h", unit="us")


def monitored(
    usd: np.ndarray | dict[str, np.ndarray],
    price: np.ndarray | float = 110.0,
    open_interest: np.ndarray | float = 1000.0,
    epoch_at: dict[str, np.ndarray] | None = None,
    terms: Stabilisation = TERMS,
) -> pd.DataFrame:
    """The monitor of BTC at 100, with these liquidations an hour by exchange (NaN: not observed)."""
    of_exchanges = usd if isinstance(usd, dict) else {"gate": usd}
    count = len(next(iter(of_exchanges.values())))
    prices = pd.DataFrame({"as_of": hours(count), "asset": "BTC", "price": price})
    liquidations, instruments = [], []
    for exchange, figures in of_exchanges.items():
        figures = np.asarray(figures, float)
        liquidations.append(
            pd.DataFrame(
                {
                    "hour_at": hours(count) - pd.Timedelta(hours=1),
                    "exchange": exchange,
                    "asset": "BTC",
                    "total_usd": figures,
                    "is_observed": ~np.isnan(figures),
                }
            )
        )
        epoch = (epoch_at or {}).get(exchange, np.full(count, np.datetime64("2019-09-01", "us")))
        instruments.append(
            pd.DataFrame(
                {
                    "as_of": hours(count),
                    "asset": "BTC",
                    "instrument": f"{exchange}:BTC/USDT:USDT",
                    "epoch_at": pd.Series(epoch).where(~np.isnan(figures)),
                    "open_interest_usd": open_interest,
                }
            )
        )
    return stabilisation(prices, pd.concat(liquidations), pd.concat(instruments), {"BTC": (LEVEL,)}, terms)


def slowing(loud_days: int = 20, calm_days: int = 25) -> np.ndarray:
    return np.array([LOUD_USD] * 24 * loud_days + [CALM_USD] * 24 * calm_days)


def test_both_are_met_where_closes_hold_and_the_pace_has_slowed():
    table = monitored(slowing())
    row = table.iloc[-1]
    assert (row["price_met"], row["pace_met"], row["state"]) == (True, True, "both")
    assert row["distance_ratio"] == pytest.approx(0.1)
    # 24 h of 10 USD; the 30 d before hold 5 loud days and 25 calm ones: (5 x 100 + 25 x 10) / 30 = 25 an hour
    assert (row["pace_7d_usd"], row["pace_7d_before_usd"]) == (pytest.approx(240), pytest.approx(240))
    assert row["pace_30d_usd"] == pytest.approx(600, rel=0.01)
    assert row["pace_7d_ratio"] == pytest.approx(0.24)
    assert row["exchanges"] == ["gate"]
    assert row["since"] == table.loc[table["state"] == "both", "as_of"].min()
    assert row["held_days"] == pytest.approx((row["as_of"] - row["since"]) / pd.Timedelta(days=1))


def closes(values: list[float]) -> np.ndarray:
    """Prices whose last daily closes are these, and 500 between them."""
    price = np.full(HOURS, 500.0)
    at = np.flatnonzero(hours().hour == 0)[-len(values) :]
    price[at] = values
    return price


@pytest.mark.parametrize(
    ("last", "met"),
    [
        ([90, 90, 100, 101, 102], True),  # three of five, the level itself holds
        ([100, 101, 102, 90, 90], True),  # in whatever order
        ([90, 90, 90, 101, 102], False),
        ([90, 90, np.nan, 101, 102], None),  # the unknown one decides
        ([90, np.nan, 101, 102, 103], True),  # it doesn't matter
        ([90, 90, 90, np.nan, np.nan], False),  # three can't be reached any more
        ([np.nan] * 5, None),
    ],
)
def test_the_price_half_knows_what_it_does_not_know(last, met):
    row = monitored(slowing(), price=closes(last)).iloc[-1]
    assert row["price_met"] is met
    if met is None:
        assert row["state"] == "unknown"
        assert row["reason"] == f"price: {np.isnan(last).sum()} of the last 5 daily closes unknown"


def test_between_closes_the_price_moves_nothing():
    assert monitored(slowing(), price=closes([101] * 5) - np.where(hours().hour == 0, 0, 450)).iloc[-1]["price_met"]


def test_a_pace_that_grows_again_is_not_met():
    usd = slowing()
    usd[-24:] = 14.0  # a day of 14 in a week of 10: (6 x 10 + 14) / 7 = 10.57, 5.7 % above three days before
    assert monitored(usd).iloc[-1]["pace_met"]
    usd[-24:] = 18.0  # 11.14: 11.4 % above
    assert not monitored(usd).iloc[-1]["pace_met"]


def test_a_pace_that_only_slows_since_positions_are_gone_is_not_met():
    open_interest = np.full(HOURS, 1000.0)
    open_interest[-9 * 24 :] = 800.0  # at the start of the week; three days before it was 1,000: 25 % more of it a day
    row = monitored(slowing(), open_interest=open_interest).iloc[-1]
    assert row["pace_7d_usd"] == row["pace_7d_before_usd"]
    assert not row["pace_met"]


def test_without_open_interest_at_the_start_the_pace_is_unknown_unless_it_fails_already():
    open_interest = np.where(hours() < START + pd.Timedelta(days=40), np.nan, 1000.0)
    row = monitored(slowing(), open_interest=open_interest).iloc[-1]
    assert (row["pace_met"], row["state"]) == (None, "unknown")
    assert row["reason"] == "pace: open interest at the start of 7 d unknown"
    assert monitored(slowing()[::-1], open_interest=open_interest).iloc[-1]["pace_met"] is False


def test_no_liquidations_at_all_are_unknown():
    row = monitored(np.zeros(HOURS)).iloc[-1]
    assert (row["pace_met"], row["state"], row["reason"]) == (None, "unknown", "pace: no liquidations within 30 d")


def test_an_exchange_with_holes_is_left_out_and_one_hour_more_or_less_decides():
    usd = slowing()
    window = 33 * 24
    holed = usd.copy()
    holed[-int(window * 0.05) :][::2] = np.nan  # 20 of 792 hours
    assert monitored({"gate": usd, "okx": holed}).iloc[-1]["exchanges"] == ["gate", "okx"]
    missing = int(window * 0.05) + 1  # 40: 752 of 792 are 94.9 %
    holed[-window : -window + missing] = np.nan
    assert monitored({"gate": usd, "okx": holed}).iloc[-1]["exchanges"] == ["gate"]


def test_a_missing_hour_counts_as_the_mean_of_the_others():
    usd = slowing()
    usd[-5:] = np.nan
    assert monitored(usd).iloc[-1]["pace_7d_usd"] == pytest.approx(240)


def test_an_exchange_whose_feed_changed_its_nature_is_left_out_for_33_days():
    changed = np.where(
        hours() < START + pd.Timedelta(days=10), np.datetime64("2019-09-01", "us"), np.datetime64("2025-01-11", "us")
    )  # fmt: skip
    table = monitored({"gate": slowing(), "bybit": slowing()}, epoch_at={"bybit": changed})
    both = table.loc[table["exchanges"].map(len) == 2, "as_of"]
    assert both.min() == START + pd.Timedelta(days=43, hours=-1)  # the last hour of the old nature has left 33 d


def test_nothing_is_said_of_the_pace_before_33_days():
    table = monitored(slowing())
    known = table.loc[table["pace_met"].notna(), "as_of"]
    assert known.min() == START + pd.Timedelta(hours=33 * 24 - 1)
    assert table["reason"][0].endswith("pace: no exchange observed in 95% of 33 d of one feed epoch")


def test_parameters_come_from_the_universe_file():
    strict = Stabilisation(closes_above=5, of_days=5, pace_ratio=0.1)
    row = monitored(slowing(), price=closes([90, 101, 101, 101, 101]), terms=strict).iloc[-1]
    assert (row["price_met"], row["pace_met"], row["state"]) == (False, False, "none")


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_both_is_never_said_on_unknown_data_and_later_hours_change_nothing(seed):
    random = np.random.default_rng(seed)
    usd = random.exponential(10, (HOURS, 2)) * np.where(np.arange(HOURS) < 20 * 24, 5, 1)[:, np.newaxis]
    usd[random.random((HOURS, 2)) < random.choice([0, 0.01, 0.06])] = np.nan
    price = np.where(random.random(HOURS) < random.choice([0, 0.02, 0.3]), np.nan, random.normal(100, 3, HOURS))
    of_exchanges = {"gate": usd[:, 0], "okx": usd[:, 1]}
    table = monitored(of_exchanges, price=price)
    contracts.check_published("stabilisation", table)
    assert table.columns.tolist() == COLUMNS == contracts.contract("stabilisation").columns
    is_close = hours().hour == 0
    held = pd.Series(is_close & (price >= LEVEL)).rolling(120, min_periods=1).sum()
    both = table["state"] == "both"
    assert (held[both] >= 3).all()  # on known closes alone
    assert (table["exchanges"][both].map(len) > 0).all()
    early = int(random.integers(1, HOURS))
    before = monitored({name: its[:early] for name, its in of_exchanges.items()}, price=price[:early])
    pd.testing.assert_frame_equal(before, table[:early], check_dtype=False)


def test_an_asset_that_is_not_there_has_no_rows():
    nothing = pd.DataFrame(columns=["as_of", "asset", "price"])
    assert stabilisation(nothing, nothing, nothing, {"DOGE": (1.0,)}, TERMS).columns.tolist() == COLUMNS


@pytest.mark.thorough
def test_the_crash_of_august_2024_shows_when_the_pace_was_met_again(crash_home):
    with duckdb.connect(str(crash_home / "build.duckdb"), read_only=True) as build:
        table = stabilisation(
            build.execute("select as_of, asset, price from market_hourly").df(),
            build.execute("select * from liquidations_hourly").df(),
            build.execute("select * from intermediate.int_stress_instruments_hourly").df(),
            {"BTC": (55_000.0,)},
            TERMS,
        )
    at_midnight = table[table["as_of"].dt.hour == 0].set_index("as_of")
    august = at_midnight["2024-08-02":"2024-08-19"]
    met = august.index[august["pace_met"] == True]  # noqa: E712
    assert met.strftime("%m-%d").tolist() == ["08-02", "08-16", "08-17", "08-18", "08-19"]
    assert august["price_met"].all()  # one close of five lay below 55,000
    assert (august["closes_held"].min(), august.loc["2024-08-19", "state"]) == (4, "both")
