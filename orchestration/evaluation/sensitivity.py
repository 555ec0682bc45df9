"""How much the score depends on choices that could have been others: weights, warm-up, exchanges, a throttled feed.

Each variant is the whole score again, but for weights, which only add the same ranks up otherwise. Here belongs what is
compared; no variant is better than another, and none of them changes the score.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from orchestration.evaluation.events import REACH_HOURS, Event
from orchestration.evaluation.facts import Facts
from orchestration.evaluation.lines import WEIGHTS, regimes, scored, weighted
from orchestration.evaluation.panel import Panel, exchanges, thinned, without
from orchestration.score.parts import LONG_WINDOW_DAYS

FACTORS = {"halved": 0.5, "doubled": 2.0}
WARM_UP_DAYS = (14, 30, 90, 180, 365)


@dataclass(frozen=True)
class Variant:
    """`kind` is weights, warm_up, exchange or thinning; `scores` by asset; `note` says what can't be varied."""

    kind: str
    name: str
    scores: dict[str, pd.DataFrame] | None = None
    weights: dict[str, float] | None = None
    note: str | None = None


def variants(panel: Panel, facts: Facts, warm_up_days: int, show: Callable[[str], None]) -> list[Variant]:
    """All of them; `show` is told which one is being computed."""
    found = [
        Variant("weights", f"{part} {word}", weights=WEIGHTS | {part: weight * factor})
        for part, weight in WEIGHTS.items()
        for word, factor in FACTORS.items()
    ]
    history_days = len(panel.hours) / 24
    for days in WARM_UP_DAYS:
        if days != warm_up_days and LONG_WINDOW_DAYS + days < history_days:
            show(f"score with {days} days of warm-up")
            found.append(Variant("warm_up", f"{days} days", scored(panel, days)))
    return [*found, *_of_exchanges(panel, facts, warm_up_days, show)]


def _of_exchanges(panel: Panel, facts: Facts, warm_up_days: int, show: Callable[[str], None]) -> Iterator[Variant]:
    for exchange in exchanges(panel):
        show(f"score without {exchange}")
        others = without(panel, exchange)
        if others is None:
            yield Variant("exchange", f"without {exchange}", note="it is the only exchange: nothing is left to score")
        else:
            yield Variant("exchange", f"without {exchange}", scored(others, warm_up_days))
        kept = facts.kept[facts.kept["instrument"].str.startswith(f"{exchange}:")]
        yield _of_thinned(panel, kept, exchange, warm_up_days, show)


def _of_thinned(
    panel: Panel, kept: pd.DataFrame, exchange: str, warm_up_days: int, show: Callable[[str], None]
) -> Variant:
    name = f"{exchange}: one event a symbol and second"
    is_its = panel.instruments["instrument"].str.startswith(f"{exchange}:") & panel.instruments["long_usd"].notna()
    if not (panel.instruments.loc[is_its, "completeness"] == "complete").any() or kept.empty:
        return Variant("thinning", name, note="its liquidations are no complete single events: nothing to thin")
    if (kept["kept_ratio"] == 1).all():
        return Variant("thinning", name, note="none of its longs shares a second with a larger event: nothing to thin")
    show(f"score with {exchange} thinned")
    thin = thinned(panel, kept, exchange)
    before, after = (frame.loc[is_its.to_numpy(), "long_usd"].sum() for frame in (panel.instruments, thin.instruments))
    return Variant(
        "thinning", name, scored(thin, warm_up_days), note=f"{after / before:.1%} of its longs in USD remain"
    )


def compared(variant: Variant, base: pd.DataFrame, asset: str, of_events: list[Event]) -> dict:
    """What a variant changes for an asset, in the hours that both have a score for.

    {kind, variant, note, hours, hours_gained, largest_change, regime_differs_ratio, at_events}; `at_events` is the
    highest score around each event, or None.
    """
    row: dict = {"kind": variant.kind, "variant": variant.name, "note": variant.note}
    if variant.weights:
        line = weighted(base, variant.weights)
        low = np.nan_to_num(line)
    elif variant.scores is None or asset not in variant.scores:
        return row | {
            "hours": 0, "hours_gained": 0, "largest_change": None, "regime_differs_ratio": None,
            "at_events": [None] * len(of_events),
        }  # fmt: skip
    else:
        line, low = (variant.scores[asset][name].to_numpy() for name in ("score", "score_low"))
    own = base["score"].to_numpy()
    is_both = ~np.isnan(own) & ~np.isnan(line)
    differs = regimes(low, is_both) != regimes(base["score_low"].to_numpy(), is_both)
    return row | {
        "hours": int(is_both.sum()),
        "hours_gained": int((~np.isnan(line)).sum() - (~np.isnan(own)).sum()),
        "largest_change": float(np.abs(line - own)[is_both].max()) if is_both.any() else None,
        "regime_differs_ratio": float(differs[is_both].mean()) if is_both.any() else None,
        "at_events": [peak(line, event) for event in of_events],
    }


def peak(line: np.ndarray, event: Event) -> float | None:
    """The highest value from 24 hours before an event's first hour to 24 after its last; None where none is known."""
    around = line[max(event.first - REACH_HOURS, 0) : event.last + REACH_HOURS + 1]
    known = around[~np.isnan(around)]
    return float(known.max()) if len(known) else None
