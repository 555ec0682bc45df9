"""What the brief and `status` say of coverage: how much was observed, what wasn't, and why.

Which hours were observed is decided in dbt and published as `coverage_daily`; here it is only added up over time.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.brief.measures import COVERAGE_HOURS
from orchestration.brief.query import records, stamp
from orchestration.lake.facts import read_raw
from orchestration.lake.files import connect, literal, only_row

if TYPE_CHECKING:
    import duckdb

DATASET_WORDS = {
    "liquidations": "liquidations",
    "open_interest": "open interest",
    "candles": "candles",
    "funding_rates": "funding",
}
STATES = ("complete", "partial", "failed", "unavailable", "never_asked")

WATCHED = """
select exchange, cast(count(distinct asset) as integer) as assets from coverage_daily
where period_start_date = (select max(period_start_date) from coverage_daily)
group by exchange order by exchange
"""
# The trailing hours may begin within a day, which then counts by its share of hours that are inside.
SHARE = "date_diff('hour', greatest(period_start_date::timestamp, {start}), period_start_date + interval 1 day) / 24"
INSIDE = "period_start_date > {start} - interval 1 day and period_start_date < {end}"
OBSERVED = f"""
select coalesce(sum(hours_observed * {SHARE}), 0) / ({{hours}} * {{assets}}) from coverage_daily
where exchange = {{exchange}} and dataset = {{dataset}} and {INSIDE}
"""
NATURES = f"""
select distinct completeness from liquidations_daily
where exchange = {{exchange}} and completeness <> 'missing' and {INSIDE} order by 1
"""
GAPS = f"""
with gaps as (
    select unnest(gaps) as gap, {SHARE} as share from coverage_daily
    where exchange = {{exchange}} and dataset = {{dataset}} and {INSIDE}
    union all
    select
        struct_pack(
            state := 'never asked',
            reason := 'the warehouse holds no day before ' || min(period_start_date),
            hours := {{assets}} * date_diff('hour', {{start}}, min(period_start_date))
        ) as gap, 1 as share
    from coverage_daily having min(period_start_date) > {{start}}
)
select gap.state, gap.reason, cast(round(sum(gap.hours * share)) as integer) as instrument_hours from gaps
group by all order by instrument_hours desc, gap.reason
"""
# Assets that an exchange doesn't list are not watched, so they have no day; what it does list now is no gap.
SUMMARY = f"""
with gaps as (
    select exchange, dataset, gap.reason as reason, sum(gap.hours) as hours
    from (select exchange, dataset, unnest(gaps) as gap from coverage_daily) group by all
),
reasons as (select exchange, dataset, max_by(reason, (hours, reason)) as reason from gaps group by all),
ends as (select max(counted_until_at) as end_at from coverage_daily),
unlisted as (
    select exchange, symbol, reason, start_at, end_at from coverage
    where dataset = 'instruments' and (exchange, symbol) not in (select (exchange, symbol) from instruments)
)
select exchange, dataset,
    min(period_start_date) filter (where hours_observed > 0 or hours_never_asked < hours_expected) as first_date,
    max(period_start_date) as last_date,
    {", ".join(f"cast(sum(hours_{state}) as bigint) as {state}" for state in STATES)},
    cast(sum(hours_observed) as bigint) as observed, cast(sum(hours_expected) as bigint) as expected,
    count(*) filter (where counted_until_at = (select end_at from ends)) as instruments,
    any_value(reasons.reason) as reason
from coverage_daily left join reasons using (exchange, dataset) group by exchange, dataset
union all by name
select exchange, 'instruments' as dataset, cast(min(start_at) as date) as first_date,
    cast(max(end_at) - interval 1 hour as date) as last_date,
    cast(sum(date_diff('hour', start_at, end_at)) as bigint) as unavailable,
    string_agg(distinct symbol, ', ' order by symbol) || ': ' || reason as reason
from unlisted group by exchange, reason
order by exchange, dataset
"""


def observed(connection: "duckdb.DuckDBPyConnection", as_of: datetime) -> list[dict]:
    """What was observed of every exchange and dataset in the trailing 30 d, and what wasn't and why.

    exchange, dataset, observed_ratio, completeness (of liquidations: the feed's nature), is_lower_bound, query (gives
    observed_ratio), gaps: [{state, reason, instrument_hours}], the widest first.
    """
    return [
        _of_feed(connection, row["exchange"], row["assets"], dataset, as_of)
        for row in records(connection, WATCHED)
        for dataset in DATASET_WORDS
    ]


def counted_until(connection: "duckdb.DuckDBPyConnection") -> datetime | None:
    """Up to which hour `coverage_daily` counts, aware: the clock of its build; None where it holds no day."""
    (end,) = only_row(connection.execute("select max(counted_until_at) from coverage_daily"))
    return end and end.replace(tzinfo=UTC)


def summary(connection: "duckdb.DuckDBPyConnection", until: datetime, asked: Mapping[tuple, int]) -> list[dict]:
    """What is known of every exchange and dataset up to the full hour `until`, and of assets an exchange doesn't list.

    exchange, dataset, first_date of what was asked for or observed and last_date of the span (None: nothing ever was),
    hours: {state: instrument-hours} without those that there are none of, observed_ratio (None for instruments), reason
    of most of what is missing or None. Of the hours after those that the build counted, `asked` says how many
    instrument-hours of (exchange, dataset) have a receipt; they are not published, the others never asked.
    """
    end = counted_until(connection) or until
    late = max((until - end) // timedelta(hours=1), 0)
    return [_with_tail(row, until, late, asked) for row in records(connection, SUMMARY)]


def _with_tail(row: dict, until: datetime, late: int, asked: Mapping[tuple, int]) -> dict:
    """A row of SUMMARY with the `late` hours that have passed since the build."""
    hours = {state: row[state] for state in STATES if row[state]}
    ratio, reason, last_date = None, row["reason"], row["last_date"]
    if row["dataset"] in DATASET_WORDS:
        tail = late * row["instruments"]
        unpublished = min(asked.get((row["exchange"], row["dataset"]), 0), tail)
        if unasked := tail - unpublished:
            if unasked > max(sum(hours.values()) - hours.get("complete", 0), 0):
                reason = f"nobody asked in the latest {late} hours"
            hours["never_asked"] = hours.get("never_asked", 0) + unasked
        if unpublished:
            hours["not_published"] = unpublished
        ratio = row["observed"] / (row["expected"] + tail) if row["expected"] + tail else None
        last_date = max(last_date, (until - timedelta(hours=1)).date()) if late else last_date
        if row["first_date"] is None:
            last_date = None
    return {
        "exchange": row["exchange"],
        "dataset": row["dataset"],
        "first_date": row["first_date"],
        "last_date": last_date,
        "observed_ratio": ratio,
        "reason": reason,
        "hours": hours,
    }


def asked_since(home: Path, start: datetime, end: datetime) -> dict[tuple, int]:
    """Instrument-hours of [start, end) for which a home holds a receipt, by exchange and mart's dataset."""
    if not any((home / "raw" / "coverage").glob("**/*.parquet")):
        return {}
    receipts = read_raw(home, "coverage", f"dataset <> 'instruments' and end_at > timestamptz '{start}'")
    connection = connect()
    connection.register("receipts", receipts)
    hours = f"""
        select exchange, replace(dataset, 'liquidation_totals', 'liquidations') as dataset, symbol,
            unnest(generate_series(
                greatest(date_trunc('hour', start_at + interval 59 minute), timestamptz '{start}'),
                least(date_trunc('hour', end_at), timestamptz '{end}') - interval 1 hour, interval 1 hour
            )) as hour_at
        from receipts
    """
    counted = f"select exchange, dataset, count(distinct (symbol, hour_at)) from ({hours}) group by all"
    return {(exchange, dataset): count for exchange, dataset, count in connection.execute(counted).fetchall()}


def _of_feed(
    connection: "duckdb.DuckDBPyConnection", exchange: str, assets: int, dataset: str, as_of: datetime
) -> dict:
    values = {
        "exchange": literal(exchange),
        "dataset": literal(dataset),
        "start": stamp(as_of - timedelta(hours=COVERAGE_HOURS)),
        "end": stamp(as_of),
        "hours": COVERAGE_HOURS,
        "assets": assets,
    }
    query = " ".join(OBSERVED.format(**values).split())
    (ratio,) = only_row(connection.execute(query))
    natures = []
    if dataset == "liquidations":
        natures = [row["completeness"] for row in records(connection, NATURES.format(**values))]
    return {
        "exchange": exchange,
        "dataset": dataset,
        "observed_ratio": ratio,
        "completeness": " and ".join(natures) or ("missing" if ratio == 0 else None),
        "is_lower_bound": "sampled" in natures,
        "gaps": records(connection, GAPS.format(**values)) if ratio < 1 else [],
        "table": "coverage_daily",
        "query": query,
    }
