"""The frozen panel: the instruments that were observed throughout, and the figures that they alone give.

Here belongs who is a member, and the frames that the score takes, of all members, without an exchange, or thinned. The
measures of prices are taken anew from the members' bars: those of the warehouse rest on whoever was there.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from orchestration.evaluation.facts import KEYS, Facts
from orchestration.score.prices import price_measures

OBSERVED_THROUGHOUT_RATIO = 0.99
ALL = "ALL"
FIGURES = {  # dataset: the figure that says whether it was observed, and all that rests on it
    "liquidations": ["long_usd", "completeness", "epoch_at"],
    "open_interest": [
        *("open_interest_usd", "open_interest_24h_ago_usd", "closed_24h_usd", "closed_28d_usd", "start_28d_usd"),
    ],
    "funding_rates": ["funding_rate_annualised"],
}


@dataclass(frozen=True)
class Panel:
    """`instruments` and `of_prices` are what `score.market_stress` takes; `close` and `low` of hour and asset.

    `members` says of each instrument and dataset what share of the dataset's hours it was observed in.
    """

    hours: pd.DatetimeIndex
    assets: list[str]
    instruments: pd.DataFrame
    bars: pd.DataFrame
    of_prices: pd.DataFrame
    close: np.ndarray
    low: np.ndarray
    members: pd.DataFrame


def frozen(facts: Facts) -> Panel:
    """The panel of the instruments observed throughout: in 99 % of the hours from the first that any instrument has of
    the dataset to the last hour of all. Members are chosen by dataset; without a dataset an instrument brings nothing
    to what rests on it. Raises ValueError where nobody's prices were observed throughout.
    """
    last = facts.instruments["as_of"].max()
    observed = {name: facts.instruments[facts.instruments[its[0]].notna()] for name, its in FIGURES.items()}
    observed["candles"] = facts.bars[facts.bars["as_of"] <= last]
    members = pd.concat([_observed_ratios(frame, last).assign(dataset=name) for name, frame in observed.items()])
    members = members[["instrument", "dataset", "observed_ratio"]].sort_values(
        ["instrument", "dataset"], ignore_index=True
    )
    members["is_member"] = members["observed_ratio"] >= OBSERVED_THROUGHOUT_RATIO
    instruments = facts.instruments.copy()
    for name, figures in FIGURES.items():
        instruments.loc[~instruments["instrument"].isin(_of(members, name)), figures] = None
    bars = observed["candles"]
    bars = bars[bars["instrument"].isin(_of(members, "candles"))]
    instruments.loc[~instruments["instrument"].isin(_of(members, "candles")), "close"] = None
    if bars.empty:
        raise ValueError("nobody's prices were observed throughout, so there is no panel to evaluate the score on")
    return _made(instruments, bars, members)


def without(panel: Panel, exchange: str) -> Panel | None:
    """The panel less an exchange; None where nobody's prices are left."""
    instruments, bars = (frame[_exchange(frame) != exchange] for frame in (panel.instruments, panel.bars))
    return None if bars.empty else _made(instruments, bars, panel.members)


def thinned(panel: Panel, kept: pd.DataFrame, exchange: str) -> Panel:
    """The panel as if the exchange pushed one liquidation a symbol and second, the largest (Binance's documented rule).

    Only what is made of single events can be thinned; an exchange's own totals can't.
    """
    frame = panel.instruments.merge(kept, on=KEYS, how="left")
    is_thin = (_exchange(frame) == exchange) & (frame["completeness"] == "complete")
    ratio = frame["kept_ratio"].where(is_thin).fillna(1.0)
    return replace(panel, instruments=frame.assign(long_usd=frame["long_usd"] * ratio).drop(columns="kept_ratio"))


def exchanges(panel: Panel) -> list[str]:
    """Those that have a member, by name."""
    return sorted(_exchange(panel.members[panel.members["is_member"]]).unique())


def _exchange(frame: pd.DataFrame) -> pd.Series:
    return frame["instrument"].str.split(":").str[0]


def _of(members: pd.DataFrame, dataset: str) -> pd.Series:
    return members.loc[(members["dataset"] == dataset) & members["is_member"], "instrument"]


def _observed_ratios(observed: pd.DataFrame, last: pd.Timestamp) -> pd.DataFrame:
    """Of every instrument the share of hours from the first of all to the last that it has."""
    hours = (last - observed["as_of"].min()) // pd.Timedelta(hours=1) + 1 if len(observed) else 1
    return (observed.groupby("instrument").size() / hours).rename("observed_ratio").reset_index()


def _made(instruments: pd.DataFrame, bars: pd.DataFrame, members: pd.DataFrame) -> Panel:
    hours = pd.date_range(instruments["as_of"].min(), instruments["as_of"].max(), freq="h")
    assets = sorted(bars["asset"].unique())
    close, low = (
        bars.pivot_table(index="as_of", columns="asset", values=name, aggfunc="median")
        .reindex(hours)[assets]
        .to_numpy()
        for name in ("close", "low")
    )
    of_prices = prices_of(instruments, bars, hours, assets)
    return Panel(hours, assets, instruments, bars, of_prices, close, low, members)


def prices_of(
    instruments: pd.DataFrame, bars: pd.DataFrame, hours: pd.DatetimeIndex, assets: list[str]
) -> pd.DataFrame:
    """`stress_measures_hourly` of these instruments, from the second hour on."""
    names = instruments[["instrument", "asset"]].drop_duplicates().sort_values("instrument")

    def grid(frame: pd.DataFrame, figure: str) -> np.ndarray:
        wide = frame.pivot(index="as_of", columns="instrument", values=figure)
        return wide.reindex(index=hours, columns=names["instrument"]).to_numpy(dtype="float64", na_value=np.nan)

    columns = [*assets, ALL]
    measures = price_measures(
        grid(bars, "close"), grid(instruments, "open_interest_usd"), names["asset"].to_numpy(), columns
    )
    index = pd.MultiIndex.from_product([hours[1:], columns], names=["as_of", "asset"])
    return pd.DataFrame({name: its[1:].ravel() for name, its in measures.items()}, index=index).reset_index()
