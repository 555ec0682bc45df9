"""The score: how much stress there is now, ranked against what each market has seen before.

Here belong panels, ranks, contributions, bounds and regimes: frames in, frames out, no files, no clock. `parts` says
what the score is made of, `ranks` how a value stands among earlier ones, `panels` among which, `measures` what is
measured on a panel, and `first_line` how ranks become a score. The score is coincident; it forecasts nothing.
"""

from dataclasses import fields
from typing import TypeVar

import numpy as np
import pandas as pd

from orchestration.score import first_line, measures, ranks
from orchestration.score.first_line import REGIMES
from orchestration.score.panels import PanelRanks
from orchestration.score.parts import MEASURES, PANEL_MEASURES, PARTS, PRICE_MEASURES, Ranks

AnyRanks = TypeVar("AnyRanks", bound=Ranks)

__all__ = ["COLUMNS", "MEASURES", "PARTS", "REGIMES", "market_stress"]

SHARE = "open_interest_share"
COLUMNS = [
    *("as_of", "asset", "score", "score_low", "score_high", "regime", "regime_low", "regime_high"),
    *(f"{part}_{kind}" for kind in ("rank", "contribution") for part in PARTS),
    *PANEL_MEASURES,
    *("liquidations_panel", "liquidations_completeness", "filled_hours"),
    *("warm_up_days", "effective_days", "independent_windows", "reason"),
]
MEASURED = {
    "liquidations_ratio": measures.liquidations,
    "open_interest_24h_ratio": measures.open_interest_24h,
    "open_interest_28d_ratio": measures.open_interest_28d,
    "funding_dislocation": measures.funding_dislocation,
}
NATURES = ("complete", "totals", "sampled")  # the worst last


def market_stress(of_prices: pd.DataFrame, instruments: pd.DataFrame, warm_up_days: int = 180) -> pd.DataFrame:
    """The table `market_stress`, less what publishing adds: one row per row of `of_prices`, by as_of and asset.

    `of_prices` is `stress_measures_hourly`: as_of (hourly, UTC without zone), asset (ALL too), the measures of prices
    and open_interest_share. `instruments` is `int_stress_instruments_hourly`: per as_of and instrument what it brings
    to a panel. Hours may be missing: windows are by time.

    - `<part>_rank` in [0, 1]: the mean of its measures' ranks, each the mid-rank (share below plus half the share of
      equals) among the strictly earlier values of the window. The window reaches back to the first value within 730
      days; it must span `warm_up_days` and hold nine tenths of its hours. Values that rest on instruments are ranked
      among those of the same panel (see `panels`). A part with an unranked measure has no rank.
    - `breadth_rank`: share of the other assets (for ALL: of all) whose own ranks' mean exceeds 0.9; of missing ranks
      it takes the least. An asset counts if it holds at least 0.5 % of open interest (the last known share counts) and
      has history enough for at least one measure.
    - `<part>_contribution`: points to the cent; their sum is `score`, a missing part adding nothing.
    - `score_low`, `score_high`: the score if missing parts were worth nothing, or everything, breadth the least and the
      most that missing ranks leave open, and a filled hour nothing, or four times what it is filled with or a mean
      hour has, whichever is more. `score` is NULL where they are more than 10 points apart.
    - `regime_low`, `regime_high`: calm, elevated (60), stress (75), cascade (90), of the bounds' maximum over the last
      48 hours in which a part had a rank; `regime` where they agree. NULL in an hour in which none has.
    - `liquidations_ratio`, ... `funding_dislocation`: the ranked value of the panel. `liquidations_panel` names its
      instruments (none without a rank), `liquidations_completeness` the worst nature among them, `filled_hours` how
      many of its 24 hours are filled.
    - `effective_days`: earlier hours with a value in the window / 24, the least over the measures that are ranked (the
      most over all measures where none is). `independent_windows`: how many windows without overlap the slowest of the
      ranked measures has in them.
    - `reason`: the parts without a rank by cause, then those between bounds; NULL where all is certain.

    A row depends on its own and earlier hours only. Raises ValueError for a `warm_up_days` outside [14, 730].
    """
    if not ranks.SHORTEST_WARM_UP_DAYS <= warm_up_days <= ranks.LONGEST_WARM_UP_DAYS:
        limits = f"{ranks.SHORTEST_WARM_UP_DAYS} to {ranks.LONGEST_WARM_UP_DAYS}"
        raise ValueError(f"warm_up_days is {warm_up_days}: choose {limits}")
    if of_prices.empty:
        return pd.DataFrame(columns=COLUMNS)
    stamps = pd.concat([of_prices["as_of"], instruments["as_of"]])
    hours = pd.date_range(stamps.min(), stamps.max(), freq="h")
    assets = sorted(of_prices["asset"].unique())
    on_grid = measures.on_grid(instruments, hours)
    months = (hours.year * 12 + hours.month).to_numpy()

    def price_grid(name: str) -> np.ndarray:
        grid = of_prices.pivot(index="as_of", columns="asset", values=name)
        return grid.reindex(index=hours, columns=assets).to_numpy(dtype="float64", na_value=np.nan)

    of_series: dict[str, Ranks] = {}
    for name in PRICE_MEASURES:
        of_series[name] = _side_by_side([ranks.ranks_of_series(values, warm_up_days) for values in price_grid(name).T])
    of_panels: dict[str, PanelRanks] = {}
    for name, measured in MEASURED.items():
        by_asset = measured(on_grid, assets, warm_up_days, months)
        of_panels[name] = _side_by_side([by_asset[asset] for asset in assets])

    found: dict[str, Ranks] = of_series | of_panels
    in_home = {name: its[:, 0] for name, its in measures.ever_observed(on_grid, ["ALL"]).items()}
    parts = first_line.parts_of(found, measures.ever_observed(on_grid, assets))
    parts["breadth"] = first_line.breadth_of(parts, assets, price_grid(SHARE), first_line.has_history(found), in_home)

    rows = of_prices[["as_of", "asset"]].sort_values(["as_of", "asset"], ignore_index=True)
    at = hours.get_indexer(rows["as_of"]), pd.Index(assets).get_indexer(rows["asset"])
    liquidations = of_panels["liquidations_ratio"]
    scores = first_line.first_line(
        {part: _picked(its, at) for part, its in parts.items()}, liquidations.filled_hours[at], rows["asset"].to_numpy()
    )
    days, windows = first_line.windows_of(found)
    panel = pd.Series(liquidations.members[at], dtype="object")
    epochs = {members: on_grid.epochs.iloc[list(members or ())] for members in panel.unique()}
    return rows.assign(
        **scores,
        **{name: its.value[at] for name, its in of_panels.items()},
        liquidations_panel=_each(panel, {key: its["instrument"].tolist() for key, its in epochs.items()}),
        liquidations_completeness=_each(
            panel, {key: max(its["completeness"], key=NATURES.index, default=None) for key, its in epochs.items()}
        ),
        filled_hours=liquidations.filled_hours[at],
        warm_up_days=warm_up_days,
        effective_days=days[at],
        independent_windows=windows[at],
    )[COLUMNS]


def _side_by_side(of_assets: list[AnyRanks]) -> AnyRanks:
    """Ranks of one measure, asset by asset, as grids."""
    kind = type(of_assets[0])
    return kind(**{it.name: np.column_stack([getattr(of, it.name) for of in of_assets]) for it in fields(kind)})


def _picked(its: Ranks, at: tuple[np.ndarray, np.ndarray]) -> Ranks:
    return Ranks(its.rank[at], its.low[at], its.high[at], its.hours[at], its.cause[at])


def _each(keys: pd.Series, of: dict) -> pd.Series:
    """What stands for each key, in the order of the keys."""
    return pd.Series([of[key] for key in keys], dtype="object")
