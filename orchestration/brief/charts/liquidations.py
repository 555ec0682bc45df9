"""Liquidations by side and day: longs up, shorts down, and under them how much of each day was observed."""

from typing import TYPE_CHECKING

from orchestration.brief.days import by_day, stacked
from orchestration.brief.drawing import Canvas, gaps, magnitude, scale, stack, time_axis, tool_tips, zero_line
from orchestration.brief.words import amount_text, share_text

if TYPE_CHECKING:
    import altair
    import duckdb
    import pandas as pd

    from orchestration.brief.drawing import Plot

HEIGHT, STRIP_HEIGHT = 230, 8
QUERY = """
select period_start_date, avg(observed_ratio) as observed_ratio,
    cast(sum(long_usd) as double) as long_usd, cast(sum(short_usd) as double) as short_usd
from liquidations_daily group by period_start_date
"""


def draw(connection: "duckdb.DuckDBPyConnection", canvas: Canvas) -> "altair.VConcatChart":
    """A day without any observation is a gap and no zero."""
    days = by_day(connection, canvas.as_of, QUERY)
    days["tip"] = [_tip(day) for day in days.to_dict("records")]
    return stack(canvas, "Liquidations by side, all assets", _bars(days, canvas), _observed_strip(days, canvas))


def _tip(day: dict) -> str:
    if day["long_usd"] != day["long_usd"]:  # NaN
        return f"{day['day']:%a %-d %b %Y}: not observed"
    amounts = f"longs {amount_text(day['long_usd'])}, shorts {amount_text(day['short_usd'])} USD"
    return f"{day['day']:%a %-d %b %Y}: {amounts}; observed {share_text(day['observed_ratio'])}"


def _bars(days: "pd.DataFrame", canvas: Canvas) -> "Plot":
    import altair as alt

    size, letter = magnitude(days[["long_usd", "short_usd"]].max().max())
    bars = days.melt(["start_at", "end_at"], ["long_usd", "short_usd"], "side", "usd").dropna()
    bars["usd"] = bars["usd"].where(bars["side"] == "long_usd", -bars["usd"]) / size
    bars["side"] = bars["side"].map({"long_usd": "longs", "short_usd": "shorts"})
    x, axis = time_axis(canvas, labels=False), alt.Axis(labelExpr="format(abs(datum.value), '~g')")
    sides = scale({"longs": canvas.colours["long"], "shorts": canvas.colours["short"]})
    return alt.layer(
        gaps(canvas, days[days["long_usd"].isna()], x, HEIGHT),
        alt.Chart(stacked(bars, "usd")).mark_rect().encode(
            x, x2="end_at:T", y=alt.Y("low:Q", title=f"{letter} USD a day".strip(), axis=axis), y2="high:Q",
            color=alt.Color("side:N", scale=sides, title=None),
        ),
        zero_line(canvas),
        tool_tips(days, x, HEIGHT),
    ).properties(height=HEIGHT)  # fmt: skip


def _observed_strip(days: "pd.DataFrame", canvas: Canvas) -> "Plot":
    """From hatched (nothing of the day was observed) to solid (all)."""
    import altair as alt

    x, seen = time_axis(canvas, labels=True), days.fillna({"observed_ratio": 0.0})
    shade = alt.Opacity("observed_ratio:Q", scale=alt.Scale(domain=[0, 1], range=[0.05, 1]), legend=None)
    caption = alt.TitleParams(
        "observed share of each day", orient="bottom", anchor="start", fontSize=10, fontWeight="normal",
        color=canvas.colours["muted"], offset=4,
    )  # fmt: skip
    return alt.layer(
        gaps(canvas, days[days["long_usd"].isna()], x, STRIP_HEIGHT),
        alt.Chart(seen[["start_at", "end_at", "observed_ratio"]]).mark_rect(color=canvas.colours["muted"]).encode(
            x, x2="end_at:T", opacity=shade, y=alt.value(0), y2=alt.value(STRIP_HEIGHT)
        ),
    ).properties(height=STRIP_HEIGHT, title=caption)  # fmt: skip
