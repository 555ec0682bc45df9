"""The card as a page, laid out by `templates/card.html.j2` in the brief's style.

Here belong tables and how a figure looks; what is said of them is `sentences`' matter.
"""

from orchestration.brief.drawing import COLOURS
from orchestration.brief.page import environment
from orchestration.brief.words import THIN, amount_text
from orchestration.evaluation import sentences
from orchestration.evaluation.charts import event_chart
from orchestration.evaluation.lines import BASELINES, PARTS

NOTHING = "\u2013"  # where a figure isn't known or doesn't apply
KINDS = {
    "weights": "Weights: one halved or doubled, the others in proportion, to 100 again",
    "warm_up": "Warm-up",
    "exchange": "An exchange dropped, from prices, liquidations, open interest and funding alike",
    "thinning": "A feed thinned to one liquidation a symbol and second, the largest",
}


def page(card: dict) -> str:
    """The card as one HTML document that needs nothing else and runs nothing."""
    from markupsafe import Markup

    drawings = {}
    for scope in card["scopes"]:
        for number, event in enumerate(scope["events"]):
            if event["hours"]:
                name = f"{scope['asset']}-{number}"
                its = event_chart(event, scope["asset"], card["mark"], name)
                drawings[name] = {layout: Markup(svg) for layout, svg in its.items()}
    made = environment("orchestration.evaluation")
    made.filters |= {
        "points": _points,
        "signed": _signed,
        "usd": _usd,
        "percent": _percent,
        "counted": sentences.counted,
    }
    return made.get_template("card.html.j2").render(
        card=card,
        colours=COLOURS,
        drawings=drawings,
        lines=sentences.LINES,
        baselines=BASELINES,
        parts=PARTS,
        kinds=KINDS,
        leads=sentences.LEADS,
        origins=sentences.origins(card),
        revisions=sentences.revisions(card),
        published=sentences.published(card),
        left_out=sentences.left_out(card),
        cut_offs=sentences.cut_offs(),
        regime=sentences.regime,
        ranges=_ranges,
    )


def _ranges(scope: dict, kind: str) -> dict | None:
    """The range of the highest score around each scored event over the variants of a kind, the largest change, and the
    largest share of hours in another regime; None where no variant has a figure."""
    rows = [row for row in scope["sensitivity"] if row["kind"] == kind and row["hours"]]
    if not rows:
        return None
    at_events = []
    for of_event in zip(*(row["at_events"] for row in rows), strict=True):
        known = [points for points in of_event if points is not None]
        at_events.append((min(known), max(known)) if known else None)
    return {
        "at_events": at_events,
        "largest_change": max(row["largest_change"] for row in rows),
        "regime_differs_ratio": max(row["regime_differs_ratio"] for row in rows),
    }


def _points(value: float | None, decimals: int = 1) -> str:
    return NOTHING if value is None else f"{value:.{decimals}f}"


def _signed(value: float | None, decimals: int = 2) -> str:
    if value is None or value == 0:
        return NOTHING if value is None else "0"
    return f"{value:+.{decimals}f}".replace("-", "\u2212")


def _usd(value: float | None) -> str:
    return NOTHING if value is None else amount_text(value)


def _percent(ratio: float | None, decimals: int = 1) -> str:
    return NOTHING if ratio is None else f"{100 * ratio:.{decimals}f}{THIN}%".replace("-", "\u2212")
