"""The figures of the brief: each one's value, how complete it is, and why it is missing.

No figure is computed here: each is the answer to the query that stands beside it. Which there are, `measures` says.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from orchestration import score
from orchestration.brief.measures import ALL, EXTRA_COLUMNS, MEASURES, WINDOW_HOURS, Measure
from orchestration.brief.query import iso, plain, records, stamp
from orchestration.brief.words import share_text

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Known:
    """What completeness and reasons are derived from, by asset, at the as-of hour."""

    as_of: datetime
    rows: dict[str, dict] = field(default_factory=dict)  # of market_hourly, in the order of the brief
    scores: dict[str, dict] = field(default_factory=dict)  # of market_stress
    panels: dict[tuple[str, str, datetime], set[str]] = field(default_factory=dict)  # also at the windows' starts
    open_interest_since: dict[str, datetime] = field(default_factory=dict)
    coverage: list[dict] = field(default_factory=list)  # see coverage.observed


def known_at(connection: "duckdb.DuckDBPyConnection", as_of: datetime, coverage: list[dict]) -> Known:
    """What the warehouse holds at an hour, beside what `coverage.observed` says."""
    ends = ", ".join(stamp(as_of - timedelta(hours=hours)) for hours in (0, *WINDOW_HOURS.values()))
    columns = "as_of, asset, panel as open_interest, price_panel as price"
    panels = records(connection, f"select {columns} from market_hourly where as_of in ({ends})")
    scores = records(connection, f"select * from market_stress where as_of = {stamp(as_of)}")
    since = "select asset, min(as_of) as at from market_hourly where open_interest_usd is not null group by asset"
    return Known(
        as_of,
        rows={row["asset"]: row for row in market_rows(connection, as_of)},
        scores={row["asset"]: row for row in scores},
        panels={
            (topic, row["asset"], row["as_of"].replace(tzinfo=UTC)): set(row[topic] or ())
            for row in panels
            for topic in ("open_interest", "price")
        },
        open_interest_since={row["asset"]: row["at"].replace(tzinfo=UTC) for row in records(connection, since)},
        coverage=coverage,
    )


def market_rows(connection: "duckdb.DuckDBPyConnection", as_of: datetime) -> list[dict]:
    """Rows of market_hourly at one hour: ALL first, then by open interest."""
    rows = records(connection, f"select * from market_hourly where as_of = {stamp(as_of)}")
    return sorted(rows, key=lambda row: (row["asset"] != ALL, -(row["open_interest_usd"] or 0), row["asset"]))


def figures(connection: "duckdb.DuckDBPyConnection", known: Known) -> list[dict]:
    """{name, asset, label, value, unit, as_of, completeness, reason, table, query} of every measure and asset."""
    measures = [measure for measures in MEASURES.values() for measure in measures]
    lacking = {
        table: extra - {row["column_name"] for row in records(connection, f"describe {table}")}
        for table, extra in EXTRA_COLUMNS.items()
    }
    figures = []
    for measure in measures:
        if any(column in measure.expression for column in lacking[measure.table]):
            continue
        for asset in known.rows:
            query = measure.query(asset, known.as_of)
            answer = connection.execute(query).fetchone()
            value = plain(answer[0]) if answer else None
            figures.append(
                {
                    "name": measure.name,
                    "asset": asset,
                    "label": measure.label,
                    "value": value,
                    "unit": measure.unit,
                    "as_of": iso(known.as_of),
                    "completeness": _completeness(measure, asset, value, known),
                    "reason": _reason(measure, asset, known) if value is None else None,
                    "table": measure.table,
                    "query": query,
                }
            )
    return figures


def _completeness(measure: Measure, asset: str, value: object, known: Known) -> dict:
    """text, observed_ratio (None where it has no meaning) and is_lower_bound."""
    if measure.table == "market_stress":
        row = known.scores.get(asset, {})
        ranked = sum(row.get(f"{part}_rank") is not None for part in score.PARTS)
        weight = 1 - (row["score_high"] - row["score_low"]) / 100 if row else 0.0
        text = f"{ranked} of {len(score.PARTS)} parts"
        is_lower_bound = measure.name == "score" and value is not None and value == row["score_low"] < row["score_high"]
        return {"text": text, "observed_ratio": round(weight, 4), "is_lower_bound": is_lower_bound}
    if measure.topic == "liquidations":
        row = known.rows[asset]
        ratio = row[f"observed_ratio_{measure.window}"] or 0.0
        # A share is no sum; of a warehouse that doesn't say, no sum is taken for the whole.
        is_lower_bound = (
            measure.unit == "USD" and value is not None and row.get(f"is_lower_bound_{measure.window}", True)
        )
        text = f"observed {share_text(ratio)}" + (", lower bound" if is_lower_bound else "")
        return {"text": text, "observed_ratio": ratio, "is_lower_bound": is_lower_bound}
    seen, of = _seen(measure, asset, known), known.rows[asset]["instruments"]
    is_lower_bound = measure.name == "open_interest_usd" and value is not None and seen < (of or 0)
    text = f"{seen} of {of} contracts" if of else f"{seen} contracts"
    text += ", lower bound" if is_lower_bound else ""
    return {"text": text, "observed_ratio": min(seen / of, 1.0) if of else None, "is_lower_bound": is_lower_bound}


def _seen(measure: Measure, asset: str, known: Known) -> int:
    """How many contracts were observed, at both ends where the figure looks back."""
    ends = [known.as_of]
    if measure.window:
        ends.append(known.as_of - timedelta(hours=WINDOW_HOURS[measure.window]))
    topic = "price" if measure.topic == "price" else "open_interest"
    return len(set.intersection(*(known.panels.get((topic, asset, end), set()) for end in ends)))


def _reason(measure: Measure, asset: str, known: Known) -> str:
    window = measure.window and f"{measure.window[:-1]} {measure.window[-1]}"
    if measure.table == "market_stress":
        return _score_reason(measure, known.scores.get(asset))
    if measure.topic == "liquidations":
        reasons = [
            f"{feed['exchange']}: {feed['gaps'][0]['reason']}"
            for feed in known.coverage
            if feed["dataset"] == "liquidations" and feed["gaps"]
        ]
        return f"no liquidation feed was observed in these {window}" + (f" ({'; '.join(reasons)})" if reasons else "")
    if measure.topic == "price" and asset == ALL:
        if measure.name == "price":
            return "coins of different assets have no common price"
        return "no asset has both a price change and open interest to weigh it by"
    if measure.topic == "price":
        return (
            f"no exchange gave a price both now and {window} earlier"
            if window
            else "no exchange gave a bar that ends now"
        )
    since = known.open_interest_since.get(asset)
    if since is None:
        return "open interest was never observed"
    if not known.panels.get(("open_interest", asset, known.as_of)):
        return "open interest was not observed at this hour or the two before"
    if measure.window and since > known.as_of - timedelta(hours=WINDOW_HOURS[measure.window]):
        return f"open interest is known since {since:%Y-%m-%d %H:%M} UTC only"
    return f"no instrument was observed both now and {window} earlier" if window else "not known at this hour"


def _score_reason(measure: Measure, row: dict | None) -> str:
    if row is None:
        return "market_stress has no row at this hour"
    reason = row["reason"] or ""
    clauses = [clause.strip() for clause in reason.split(";")]
    if measure.topic == "second_line":
        if row["reason"] is None and row["second_line"] is None:
            return f"it needs 30 d of hours in which all parts are certain, and has {row['second_line_days']:.0f} d"
        reason = f"it is of hours in which all parts are certain; {reason}"
    elif measure.topic in score.PARTS:
        reason = next((clause.rpartition(":")[0] for clause in clauses if measure.topic in clause), reason)
    elif measure.name == "regime" and row.get("regime_low") is not None:
        reason = f"between {row['regime_low']} and {row['regime_high']} over the last 48 hours that count"
    elif measure.name in ("score", "regime"):
        reason = f"{row['score_high'] - row['score_low']:.0f} of 100 points are open: {reason}"
    history = f"a rank needs {row['warm_up_days']} d"
    if all(row[f"{part}_rank"] is None for part in score.PARTS):  # else the days are those of another part
        history = f"{row['effective_days']:.0f} d of history where {row['warm_up_days']} d are needed"
    return reason.replace("insufficient_history", f"insufficient history ({history})").replace("_", " ")
