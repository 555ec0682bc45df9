"""The score of ALL by hour over its contributions at each day's end, with thresholds and the regime in force."""

from datetime import timedelta
from typing import TYPE_CHECKING

from orchestration import score
from orchestration.brief.days import CHART_DAYS, last_days, stacked
from orchestration.brief.drawing import Canvas, gaps, scale, stack, time_axis, tool_tips
from orchestration.brief.measures import ALL, PART_WORDS
from orchestration.brief.query import stamp

if TYPE_CHECKING:
    import altair
    import duckdb
    import pandas as pd

    from orchestration.brief.drawing import Plot

HEIGHT, STRIP_HEIGHT = 230, 10
CONTRIBUTIONS = {f"{part}_contribution": words for part, words in PART_WORDS.items()}
PART_COLOURS = dict(
    zip(PART_WORDS.values(), ("long", "position", "price", "volatility", "funding", "breadth"), strict=True)
)


def draw(connection: "duckdb.DuckDBPyConnection", canvas: Canvas) -> "altair.VConcatChart":
    """Where there is no score, grey says between which bounds it lies; scores of two panels aren't joined."""
    import altair as alt

    hours = _hours(connection, canvas)
    ends = hours[(hours["end_at"].dt.hour == 0) | (hours["end_at"] == canvas.as_of)]
    days = last_days(canvas.as_of).merge(ends, on="end_at", how="left")
    days["tip"] = [_tip(day) for day in days.to_dict("records")]
    missing = days[days["score"].isna()]
    x = time_axis(canvas, labels=False)
    drawn = alt.layer(
        _bands(canvas),
        gaps(canvas, missing, x, HEIGHT),
        _contributions(days, x, canvas),
        _bounds(missing.dropna(subset="score_low"), x, canvas),
        _line(hours, canvas),
        _band_names(canvas),
        tool_tips(days, x, HEIGHT),
    ).resolve_scale(color="independent").properties(height=HEIGHT)  # fmt: skip
    strip = _regimes(hours, missing, canvas)
    return stack(canvas, "Stress score, all assets", drawn, strip).resolve_scale(color="independent")


def _hours(connection: "duckdb.DuckDBPyConnection", canvas: Canvas) -> "pd.DataFrame":
    """market_stress of ALL, one row an hour, with `end_at` as the as-of hour in UTC."""
    import pandas as pd

    start = stamp(canvas.as_of - timedelta(days=CHART_DAYS))
    query = f"select * from market_stress where asset = '{ALL}' and as_of >= {start} order by as_of"
    hours = connection.execute(query).df()
    if "liquidations_panel" not in hours:  # of a warehouse from before it was told
        hours["liquidations_panel"] = None
    hours["end_at"] = pd.to_datetime(hours["as_of"], utc=True)
    for column in ("score", "score_low", "score_high", *CONTRIBUTIONS):
        hours[column] = hours[column].astype("float64")
    return hours


def _tip(day: dict) -> str:
    start = f"{day['end_at']:%a %-d %b %Y %H:%M} UTC: "
    if day["score"] == day["score"]:  # else NaN
        parts = ", ".join(f"{words} {day[column]:.2f}" for column, words in CONTRIBUTIONS.items())
        regime = day["regime"] if isinstance(day["regime"], str) else f"{day['regime_low']} to {day['regime_high']}"
        return f"{start}{day['score']:.2f}, {regime} ({parts})".replace("nan", "not known")
    if day["score_low"] == day["score_low"]:
        reason = str(day["reason"]).replace("_", " ")
        return f"{start}no score, between {day['score_low']:.0f} and {day['score_high']:.0f}; {reason}"
    return f"{start}no score"


def _points(field: str) -> "altair.Y":
    import altair as alt

    axis = alt.Axis(values=[*score.REGIMES.values(), 100])
    return alt.Y(f"{field}:Q", scale=alt.Scale(domain=[0, 100], nice=False), title="points", axis=axis)


def _thresholds() -> "pd.DataFrame":
    import pandas as pd

    bands = pd.DataFrame({"regime": list(score.REGIMES), "low": list(score.REGIMES.values())})
    return bands.assign(high=[*bands["low"].iloc[1:], 100])


def _bands(canvas: Canvas) -> "altair.Chart":
    import altair as alt

    colours = scale({regime: canvas.colours[regime] for regime in score.REGIMES})
    return alt.Chart(_thresholds()).mark_rect().encode(
        y=_points("low"), y2="high:Q", color=alt.Color("regime:N", scale=colours, legend=None)
    )  # fmt: skip


def _band_names(canvas: Canvas) -> "altair.Chart":
    import altair as alt

    names = alt.Chart(_thresholds()).mark_text(
        align="left", baseline="bottom", dx=4, color=canvas.colours["muted"], fontSize=10
    )  # fmt: skip
    return names.encode(x=alt.value("width"), y=_points("low"), text="regime:N")


def _contributions(days: "pd.DataFrame", x: "altair.X", canvas: Canvas) -> "altair.Chart":
    import altair as alt

    scored = days[days["score"].notna()]
    bars = scored.melt(["start_at", "end_at"], list(CONTRIBUTIONS), "part", "points").dropna()
    bars["part"] = bars["part"].map(CONTRIBUTIONS)
    colours = scale({words: canvas.colours[colour] for words, colour in PART_COLOURS.items()})
    return alt.Chart(stacked(bars, "points")).mark_rect(opacity=0.85).encode(
        x, x2="end_at:T", y=_points("low"), y2="high:Q", color=alt.Color("part:N", scale=colours, title=None)
    )  # fmt: skip


def _bounds(days: "pd.DataFrame", x: "altair.X", canvas: Canvas) -> "altair.Chart":
    import altair as alt

    bounds = alt.Chart(days).mark_rect(color=canvas.colours["muted"])
    return bounds.encode(x, x2="end_at:T", y=_points("score_low"), y2="score_high:Q", opacity=alt.value(0.35))


def _line(hours: "pd.DataFrame", canvas: Canvas) -> "altair.Chart":
    import altair as alt

    panels = hours["liquidations_panel"].map(str)
    hours = hours.assign(panel_number=(panels != panels.shift()).cumsum())
    line = alt.Chart(hours[["end_at", "score", "panel_number"]]).mark_line(
        color=canvas.colours["ink"], strokeWidth=1.2, invalid="break-paths-show-domains"
    )  # fmt: skip
    x = time_axis(canvas, labels=False, field="end_at")
    return line.encode(x, y=_points("score"), detail="panel_number:N")


def _regimes(hours: "pd.DataFrame", missing: "pd.DataFrame", canvas: Canvas) -> "Plot":
    """Stretches of one regime under the bars."""
    import altair as alt
    import pandas as pd

    regimes = hours["regime"].astype("object").where(hours["regime"].notna(), None)
    runs = (regimes != regimes.shift()).cumsum()
    states = hours.assign(regime=regimes).groupby(runs.to_numpy()).agg(
        regime=("regime", "first"), start_at=("end_at", "first"), end_at=("end_at", "last")
    )  # fmt: skip
    states["start_at"] -= pd.Timedelta(hours=1)
    states["start_at"] = states["start_at"].clip(lower=pd.Timestamp(canvas.as_of - timedelta(days=CHART_DAYS)))
    colours = scale({regime: canvas.colours[f"{regime}-state"] for regime in score.REGIMES})
    x = time_axis(canvas, labels=True)
    return alt.layer(
        gaps(canvas, missing, x, STRIP_HEIGHT),
        alt.Chart(states[states["regime"].notna()]).mark_rect().encode(
            x, x2="end_at:T", color=alt.Color("regime:N", scale=colours, legend=None)
        ),
    ).properties(height=STRIP_HEIGHT)  # fmt: skip
