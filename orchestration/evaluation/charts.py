"""A chart of an event: the score and two baselines hour by hour, over how far the price lies below its day's high.

Here belong the plots. Colours and rendering are the brief's, so that both pages look alike.
"""

from typing import TYPE_CHECKING

from orchestration.brief.drawing import PAGE_COLOURS, scale
from orchestration.brief.rendering import svgs
from orchestration.evaluation.lines import BASELINES
from orchestration.score.first_line import REGIMES

if TYPE_CHECKING:
    import altair

HEIGHT, FALL_HEIGHT = 170, 70
SCORE = "score"
DRAWN = {
    SCORE: SCORE,
    "volatility": BASELINES["volatility"],
    "reported_liquidations": BASELINES["reported_liquidations"],
}
COLOURS = {SCORE: "ink", "volatility": "volatility", "reported_liquidations": "long"}


def event_chart(event: dict, asset: str, mark: str, name: str) -> dict[str, str]:
    """SVG elements by layout, described by the caption `about-<name>`."""
    import altair as alt
    import pandas as pd

    figures = (*DRAWN, "score_low", "score_high", "below_24h_ratio")
    hours = pd.DataFrame(event["hours"]).astype(dict.fromkeys(figures, "float64"))
    days = alt.Axis(values=list(range(-24, len(hours), 12)), grid=False)
    x = alt.X("hours_from_start:Q", title="hours from the event's first", scale=alt.Scale(nice=False), axis=days)
    none = alt.Axis(labels=False, ticks=False, grid=False)
    bare = alt.X("hours_from_start:Q", title=None, scale=alt.Scale(nice=False), axis=none)
    points = alt.Scale(domain=[0, 100], nice=False)
    axis = alt.Axis(values=[*REGIMES.values(), 100])
    bands = pd.DataFrame({"regime": list(REGIMES), "low": list(REGIMES.values())})
    bands["high"] = [*bands["low"].iloc[1:], 100]
    lines = hours.melt(["hours_from_start"], list(DRAWN), "line", "points")
    lines["line"] = lines["line"].map(DRAWN)
    regimes = scale({regime: PAGE_COLOURS[regime] for regime in REGIMES})
    colours = scale({DRAWN[line]: PAGE_COLOURS[colour] for line, colour in COLOURS.items()})
    upper = alt.layer(
        alt.Chart(bands).mark_rect().encode(
            y=alt.Y("low:Q", scale=points, axis=axis, title="points"), y2="high:Q",
            color=alt.Color("regime:N", scale=regimes, legend=None),
        ),
        alt.Chart(hours[["hours_from_start", "score_low", "score_high"]]).mark_area(
            color=PAGE_COLOURS["muted"], opacity=0.3
        ).encode(bare, y=alt.Y("score_low:Q", scale=points, axis=axis, title="points"), y2="score_high:Q"),
        alt.Chart(lines).mark_line(strokeWidth=1.8, invalid="break-paths-show-domains").encode(
            bare, y=alt.Y("points:Q", scale=points, axis=axis, title="points"),
            color=alt.Color("line:N", scale=colours, legend=alt.Legend(symbolType="stroke", symbolStrokeWidth=2)),
        ),
    ).resolve_scale(color="independent").properties(height=HEIGHT)  # fmt: skip
    hours["percent"] = 100 * hours["below_24h_ratio"].clip(upper=0)
    lower = alt.Chart(hours[["hours_from_start", "percent"]]).mark_area(color=PAGE_COLOURS["long"], opacity=0.7).encode(
        x, y=alt.Y("percent:Q", title="% below", axis=alt.Axis(tickCount=3))
    ).properties(height=FALL_HEIGHT)  # fmt: skip
    title = f"{asset}, from {event['began_at'][:16].replace('T', ' ')} UTC"
    whole: altair.VConcatChart = alt.vconcat(
        upper, lower, spacing=18, bounds="flush",
        title=alt.TitleParams(f"{mark} \u00b7 {title}" if mark else title, anchor="start"),
    ).resolve_scale(color="independent")  # fmt: skip
    return svgs(whole, name, PAGE_COLOURS)
