"""The score: how much stress there is now, ranked against what each market has seen before.

Here belong panels, ranks, contributions, bounds and regimes: frames in, frames out, no files, no clock. `parts` says
what the score is made of, `ranks` how a value stands among earlier ones, `panels` among which, `measures` what is
measured on a panel and `prices` what on prices. `grids` brings these together, `first_line` says how ranks become a
score and `second_line` how their moving together weighs. Beside it stand `without`, the score with somebody left out,
and `stabilisation`. The score is coincident; it forecasts nothing.
"""

import numpy as np
import pandas as pd

from orchestration.score import first_line, ranks, second_line
from orchestration.score.first_line import REGIMES
from orchestration.score.grids import on_grids, ranked
from orchestration.score.parts import MEASURES, PANEL_MEASURES, PARTS

__all__ = ["COLUMNS", "MEASURES", "PARTS", "REGIMES", "market_stress"]

COLUMNS = [
    *("as_of", "asset", "score", "score_low", "score_high", "regime", "regime_low", "regime_high"),
    *(f"{part}_{kind}" for kind in ("rank", "contribution") for part in PARTS),
    *("second_line_gap", *second_line.COLUMNS),
    *PANEL_MEASURES,
    *("liquidations_panel", "liquidations_completeness", "filled_hours"),
    *("warm_up_days", "effective_days", "independent_windows", "reason"),
]
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
    - `second_line` and its contributions (see there): NULL where a part is missing or between bounds.
      `second_line_gap` is the score less it: small is broad stress, large is local.
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
    grids = on_grids(of_prices, instruments)
    found = ranked(grids, warm_up_days)
    certain = [np.where(its.low == its.high, its.rank, np.nan).T for its in found.parts.values()]
    by_asset = [second_line.second_line(np.column_stack(its)) for its in zip(*certain, strict=True)]

    rows = of_prices[["as_of", "asset"]].sort_values(["as_of", "asset"], ignore_index=True)
    at = grids.hours.get_indexer(rows["as_of"]), pd.Index(grids.assets).get_indexer(rows["asset"])
    liquidations = found.of_panels["liquidations_ratio"]
    scores = first_line.first_line(
        {part: its.at(at) for part, its in found.parts.items()},
        liquidations.filled_hours[at],
        rows["asset"].to_numpy(),
    )
    lines = pd.DataFrame(np.stack(by_asset)[at[1], at[0]], columns=second_line.COLUMNS)
    days, windows = first_line.windows_of(found.of_measures)
    panel = pd.Series(liquidations.members[at], dtype="object")
    epochs = {members: grids.instruments.epochs.iloc[list(members or ())] for members in panel.unique()}
    return rows.assign(
        **scores,
        **lines,
        second_line_gap=(scores["score"] - lines["second_line"]).round(2),
        **{name: its.value[at] for name, its in found.of_panels.items()},
        liquidations_panel=_each(panel, {key: its["instrument"].tolist() for key, its in epochs.items()}),
        liquidations_completeness=_each(
            panel, {key: max(its["completeness"], key=NATURES.index, default=None) for key, its in epochs.items()}
        ),
        filled_hours=liquidations.filled_hours[at],
        warm_up_days=warm_up_days,
        effective_days=days[at],
        independent_windows=windows[at],
    )[COLUMNS]


def _each(keys: pd.Series, of: dict) -> pd.Series:
    """What stands for each key, in the order of the keys."""
    return pd.Series([of[key] for key in keys], dtype="object")
