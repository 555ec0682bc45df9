"""Open interest of ALL and the lead asset, and under it what each day's change consists of."""

from typing import TYPE_CHECKING

from orchestration.brief.days import by_day, stacked
from orchestration.brief.drawing import Canvas, gaps, magnitude, scale, stack, time_axis, tool_tips, zero_line
from orchestration.brief.measures import ALL
from orchestration.brief.words import amount_text
from orchestration.lake.files import literal

if TYPE_CHECKING:
    import altair
    import duckdb
    import pandas as pd

    from orchestration.brief.drawing import Plot

LEVEL_HEIGHT, CHANGE_HEIGHT = 170, 110
EFFECTS = {"price": "price", "position": "position", "listing": "listing", "coverage": "gap"}  # and their colours
QUERY = """
select period_start_date, cast(open_interest_usd as double) as usd, cast(change_usd as double) as change_usd, {effects}
from market_daily where asset = {asset}
"""


def draw(connection: "duckdb.DuckDBPyConnection", canvas: Canvas) -> "altair.VConcatChart":
    """Levels are those of each day's end; a day that was not observed is a gap."""
    days = {asset: _days(connection, asset, canvas) for asset in dict.fromkeys((ALL, canvas.lead))}
    changes = [_changes(asset, frame, canvas, is_last=asset == canvas.lead) for asset, frame in days.items()]
    return stack(canvas, "Open interest and its daily change", _levels(days, canvas), *changes, spacing=30)


def _days(connection: "duckdb.DuckDBPyConnection", asset: str, canvas: Canvas) -> "pd.DataFrame":
    effects = ", ".join(f"cast({effect}_effect_usd as double) as {effect}" for effect in EFFECTS)
    days = by_day(connection, canvas.as_of, QUERY.format(effects=effects, asset=literal(asset)))
    return days.assign(asset=asset, tip=[_tip(asset, day) for day in days.to_dict("records")])


def _tip(asset: str, day: dict) -> str:
    start = f"{day['day']:%a %-d %b %Y}, {asset}"
    if day["usd"] != day["usd"]:  # NaN
        return f"{start}: not observed"
    if day["change_usd"] != day["change_usd"]:
        return f"{start}: {amount_text(day['usd'])} USD"
    change = amount_text(day["change_usd"], is_signed=True)
    effects = ", ".join(f"{effect} {amount_text(day[effect], is_signed=True)}" for effect in EFFECTS)
    return f"{start}: {amount_text(day['usd'])} USD, change {change}: {effects}"


def _levels(days: "dict[str, pd.DataFrame]", canvas: Canvas) -> "Plot":
    import altair as alt
    import pandas as pd

    levels, whole = pd.concat(days.values()), days[ALL]
    size, letter = magnitude(levels["usd"].max())
    levels["usd"] /= size
    x = time_axis(canvas, labels=False)
    lines = scale({asset: canvas.colours[colour] for asset, colour in zip(days, ("ink", "lead"), strict=False)})
    return alt.layer(
        gaps(canvas, whole[whole["usd"].isna()], x, LEVEL_HEIGHT),
        alt.Chart(levels).mark_line(strokeWidth=2, invalid="break-paths-show-domains").encode(
            time_axis(canvas, labels=False, field="end_at"),
            y=alt.Y("usd:Q", title=f"{letter} USD", scale=alt.Scale(zero=True)),
            color=alt.Color("asset:N", scale=lines, legend=alt.Legend(symbolType="stroke", symbolStrokeWidth=2)),
        ),
        tool_tips(whole, x, LEVEL_HEIGHT),
    ).properties(height=LEVEL_HEIGHT)  # fmt: skip


def _changes(asset: str, days: "pd.DataFrame", canvas: Canvas, *, is_last: bool) -> "Plot":
    """What comes into observation may be as large as the market: the axis is for what moved, and the rest is cut."""
    import altair as alt

    bars = days.melt(["start_at", "end_at"], list(EFFECTS), "effect", "change").dropna()
    bars = bars[bars["change"] != 0]
    moved = bars[bars["effect"] != "coverage"]
    reach = moved.groupby(["start_at", moved["change"] < 0])["change"].sum().abs().max()
    size, letter = magnitude(reach)
    bars["change"] /= size
    y_scale = alt.Scale(domain=[-1.1 * reach / size, 1.1 * reach / size]) if reach > 0 else alt.Scale()
    effects = scale({effect: canvas.colours[colour] for effect, colour in EFFECTS.items()})
    x = time_axis(canvas, labels=is_last)
    return alt.layer(
        gaps(canvas, days[days["change_usd"].isna()], x, CHANGE_HEIGHT),
        alt.Chart(stacked(bars, "change")).mark_rect(clip=True).encode(
            x, x2="end_at:T", y2="high:Q",
            y=alt.Y("low:Q", title=f"{asset}, {letter} USD", scale=y_scale, axis=alt.Axis(tickCount=4)),
            color=alt.Color("effect:N", scale=effects, legend=alt.Legend(columns=4) if asset == ALL else None),
        ),
        zero_line(canvas),
        tool_tips(days, x, CHANGE_HEIGHT),
    ).properties(height=CHANGE_HEIGHT)  # fmt: skip
