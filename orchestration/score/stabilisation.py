"""The stabilisation monitor: whether the price holds a level, and whether the pace of liquidations has slowed.

Here belong the two conditions and the state that they make. It is a state, no forecast: a market that has stabilised
may fall again. What is unknown is never counted as met.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from orchestration.score.measures import divided
from orchestration.universe import Stabilisation

COLUMNS = [
    *("as_of", "asset", "support_level", "price_met", "pace_met", "state", "since", "held_days", "distance_ratio"),
    *("closes_held", "closes_unknown", "pace_7d_usd", "pace_7d_before_usd", "pace_30d_usd"),
    *("pace_7d_ratio", "pace_7d_before_ratio", "exchanges", "reason"),
]
HOUR = pd.Timedelta(hours=1)
DAY_HOURS, SHORT_HOURS, LONG_HOURS = 24, 168, 720


@dataclass(frozen=True)
class _Pace:
    """By hour: liquidations a day of 7 d, of 7 d some days earlier and of 30 d, in USD, and the former two over the
    open interest of their windows' starts; whether the conditions hold (NaN where unknown); on which exchanges."""

    figures: dict[str, np.ndarray]
    met: np.ndarray
    exchanges: list[list[str]]
    reasons: list[str | None]


def stabilisation(
    prices: pd.DataFrame,
    liquidations: pd.DataFrame,
    instruments: pd.DataFrame,
    levels: dict[str, tuple[float, ...]],
    terms: Stabilisation,
) -> pd.DataFrame:
    """The table `stabilisation`: a row for every hour of `prices`, asset with levels, and support level.

    `prices` has as_of, asset, price; `liquidations` is `liquidations_hourly`: hour_at, exchange, asset, total_usd,
    is_observed; `instruments` is `int_stress_instruments_hourly`: as_of, asset, instrument (exchange:symbol), epoch_at,
    open_interest_usd. Times are UTC without zone; hours may be missing.

    - `price_met`: of the last `of_days` daily closes (00:00 UTC), at least `closes_above` are known to be at or above
      the level; false if so many can't be reached any more; else NULL.
    - `pace_met`: the liquidations of 7 d, a day, are at most `pace_ratio` of those of 30 d, and at most `pace_growth`
      of what they were `pace_days` before, the latter also over open interest at the start of each 7 d: positions that
      have gone can't be liquidated. False as soon as one of these is known to fail; NULL if else one is unknown, and
      without any liquidation within 30 d. Sums are over the exchanges observed in at least `observed_ratio` of the
      hours of 30 d + `pace_days`, all of one feed epoch; a missing hour counts as the others' mean.
    - `state`: both, price, pace or none of them; unknown where one of them is. `since` when the state was entered and
      `held_days` since then (NULL if unknown); `distance_ratio`: price over level, less 1.
    - `pace_7d_usd`, `pace_7d_before_usd`, `pace_30d_usd`: USD a day; `pace_7d_ratio`, `pace_7d_before_ratio`: the
      former two over open interest; `exchanges` whose liquidations are in them; `reason`: what is unknown.

    A row depends on its own and earlier hours only.
    """
    found = []
    for asset, of_asset in levels.items():
        price = _hourly(prices.loc[prices["asset"] == asset].set_index("as_of")["price"])
        if not len(price):
            continue
        own = instruments["asset"] == asset
        pace = _pace(price.index, liquidations[liquidations["asset"] == asset], instruments[own], terms)
        found += [_of_level(asset, level, price, pace, terms) for level in of_asset]
    if not found:
        return pd.DataFrame(columns=COLUMNS)
    return pd.concat(found).sort_values(["as_of", "asset", "support_level"], ignore_index=True)[COLUMNS]


def _hourly(values: pd.Series) -> pd.Series:
    """The values on an unbroken grid of hours."""
    if values.empty:
        return values
    return values.astype("float64").reindex(pd.date_range(values.index.min(), values.index.max(), freq="h"))


def _of_level(asset: str, level: float, price: pd.Series, pace: _Pace, terms: Stabilisation) -> pd.DataFrame:
    hours = price.index
    closes = np.where(hours.hour == 0, price.to_numpy(), np.nan)
    is_close = hours.hour == 0
    held = _of_last_closes(is_close & (closes >= level), terms.of_days)
    known = _of_last_closes(is_close & ~np.isnan(closes), terms.of_days)
    unknown = terms.of_days - known
    price_met = np.where(
        held >= terms.closes_above, 1, np.where(held + unknown < terms.closes_above, 0, np.nan)
    )  # fmt: skip
    state = np.select(
        [np.isnan(price_met) | np.isnan(pace.met), (price_met * pace.met) == 1, price_met == 1, pace.met == 1],
        ["unknown", "both", "price", "pace"],
        "none",
    )
    is_new = np.concatenate([[True], state[1:] != state[:-1]])
    since = pd.Series(hours.where(is_new)).ffill().where(state != "unknown")
    of_price = [
        f"price: {count:.0f} of the last {terms.of_days} daily closes unknown" if np.isnan(met) else None
        for count, met in zip(unknown, price_met, strict=True)
    ]
    reasons = [
        "; ".join(filter(None, both)) or None for both in zip(of_price, pace.reasons, strict=True)
    ]  # fmt: skip
    return pd.DataFrame(
        {
            "as_of": hours,
            "asset": asset,
            "support_level": float(level),
            "price_met": _flag(price_met),
            "pace_met": _flag(pace.met),
            "state": state,
            "since": since,
            "held_days": (pd.Series(hours) - since) / pd.Timedelta(days=1),
            "distance_ratio": price.to_numpy() / level - 1,
            "closes_held": held,
            "closes_unknown": unknown,
            **pace.figures,
            "exchanges": pace.exchanges,
            "reason": pd.Series(reasons, dtype="object"),
        }
    )


def _of_last_closes(is_true: np.ndarray, closes: int) -> np.ndarray:
    """For how many of the last daily closes, one at this hour among them, it is true."""
    window = pd.Series(is_true.astype("int64")).rolling(closes * DAY_HOURS, min_periods=1)
    return window.sum().to_numpy().astype("int64")


def _flag(values: np.ndarray) -> pd.Series:
    """True, False and None from 1, 0 and NaN."""
    return pd.Series(values).map({1.0: True, 0.0: False}).astype("object").where(~np.isnan(values), None)


def _pace(
    hours: pd.DatetimeIndex, liquidations: pd.DataFrame, instruments: pd.DataFrame, terms: Stabilisation
) -> _Pace:
    exchange = instruments["instrument"].str.split(":", n=1).str[0]
    names = sorted({*liquidations["exchange"], *exchange})
    before, window = terms.pace_days * DAY_HOURS, LONG_HOURS + terms.pace_days * DAY_HOURS

    def grid(rows: pd.DataFrame) -> np.ndarray:
        return rows.reindex(index=hours, columns=names).to_numpy(dtype="float64", na_value=np.nan)

    seen = liquidations[liquidations["is_observed"].astype("bool")]
    seen = seen.assign(as_of=seen["hour_at"] + HOUR, usd=seen["total_usd"].astype("float64"))
    usd = grid(seen.pivot(index="as_of", columns="exchange", values="usd"))
    epochs = (instruments["epoch_at"] - pd.Timestamp(0)) / HOUR
    of_exchanges = instruments.assign(exchange=exchange, epoch=epochs).groupby(["as_of", "exchange"])
    epoch = grid(of_exchanges["epoch"].max().unstack())
    open_interest = grid(of_exchanges["open_interest_usd"].sum(min_count=1).unstack())

    is_seen = pd.DataFrame(~np.isnan(usd)).astype("float64")
    observed = is_seen.rolling(window, min_periods=window).sum().to_numpy() / window
    is_of_one_epoch = _rolling(epoch, window, "max") == _rolling(epoch, window, "min")
    is_in = (observed >= terms.observed_ratio) & is_of_one_epoch

    of_7d, of_30d = _per_day(usd, SHORT_HOURS), _per_day(usd, LONG_HOURS)
    pace_7d, pace_30d = _over(of_7d, is_in), _over(of_30d, is_in)
    pace_before = _over(_earlier(of_7d, before), is_in)
    at_start = _over(_earlier(open_interest, SHORT_HOURS), is_in)
    at_start_before = _over(_earlier(open_interest, SHORT_HOURS + before), is_in)
    ratio, ratio_before = divided(pace_7d, at_start), divided(pace_before, at_start_before)

    conditions = np.array(
        [
            _at_most(pace_7d, terms.pace_ratio * pace_30d),
            _at_most(pace_7d, terms.pace_growth * pace_before),
            _at_most(ratio, terms.pace_growth * ratio_before),
        ]
    )
    met = np.where((conditions == 0).any(axis=0), 0, conditions.min(axis=0))  # NaN where one is
    is_quiet = _over(_rolling(usd, LONG_HOURS, "max"), is_in) == 0
    met = np.where(is_quiet, np.nan, met)
    is_any = is_in.any(axis=1)
    reasons = np.select(
        [~is_any, is_quiet, np.isnan(met)],
        [
            f"pace: no exchange observed in {terms.observed_ratio:.0%} of {window // DAY_HOURS} d of one feed epoch",
            "pace: no liquidations within 30 d",
            "pace: open interest at the start of 7 d unknown",
        ],
        "",
    )
    figures = {
        "pace_7d_usd": pace_7d,
        "pace_7d_before_usd": pace_before,
        "pace_30d_usd": pace_30d,
        "pace_7d_ratio": ratio,
        "pace_7d_before_ratio": ratio_before,
    }
    exchanges = [[name for name, its in zip(names, row, strict=True) if its] for row in is_in.tolist()]
    return _Pace(figures, met, exchanges, [reason or None for reason in reasons.tolist()])


def _per_day(usd: np.ndarray, window: int) -> np.ndarray:
    """Liquidations a day over this many hours, from those that were observed."""
    return DAY_HOURS * _rolling(usd, window, "mean")


def _rolling(values: np.ndarray, window: int, kind: str) -> np.ndarray:
    return getattr(pd.DataFrame(values).rolling(window, min_periods=1), kind)().to_numpy()


def _earlier(values: np.ndarray, hours: int) -> np.ndarray:
    return pd.DataFrame(values).shift(hours).to_numpy()


def _over(of_exchanges: np.ndarray, is_in: np.ndarray) -> np.ndarray:
    """The sum over the exchanges that are in; NaN if one of them is, or none is in."""
    total = np.where(is_in, of_exchanges, 0).sum(axis=1)
    return np.where(is_in.any(axis=1), total, np.nan)


def _at_most(value: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """1 or 0; NaN where one of them is."""
    return np.where(np.isnan(value) | np.isnan(limit), np.nan, value <= limit)
