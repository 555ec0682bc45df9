"""The ranks behind a score: every measure's, and those of the parts that they make, by hour and asset.

Here belongs how the two frames become grids and ranks. What a row of the table says of them is `score`'s matter.
"""

from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
import pandas as pd

from orchestration.score import first_line, measures, ranks
from orchestration.score.measures import Instruments
from orchestration.score.panels import Asked, PanelRanks
from orchestration.score.parts import PRICE_MEASURES, Ranks
from orchestration.score.prices import SHARE

AnyRanks = TypeVar("AnyRanks", bound=Ranks)

MEASURED = {
    "liquidations_ratio": measures.liquidations,
    "open_interest_24h_ratio": measures.open_interest_24h,
    "open_interest_28d_ratio": measures.open_interest_28d,
    "funding_dislocation": measures.funding_dislocation,
}


@dataclass(frozen=True)
class Grids:
    """What a score is made of: figures with a row for every hour, and a column for every asset (ALL too) or instrument.

    `prices` has the measures of prices and the share of open interest by name; hours are unbroken.
    """

    hours: pd.DatetimeIndex
    assets: list[str]
    prices: dict[str, np.ndarray]
    instruments: Instruments


@dataclass(frozen=True)
class Ranked:
    """Ranks of measures that rest on prices alone, of those that are taken on panels, and of the parts, by name."""

    of_series: dict[str, Ranks]
    of_panels: dict[str, PanelRanks]
    parts: dict[str, Ranks]

    @property
    def of_measures(self) -> dict[str, Ranks]:
        return {**self.of_series, **self.of_panels}


def on_grids(of_prices: pd.DataFrame, instruments: pd.DataFrame) -> Grids:
    """The two frames that `score.market_stress` takes, at least one row each, as grids."""
    stamps = pd.concat([of_prices["as_of"], instruments["as_of"]])
    hours = pd.date_range(stamps.min(), stamps.max(), freq="h")
    assets = sorted(of_prices["asset"].unique())
    wide = of_prices.pivot(index="as_of", columns="asset", values=[*PRICE_MEASURES, SHARE])
    prices = {
        name: wide[name].reindex(index=hours, columns=assets).to_numpy(dtype="float64", na_value=np.nan)
        for name in (*PRICE_MEASURES, SHARE)
    }
    return Grids(hours, assets, prices, measures.on_grid(instruments, hours))


def ranked(grids: Grids, warm_up_days: int, last_hours: int | None = None) -> Ranked:
    """Every rank, as `score.market_stress` says.

    With `last_hours`, panels are ranked in that many of the last hours alone: all hours are history, but only the last
    of them have ranks.
    """
    hours, assets, instruments = grids.hours, grids.assets, grids.instruments
    is_asked = np.arange(len(hours)) >= len(hours) - (last_hours or len(hours))
    asked = Asked(warm_up_days, (hours.year * 12 + hours.month).to_numpy(), is_asked)
    of_series = {}
    for name in PRICE_MEASURES:
        of_series[name] = _side_by_side([ranks.ranks_of_series(its, warm_up_days) for its in grids.prices[name].T])
    of_panels = {}
    for name, measured in MEASURED.items():
        by_asset = measured(instruments, assets, asked)
        of_panels[name] = _side_by_side([by_asset[asset] for asset in assets])

    found: dict[str, Ranks] = {**of_series, **of_panels}
    in_home = {name: its[:, 0] for name, its in measures.ever_observed(instruments, ["ALL"]).items()}
    parts = first_line.parts_of(found, measures.ever_observed(instruments, assets))
    share = grids.prices[SHARE]
    parts["breadth"] = first_line.breadth_of(parts, assets, share, first_line.has_history(found), in_home)
    return Ranked(of_series, of_panels, parts)


def _side_by_side(of_assets: list[AnyRanks]) -> AnyRanks:
    """Ranks of one measure, asset by asset, as grids."""
    kind = type(of_assets[0])
    return kind(**{it.name: np.column_stack([getattr(of, it.name) for of in of_assets]) for it in fields(kind)})
