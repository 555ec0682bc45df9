"""What the charts share: colours, the time axis, layers for gaps and tool tips, and how charts are stacked.

Which figures a chart shows is its own module's matter (`charts/`), SVG and PNG are `rendering`'s.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from orchestration.brief.days import CHART_DAYS, last_days

if TYPE_CHECKING:
    import altair
    import pandas as pd

    Plot = altair.LayerChart | altair.FacetChart  # what altair makes of layers

# Light and dark. The page holds both as CSS variables, so that a drawing follows the reader's scheme.
COLOURS = {
    "ink": ("#2b2a27", "#e9e6df"),
    "muted": ("#6f6b63", "#a39e94"),
    "line": ("#ddd8ce", "#3a3834"),
    "gap": ("#b5afa3", "#5d5951"),
    "long": ("#c2512f", "#ea7f5c"),
    "short": ("#2f7d95", "#62b5cd"),
    "price": ("#7d62a8", "#b097dc"),
    "position": ("#cf8a1b", "#e8ae4c"),
    "listing": ("#5a9a63", "#83c48c"),
    "lead": ("#b9770e", "#efb95a"),
    "volatility": ("#31749c", "#66aeda"),
    "funding": ("#4e8f6b", "#7cc19b"),
    "breadth": ("#8d8680", "#b8b1aa"),
    "calm": ("#e3efe5", "#1f2d22"),
    "elevated": ("#f6edcd", "#352f18"),
    "stress": ("#f7dcc6", "#3c2819"),
    "cascade": ("#f2c5bf", "#451f1c"),
    "calm-state": ("#8fbf98", "#4f8a5b"),
    "elevated-state": ("#dfc25f", "#b3962f"),
    "stress-state": ("#e0905a", "#c9733c"),
    "cascade-state": ("#c3413a", "#e0635b"),
}
# What a chart's colours are called in the page, where gaps are hatched, and what they are in an image.
PAGE_COLOURS = {name: f"var(--{name})" for name in COLOURS} | {"gap": "url(#gap)"}
IMAGE_COLOURS = {name: light for name, (light, _) in COLOURS.items()} | {"gap": "#ece8e0"}


@dataclass(frozen=True)
class Canvas:
    """What a chart is drawn for and in; `lead` is the asset that comes first, `mark` says what isn't live."""

    as_of: datetime
    lead: str
    mark: str
    colours: dict[str, str]


def time_axis(canvas: Canvas, *, labels: bool, field: str = "start_at") -> "altair.X":
    """The days of a chart from left to right; `labels` only under the lowest of a stack."""
    import altair as alt

    days = last_days(canvas.as_of)
    ends = [int(days["start_at"].min().timestamp() * 1000), int(canvas.as_of.timestamp() * 1000)]
    axis = alt.Axis(
        format="%-d %b", tickCount=8, grid=False, title=None, labels=labels, ticks=labels, domain=labels
    )  # fmt: skip
    return alt.X(f"{field}:T", scale=alt.Scale(type="utc", domain=ends, nice=False), axis=axis)


def gaps(canvas: Canvas, days: "pd.DataFrame", x: "altair.X", height: int) -> "altair.Chart":
    """Columns of days that were not observed."""
    import altair as alt

    base = alt.Chart(days[["start_at", "end_at"]]).mark_rect(color=canvas.colours["gap"])
    return base.encode(x, x2="end_at:T", y=alt.value(0), y2=alt.value(height))


def tool_tips(days: "pd.DataFrame", x: "altair.X", height: int) -> "altair.Chart":
    """A see-through column a day that says its `tip` to whoever points at it."""
    import altair as alt

    base = alt.Chart(days[["start_at", "end_at", "tip"]]).mark_rect(opacity=0, aria=True)
    return base.encode(x, x2="end_at:T", y=alt.value(0), y2=alt.value(height), description="tip:N")


def zero_line(canvas: Canvas) -> "altair.Chart":
    """A rule at zero, over bars that stand and hang."""
    import altair as alt

    return alt.Chart(alt.Data(values=[{}])).mark_rule(color=canvas.colours["muted"]).encode(y=alt.datum(0))


def stack(canvas: Canvas, title: str, *charts: "Plot", spacing: int = 8) -> "altair.VConcatChart":
    """Charts of the same days under one title, which says what isn't live."""
    import altair as alt

    shown = alt.TitleParams(
        f"{canvas.mark} \u00b7 {title}" if canvas.mark else title,
        subtitle=f"last {CHART_DAYS} days, UTC",
        anchor="start",
    )
    return alt.vconcat(*charts, spacing=spacing, title=shown, bounds="flush").resolve_scale(color="independent")


def scale(colours: dict[str, str]) -> "altair.Scale":
    """Colours by name, in the order of the legend."""
    import altair as alt

    return alt.Scale(domain=list(colours), range=list(colours.values()))


def magnitude(largest: float) -> tuple[float, str]:
    """What to divide an axis by, and the letter that says so."""
    return next(((size, letter) for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")) if largest >= size), (1, ""))
