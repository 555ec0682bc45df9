"""Puts the card together: panel, events, lines, alarms, sensitivity, and from ten real events on discrimination.

Here belongs what the card holds and in which order. How it reads is `sentences`' matter, how it looks `page`'s.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from orchestration import score
from orchestration.evaluation import discrimination, events, lines, monitor, panel, sensitivity
from orchestration.evaluation.events import REACH_HOURS, WINDOW_HOURS, Event
from orchestration.evaluation.facts import Facts
from orchestration.evaluation.panel import ALL, Panel
from orchestration.score.first_line import REGIMES

FEWEST_REAL_EVENTS = 10
THRESHOLDS = {"BTC": 0.07, ALL: 0.10}  # ALL: the panel's assets in equal shares
# The label's window begins so many hours after the score: at -24 it is the day that the score itself looks back on.
LEAD_HOURS = {-24: "the same 24 h", 0: "the next 24 h", 24: "a day later", 72: "three days later", 168: "a week later"}
CUT_OFFS = [points for points in REGIMES.values() if points]
FEWEST_KNOWN_RATIO = 0.9  # of the scored hours that a baseline has to know to be held against the score
PARAMETERS = {
    "thresholds": THRESHOLDS,
    "lead_hours": list(LEAD_HOURS),
    "window_hours": WINDOW_HOURS,
    "reach_hours": REACH_HOURS,
    "bridged_hours": events.BRIDGED_HOURS,
    "cut_offs": CUT_OFFS,
    "weights": lines.WEIGHTS,
    "observed_throughout_ratio": panel.OBSERVED_THROUGHOUT_RATIO,
    "fewest_real_events": FEWEST_REAL_EVENTS,
    "stabilisation_follows_within_hours": monitor.FOLLOWS_WITHIN_HOURS,
}
# What defines the figures; how they are shown is no part of it.
SHOWN_BY = ("page.py", "charts.py", "sentences.py")


@dataclass(frozen=True)
class Scope:
    """A market that is scored: its closes and lows by hour and asset, its falls, and where each hour comes from."""

    asset: str
    threshold_ratio: float
    close: np.ndarray
    low: np.ndarray
    depth_ratio: np.ndarray
    events: list[Event]


def contents(facts: Facts, warm_up_days: int, written_at: datetime, show: Callable[[str], None]) -> dict:
    """All that the card says, as its JSON holds it; ValueError where the facts give no panel."""
    show("the frozen panel")
    frozen = panel.frozen(facts)
    show("score on the frozen panel")
    scores = lines.scored(frozen, warm_up_days)
    variants = sensitivity.variants(frozen, facts, warm_up_days, show)
    show("events, alarms and redundancy")
    scopes = [_scope(frozen, asset) for asset in THRESHOLDS if asset == ALL or asset in frozen.assets]
    simulated = _is_simulated(facts.origins, frozen)
    told = [_told(scope, frozen, facts, scores[scope.asset], variants, simulated, warm_up_days) for scope in scopes]
    return _plain(
        {
            "as_of": frozen.hours[-1],
            "written_at": pd.Timestamp(written_at).tz_convert(None),
            "data_hash": data_hash(facts, frozen),
            "method_hash": method_hash(warm_up_days),
            "warm_up_days": warm_up_days,
            "parameters": PARAMETERS,
            "counts": _counts(scopes, told, frozen, scores),
            "panel": {
                "start_at": frozen.hours[0], "end_at": frozen.hours[-1], "hours": len(frozen.hours),
                "exchanges": panel.exchanges(frozen), "assets": frozen.assets,
                "members": frozen.members.to_dict("records"),
            },
            "origins": _origins(facts.origins),
            "revisions": facts.revisions,
            "published": _published(facts.published, scores, warm_up_days),
            "scopes": told,
        }
    )  # fmt: skip


def data_hash(facts: Facts, frozen: Panel) -> str:
    """Of every figure that the card rests on, in an order of its own."""
    frames = {
        "instruments": frozen.instruments,
        "bars": frozen.bars,
        "members": frozen.members,
        "kept": facts.kept,
        "origins": facts.origins,
        "fear_and_greed": facts.fear_and_greed,
        "stabilisation": facts.stabilisation,
        "published": facts.published,
    }
    digest = sha256(json.dumps(facts.revisions, sort_keys=True).encode())
    for name, frame in frames.items():
        ordered = frame.reindex(columns=sorted(frame.columns))
        rows = np.sort(pd.util.hash_pandas_object(ordered, index=False).to_numpy())
        digest.update(f"{name} {list(ordered.columns)}".encode() + rows.tobytes())
    return digest.hexdigest()


def method_hash(warm_up_days: int) -> str:
    """Of the parameters and the code that defines the figures, the score's among it."""
    digest = sha256(json.dumps(PARAMETERS | {"warm_up_days": warm_up_days}, sort_keys=True).encode())
    for package in (Path(__file__).parent, Path(score.__file__).parent):
        for file in sorted(package.glob("*.py")):
            if file.name not in SHOWN_BY:
                digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()


def _scope(frozen: Panel, asset: str) -> Scope:
    columns = list(range(len(frozen.assets))) if asset == ALL else [frozen.assets.index(asset)]
    close, low = frozen.close[:, columns], frozen.low[:, columns]
    depth_ratio = events.depth(close, low)
    return Scope(asset, THRESHOLDS[asset], close, low, depth_ratio, events.events(depth_ratio, THRESHOLDS[asset]))


def _is_simulated(origins: pd.DataFrame, frozen: Panel) -> np.ndarray:
    """Of every hour whether any of its rows was generated: a fall in it is no fact."""
    is_simulated = np.zeros(len(frozen.hours), dtype=bool)
    for row in origins[origins["origin"].str.startswith("simulated")].itertuples():
        is_simulated |= (frozen.hours >= row.first_at) & (frozen.hours <= row.last_at)
    return is_simulated


def _told(
    scope: Scope,
    frozen: Panel,
    facts: Facts,
    scores: pd.DataFrame,
    variants: list[sensitivity.Variant],
    simulated: np.ndarray,
    warm_up_days: int,
) -> dict:
    """What the card says of one market."""
    is_scored = scores["score"].notna().to_numpy()
    beside = lines.baselines(frozen, facts, scope.asset, warm_up_days)
    beside["without_overlap"] = lines.without_overlap(scores)
    rows = [_event(event, scope, frozen, facts.origins, scores, beside, simulated, is_scored) for event in scope.events]
    counted = [event for event, row in zip(scope.events, rows, strict=True) if row["is_scored"]]
    real = [row["is_real"] for row in rows if row["is_scored"]]
    return {
        "asset": scope.asset,
        "threshold_ratio": scope.threshold_ratio,
        "label_hours": [_label_hours(scope, lead, is_scored) for lead in LEAD_HOURS],
        "events": rows,
        "stabilisation": monitor.before_falls(
            facts.stabilisation[facts.stabilisation["asset"] == scope.asset], frozen.hours, scope.events
        ),
        "alarms": [
            row
            for is_real, of_kind in ((True, ~simulated), (False, simulated))
            for row in _alarms(
                scores, beside, is_scored & of_kind, [e for e, it in zip(counted, real, strict=True) if it is is_real],
                is_real,
            )
        ],
        "sensitivity": [sensitivity.compared(variant, scores, scope.asset, counted) for variant in variants],
        "redundancy": _redundancy(scores),
        "regimes": _regimes(scores),
        "from_ten_real_events": _discrimination(scope, scores, beside, simulated, counted, real),
    }  # fmt: skip


def _event(
    event: Event,
    scope: Scope,
    frozen: Panel,
    origins: pd.DataFrame,
    scores: pd.DataFrame,
    beside: pd.DataFrame,
    simulated: np.ndarray,
    is_scored: np.ndarray,
) -> dict:
    first, last = max(event.first - REACH_HOURS, 0), min(event.last + REACH_HOURS, len(frozen.hours) - 1)
    touched = slice(max(event.first - WINDOW_HOURS, 0), event.last + 1)
    span = frozen.hours[touched]
    its = origins[(origins["first_at"] <= span[-1]) & (origins["last_at"] >= span[0])]
    peaking = {"score": scores["score"], "score_low": scores["score_low"], "without_overlap": beside["without_overlap"]}
    peaking |= {name: beside[name] for name in lines.BASELINES}
    hours = []
    for at in range(first, last + 1):
        row = scores.iloc[at]
        hours.append(
            {
                "as_of": frozen.hours[at],
                "hours_from_start": at - event.first,
                "below_24h_ratio": scope.depth_ratio[at],
                **{name: row[name] for name in ("score", "score_low", "score_high", "regime_low", "regime_high")},
                **{f"{part}_rank": row[f"{part}_rank"] for part in lines.PARTS},
                **beside.iloc[at].to_dict(),
            }
        )
    return {
        "began_at": frozen.hours[event.first],
        "ended_at": frozen.hours[event.last],
        "trough_at": frozen.hours[event.trough],
        "drawdown_ratio": event.drawdown_ratio,
        "origins": sorted(its["origin"].unique()),
        "is_real": not simulated[touched].any(),
        "is_scored": bool(is_scored[touched].any()),
        "peaks": {name: sensitivity.peak(line.to_numpy(dtype="float64"), event) for name, line in peaking.items()},
        "hours": hours if is_scored[touched].any() else [],
    }  # fmt: skip


def _label_hours(scope: Scope, lead: int, is_scored: np.ndarray) -> dict:
    """Of the scored hours."""
    known = events.labels(scope.close, scope.low, scope.threshold_ratio, lead)[is_scored]
    return {
        "lead_hours": lead,
        "fall_follows": int((known == 1).sum()),
        "none_follows": int((known == 0).sum()),
        "unknown": int(np.isnan(known).sum()),
    }


def _alarms(
    scores: pd.DataFrame, beside: pd.DataFrame, is_counted: np.ndarray, of_events: list[Event], is_real: bool
) -> list[dict]:
    """By cut-off and line, counts alone. Others than the score have no cut-off of their own: theirs is the level that
    they reached in as many hours as the score did, which nobody could have known beforehand."""
    if not is_counted.any():
        return []
    low, high = (scores[name].to_numpy() for name in ("score_low", "score_high"))
    rows = []
    for cut_off in CUT_OFFS:
        is_on = is_counted & (low >= cut_off)
        common = {"is_real": is_real, "cut_off": cut_off, "events": len(of_events)}
        between = int((is_counted & (low < cut_off) & (high >= cut_off)).sum())
        its = events.alarms(is_on, of_events)
        rows.append(common | {"line": "score", "level": cut_off} | its | {"open_hours": between})
        for name in ("without_overlap", *lines.BASELINES):
            values = np.where(is_counted, beside[name].to_numpy(), np.nan)
            if np.isnan(values).all():
                continue
            level = _level(values, int(is_on.sum()))
            unknown = int((is_counted & np.isnan(values)).sum())
            its = events.alarms(values >= level, of_events)
            rows.append(common | {"line": name, "level": level} | its | {"open_hours": unknown})
    return rows


def _level(values: np.ndarray, hours: int) -> float:
    """The level that is reached in so many hours; none is where there are none."""
    known = np.sort(values[~np.isnan(values)])[::-1]
    return float(known[min(hours, len(known)) - 1]) if hours and len(known) else float("inf")


def _redundancy(scores: pd.DataFrame) -> dict:
    """Spearman's rank correlation of the parts' ranks, over the scored hours in which both of a pair have one."""
    ranks = scores.loc[scores["score"].notna(), [f"{part}_rank" for part in lines.PARTS]].set_axis(lines.PARTS, axis=1)
    return {
        "parts": lines.PARTS,
        "never_ranked": [part for part in lines.PARTS if len(ranks) and ranks[part].isna().all()],
        "hours": len(ranks),
        "correlations": ranks.corr(method="spearman", min_periods=2).to_numpy().tolist(),
    }


def _regimes(scores: pd.DataFrame) -> dict:
    """Share of the hours since the first score, in which any part is ranked, by regime; `open` where the bounds lie in
    different ones."""
    since = scores[scores["score"].notna().cummax()]
    of_hours = since.loc[since["regime_low"].notna(), "regime"]
    if of_hours.empty:
        return {"hours": 0, "shares": {}}
    shares = {name: float((of_hours == name).mean()) for name in REGIMES}
    return {"hours": len(of_hours), "shares": shares | {"open": float(of_hours.isna().mean())}}


def _discrimination(
    scope: Scope,
    scores: pd.DataFrame,
    beside: pd.DataFrame,
    simulated: np.ndarray,
    counted: list[Event],
    real: list[bool],
) -> list[dict] | None:
    """By lead: lines on the real hours, parts left out one at a time, and the cut-offs; None below ten real events."""
    of_real = [event for event, is_real in zip(counted, real, strict=True) if is_real]
    if len(of_real) < FEWEST_REAL_EVENTS:
        return None
    own = scores["score"].to_numpy()
    is_known = ~np.isnan(own)
    held = {
        name: beside[name].to_numpy()
        for name in lines.BASELINES
        if (~beside[name].isna().to_numpy() & is_known).sum() >= FEWEST_KNOWN_RATIO * is_known.sum()
    }
    found = []
    for lead in LEAD_HOURS:
        labels = np.where(simulated, np.nan, events.labels(scope.close, scope.low, scope.threshold_ratio, lead))
        blocks = discrimination.event_blocks(
            len(own), [(event.first - WINDOW_HOURS - lead, event.last - lead) for event in of_real]
        )
        overlap = {"without_overlap": beside["without_overlap"].to_numpy()} if lead <= 0 else {}
        left_out = {
            f"without {part}": lines.weighted(scores, {its: w for its, w in lines.WEIGHTS.items() if its != part})
            for part in lines.PARTS
        }
        found.append(
            {
                "lead_hours": lead,
                "lines": discrimination.compared({"score": own, **held, **overlap}, labels, blocks),
                "ablation": discrimination.compared({"score": own, **left_out}, labels, blocks),
                "cut_offs": discrimination.at_cut_offs(own, labels, blocks, CUT_OFFS),
                "left_out_baselines": [name for name in lines.BASELINES if name not in held],
            }
        )
    return found


def _counts(scopes: list[Scope], told: list[dict], frozen: Panel, scores: dict[str, pd.DataFrame]) -> dict:
    """Events of the scored markets, those that touch made one; and hours."""

    def distinct(is_real: bool, is_scored: bool) -> int:
        spans = [
            (event.first, event.last)
            for scope, its in zip(scopes, told, strict=True)
            for event, row in zip(scope.events, its["events"], strict=True)
            if row["is_real"] is is_real and row["is_scored"] is is_scored
        ]
        return len(events.merged(spans))

    is_scored = scores[ALL]["score"].notna()
    return {
        "real_events": distinct(True, True),
        "simulated_events": distinct(False, True),
        "real_events_before_the_score": distinct(True, False),
        "simulated_events_before_the_score": distinct(False, False),
        "hours": len(frozen.hours),
        "scored_hours": int(is_scored.sum()),
        "scored_since": is_scored.idxmax() if is_scored.any() else None,
    }


def _origins(origins: pd.DataFrame) -> list[dict]:
    """{origin, exchanges} of all rows but instruments' and receipts'."""
    return [
        {"origin": origin, "exchanges": sorted(rows["exchange"].unique())} for origin, rows in origins.groupby("origin")
    ]


def _published(published: pd.DataFrame, scores: dict[str, pd.DataFrame], warm_up_days: int) -> dict:
    """How far the published score, of whoever was there, lies from that of the frozen panel."""
    same = published[published["warm_up_days"] == warm_up_days].set_index(["as_of", "asset"])["score"].astype("float64")
    own = pd.concat({asset: rows["score"] for asset, rows in scores.items()}, names=["asset", "as_of"])
    both = pd.concat({"published": same, "frozen": own.reorder_levels(["as_of", "asset"])}, axis=1).dropna()
    if both.empty:
        return {"hours": 0, "largest_difference": None, "differing_ratio": None}
    difference = (both["published"] - both["frozen"]).abs()
    return {
        "hours": len(both),
        "largest_difference": float(difference.max()),
        "differing_ratio": float((difference > 0.005).mean()),
    }


def _plain(value: Any) -> Any:
    """As JSON has it: stamps in ISO 8601, no NaN, no infinity, no numpy."""
    match value:
        case dict():
            return {str(key): _plain(its) for key, its in value.items()}
        case list() | tuple():
            return [_plain(its) for its in value]
        case pd.Timestamp():
            return f"{value:%Y-%m-%dT%H:%M:%SZ}" if value == value else None
        case bool() | np.bool_():
            return bool(value)
        case float() | np.floating():
            return round(float(value), 10) if np.isfinite(value) else None
        case np.integer():
            return int(value)
        case str() | int() | None:
            return value
    return None if pd.isna(value) else str(value)
