"""The brief: the figures that articles talk about, from the published warehouse, each with its table and query.

Here belong what the brief says, in `brief.json` and `brief.html` (layout: `brief.html.j2`), and the charts. No figure
is computed here: each is the answer to the query that stands beside it. What is missing is said with its reason.
"""

import json
import os
import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration import stress
from orchestration.exchanges import declared
from orchestration.lake import publish as lake

if TYPE_CHECKING:
    import altair
    import duckdb
    import pandas as pd

ALL = "ALL"
WINDOW_HOURS = {"24h": 24, "7d": 168, "28d": 672, "30d": 720, "90d": 2160}
COVERAGE_HOURS = 720
CHART_DAYS = 90
LATE_HOURS = 3
NO_DATA = "no data"
THIN = "\u202f"  # a narrow space that does not break a figure from its unit

PART_WORDS = {part: part.replace("_", " ") for part in stress.PARTS}
DATASET_WORDS = {
    "liquidations": "liquidations",
    "open_interest": "open interest",
    "candles": "candles",
    "funding_rates": "funding",
}
# What may answer for each of them: liquidations come as events or as the exchange's own totals.
DATASET_FEEDS = {dataset: (dataset,) for dataset in DATASET_WORDS} | {
    "liquidations": ("liquidations", "liquidation_totals")
}


@dataclass(frozen=True)
class Measure:
    """A figure that every asset has: `expression` over the row of `table` at the as-of hour.

    `topic` decides how complete it is and why it may be missing, `window` over how long it looks back. With
    `reach_hours` the expression is an aggregate over the rows of that many hours up to the as-of hour.
    """

    name: str
    label: str
    unit: str
    expression: str
    topic: str
    window: str | None = None
    table: str = "market_hourly"
    reach_hours: int = 0

    def query(self, asset: str, as_of: datetime) -> str:
        hours = f"as_of = {_stamp(as_of)}"
        if self.reach_hours:
            hours = f"as_of between {_stamp(as_of - timedelta(hours=self.reach_hours))} and {_stamp(as_of)}"
        return f"select {self.expression} from {self.table} where asset = {_text(asset)} and {hours}"


def _split_measures(window: str, words: str) -> list[Measure]:
    """The change of open interest in USD and its exact split, in USD and in points of what it started from."""
    price, position = (f"{effect}_effect_{window}_end_to_end_usd" for effect in ("price", "position"))
    start = f"nullif(open_interest_start_{window}_usd, 0)"
    return [
        Measure(name, f"{label}, {words}", unit, expression, "split", window)
        for name, label, unit, expression in (
            (f"open_interest_change_{window}_usd", "change", "USD", f"{price} + {position}"),
            (f"price_effect_{window}_usd", "by price", "USD", price),
            (f"price_effect_{window}_ratio", "by price", "ratio", f"{price} / {start}"),
            (f"position_effect_{window}_usd", "by positions", "USD", position),
            (f"position_effect_{window}_ratio", "by positions", "ratio", f"{position} / {start}"),
        )
    ]


MEASURES = {
    "score": [
        Measure("score", "score", "points", "score", "score", table="market_stress"),
        Measure("score_low", "at least", "points", "score_low", "score", table="market_stress"),
        Measure("score_high", "at most", "points", "score_high", "score", table="market_stress"),
        Measure("regime", "regime", "text", "regime", "score", table="market_stress"),
        *(
            Measure(f"{part}_{kind}", f"{words}{suffix}", unit, f"{part}_{kind}", part, table="market_stress")
            for kind, suffix, unit in (("contribution", "", "points"), ("rank", ", rank", "rank"))
            for part, words in PART_WORDS.items()
        ),
        Measure("effective_days", "history", "days", "effective_days", "score", table="market_stress"),
        Measure("warm_up_days", "warm-up", "days", "warm_up_days", "score", table="market_stress"),
    ],
    "liquidations": [
        Measure("long_usd_24h", "longs, 24 h", "USD", "long_usd_24h", "liquidations", "24h"),
        Measure("short_usd_24h", "shorts, 24 h", "USD", "short_usd_24h", "liquidations", "24h"),
        Measure("worst_hour_usd_24h", "worst hour, 24 h", "USD", "worst_hour_usd_24h", "liquidations", "24h"),
        Measure("long_usd_7d", "longs, 7 d", "USD", "long_usd_7d", "liquidations", "7d"),
        Measure("short_usd_7d", "shorts, 7 d", "USD", "short_usd_7d", "liquidations", "7d"),
        Measure("total_usd_7d", "both, 7 d", "USD", "long_usd_7d + short_usd_7d", "liquidations", "7d"),
        Measure("long_usd_30d", "longs, 30 d", "USD", "long_usd_30d", "liquidations", "30d"),
        Measure("short_usd_30d", "shorts, 30 d", "USD", "short_usd_30d", "liquidations", "30d"),
        Measure("total_usd_30d", "both, 30 d", "USD", "long_usd_30d + short_usd_30d", "liquidations", "30d"),
        # A row looks back 24 h itself, so the rows of 696 h see the hours of 720.
        Measure(
            "worst_hour_usd_30d", "worst hour, 30 d", "USD", "max(worst_hour_usd_24h)", "liquidations", "30d",
            reach_hours=COVERAGE_HOURS - 24,
        ),
    ],
    "open_interest": [
        Measure("open_interest_usd", "now", "USD", "open_interest_usd", "open_interest"),
        *(
            Measure(f"open_interest_change_{window}_ratio", words, "ratio",
                    f"open_interest_change_{window}_ratio", "open_interest", window)
            for window, words in (("24h", "24 h"), ("7d", "7 d"), ("28d", "28 d"), ("30d", "30 d"))
        ),
        *(
            Measure(f"fall_from_peak_{span}_ratio", f"below {words} peak", "ratio",
                    f"fall_from_peak_{span}_ratio", "open_interest", window)
            for span, words, window in (("28d", "28 d", "28d"), ("90d", "90 d", "90d"), ("all", "known", None))
        ),
        Measure("peak_at", "peak at", "UTC", "strftime(peak_at, '%Y-%m-%dT%H:%M:%SZ')", "open_interest"),
    ],
    "split": [*_split_measures("24h", "24 h"), *_split_measures("28d", "28 d")],
    "prices": [
        Measure("price", "price", "USD per coin", "price", "price"),
        Measure("return_24h_ratio", "24 h", "ratio", "return_24h_ratio", "price", "24h"),
        Measure("return_7d_ratio", "7 d", "ratio", "return_7d_ratio", "price", "7d"),
    ],
}  # fmt: skip

# Columns that a warehouse may lack: without one, the figures made of it are left out.
EXTRA_COLUMNS = {"open_interest_start_24h_usd", "open_interest_start_28d_usd"}


@dataclass(frozen=True)
class Known:
    """What completeness and reasons are told from, by asset, at the as-of hour."""

    as_of: datetime
    rows: dict[str, dict] = field(default_factory=dict)  # of market_hourly, in the order of the brief
    scores: dict[str, dict] = field(default_factory=dict)  # of market_stress
    panels: dict[tuple[str, datetime], set[str]] = field(default_factory=dict)  # also at the starts of the windows
    watched: Counter = field(default_factory=Counter)  # exchanges that list the asset; ALL: their sum
    priced: dict[str, dict[datetime, set[str]]] = field(default_factory=dict)  # exchanges with a bar that ended then
    open_interest_since: dict[str, datetime] = field(default_factory=dict)
    feeds: list[dict] = field(default_factory=list)  # see _feeds


def write_brief(warehouse: Path, folder: Path, *, written_at: datetime, simulated: bool) -> dict:
    """Writes `brief.html` and `brief.json` to `folder`, each replaced atomically, and returns the brief.

    The brief is as of the latest hour of `market_hourly`; `written_at` (aware) only tells how late that is. `figures`
    are {name, asset, label, value, unit, as_of, completeness, reason, table, query}: `query` gives `value` again
    through `market-stress sql`, and a figure without data has value None and a reason. Raises FileNotFoundError without
    a warehouse.
    """
    with lake.read_only(warehouse.parent, warehouse.name) as connection:
        as_of = _latest_as_of(connection)
        known = _known(connection, as_of or written_at.replace(minute=0, second=0, microsecond=0))
        brief = {
            "title": "Market stress brief",
            "simulated": simulated,
            "as_of": as_of and _iso(as_of),
            "written_at": _iso(written_at),
            "lag_hours": as_of and round((written_at - as_of).total_seconds() / 3600, 2),
            "assets": list(known.rows),
            "lead_asset": _lead_asset(known.rows),
            "warnings": [],
            "figures": _figures(connection, known),
            "coverage": {
                "start_at": _iso(known.as_of - timedelta(hours=COVERAGE_HOURS)),
                "end_at": _iso(known.as_of),
                "feeds": known.feeds,
            },
        }
        brief["warnings"] = _warnings(brief)
        page = _page(brief, _drawings(connection, known.as_of, brief["lead_asset"], simulated))
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "brief.json", json.dumps(brief, indent=1, ensure_ascii=False, allow_nan=False))
    _replace(folder / "brief.html", page)
    return brief


def headline(brief: dict) -> list[tuple[str, str]]:
    """(name, value) lines that sum the brief up, also from a `brief.json` read back."""
    lead, told = brief["lead_asset"], Told(brief)
    if not brief["as_of"]:
        return [("as of", f"{NO_DATA}: {brief['warnings'][0]}")]
    longs = told("long_usd_24h", lead)
    lines = [
        ("as of", f"{moment_text(brief['as_of'])}, {told.lag()}"),
        (f"{lead} price", f"{told('price', lead)}, {told('return_24h_ratio', lead)} in 24 h"),
        (f"{lead} longs liquidated, 24 h", f"{longs} ({told.completeness('long_usd_24h', lead)})"),
    ]
    for asset in dict.fromkeys((lead, ALL)):
        sums = f"{told('total_usd_7d', asset)} / {told('total_usd_30d', asset)}"
        lines.append((f"{asset} liquidations, 7 d / 30 d", f"{sums} ({told.completeness('total_usd_30d', asset)})"))
    now, day = told("open_interest_usd", ALL), told("open_interest_change_24h_ratio", ALL)
    split = f"price {told.effect('price_effect_28d', ALL)}, positions {told.effect('position_effect_28d', ALL)}"
    lines += [
        ("ALL open interest", f"{now}, {day} in 24 h ({told.completeness('open_interest_usd', ALL)})"),
        ("ALL open interest, 28 d", f"{told('open_interest_change_28d_ratio', ALL)} ({split})"),
        ("ALL below its known peak", f"{told('fall_from_peak_all_ratio', ALL)}, peak at {told('peak_at', ALL)}"),
        ("ALL stress score", _score_line(told)),
    ]
    return lines


def _score_line(told: "Told") -> str:
    low, high = told("score_low", ALL), told("score_high", ALL)
    history = f"history {told('effective_days', ALL)}, warm-up {told('warm_up_days', ALL)}"
    if told.value("score", ALL) is not None:
        bounds = "" if low == high else f", within {low} to {high}"
        return f"{told('score', ALL)} of 100, {told('regime', ALL)}{bounds} ({history})"
    between = f" (between {low} and {high}; {history})" if told.value("score_low", ALL) is not None else ""
    return f"{NO_DATA}{between}"


def chart_png(warehouse: Path, name: str, *, simulated: bool = False) -> bytes:
    """The chart `liquidations`, `open_interest` or `score` as a PNG of less than 60 KB, e.g. for Dagster's metadata."""
    import vl_convert

    with lake.read_only(warehouse.parent, warehouse.name) as connection:
        as_of = _latest_as_of(connection)
        if as_of is None:
            chart = _blank_chart()
        else:
            assets = [row["asset"] for row in _market_rows(connection, as_of)]
            chart = CHARTS[name](connection, as_of, _lead_asset(assets), simulated)
    spec = json.dumps(_resized(_spec(chart, background="white"), IMAGE_PLOT_WIDTH)).replace(LIGHT["gap"], PLAIN_GAP)
    return _squeezed(vl_convert.vegalite_to_png(spec))


# --- figures --------------------------------------------------------------------------------------


def _figures(connection: "duckdb.DuckDBPyConnection", known: Known) -> list[dict]:
    columns = {row["column_name"] for row in _records(connection, "describe market_hourly")}
    measures = [measure for measures in MEASURES.values() for measure in measures]
    figures = []
    for measure in measures:
        if any(column in measure.expression for column in EXTRA_COLUMNS - columns):
            continue
        for asset in known.rows:
            query = measure.query(asset, known.as_of)
            answer = connection.execute(query).fetchone()
            value = _plain(answer[0]) if answer else None
            figures.append(
                {
                    "name": measure.name,
                    "asset": asset,
                    "label": measure.label,
                    "value": value,
                    "unit": measure.unit,
                    "as_of": _iso(known.as_of),
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
        ranked = sum(row.get(f"{part}_rank") is not None for part in stress.PARTS)
        weight = 1 - (row["score_high"] - row["score_low"]) / 100 if row else 0.0
        text = f"{ranked} of {len(stress.PARTS)} parts"
        is_lower_bound = 0 < ranked < len(stress.PARTS) and measure.name == "score"
        return {"text": text, "observed_ratio": round(weight, 4), "is_lower_bound": is_lower_bound}
    if measure.topic == "liquidations":
        row = known.rows[asset]
        ratio = row[f"observed_ratio_{measure.window}"] or 0.0
        nature = row.get(f"completeness_{measure.window}") or _nature(known.feeds)
        is_lower_bound = value is not None and (ratio < 1 or nature not in ("complete", "totals"))
        text = f"observed {share_text(ratio)}" + (", lower bound" if is_lower_bound else "")
        return {"text": text, "observed_ratio": ratio, "is_lower_bound": is_lower_bound}
    seen, of = _seen(measure, asset, known), known.watched[asset]
    text = f"{seen} of {of} contracts" if of else f"{seen} contracts"
    return {"text": text, "observed_ratio": min(seen / of, 1.0) if of else None, "is_lower_bound": False}


def _seen(measure: Measure, asset: str, known: Known) -> int:
    """How many contracts were observed, at both ends where the figure looks back."""
    ends = [known.as_of]
    if measure.window:
        ends.append(known.as_of - timedelta(hours=WINDOW_HOURS[measure.window]))
    by_end = known.priced.get(asset, {}) if measure.topic == "price" else None
    sets = [known.panels.get((asset, end), set()) if by_end is None else by_end.get(end, set()) for end in ends]
    return len(set.intersection(*sets))


def _nature(feeds: list[dict]) -> str:
    """The worst nature of any liquidation feed, for a warehouse that doesn't tell it by window."""
    natures = {feed["completeness"] for feed in feeds if feed["dataset"] == "liquidations"}
    return next((nature for nature in ("missing", "sampled", "totals") if nature in natures), "complete")


def _reason(measure: Measure, asset: str, known: Known) -> str:
    window = measure.window and f"{measure.window[:-1]} {measure.window[-1]}"
    if measure.table == "market_stress":
        return _score_reason(measure, known.scores.get(asset))
    if measure.topic == "liquidations":
        told = [
            f"{feed['exchange']}: {feed['gaps'][0]['reason']}"
            for feed in known.feeds
            if feed["dataset"] == "liquidations" and feed["gaps"]
        ]
        return f"no liquidation feed was observed in these {window}" + (f" ({'; '.join(told)})" if told else "")
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
    if not known.panels.get((asset, known.as_of)):
        return "open interest was not observed at this hour or the two before"
    if window and since > known.as_of - timedelta(hours=WINDOW_HOURS[measure.window]):
        return f"open interest is known since {since:%Y-%m-%d %H:%M} UTC only"
    return f"no instrument was observed both now and {window} earlier" if window else "not known at this hour"


def _score_reason(measure: Measure, row: dict | None) -> str:
    if row is None:
        return "market_stress has no row at this hour"
    told = row["reason"] or ""
    clauses = [clause.strip() for clause in told.split(";")]
    if measure.topic in stress.PARTS:
        told = next((clause.split(":")[0] for clause in clauses if measure.topic in clause), told)
    elif measure.name in ("score", "regime"):
        told = f"{row['score_high'] - row['score_low']:.0f} of 100 points are open: {told}"
    history = f"a rank needs {row['warm_up_days']} d"
    if all(row[f"{part}_rank"] is None for part in stress.PARTS):  # else the days are those of another part
        history = f"{row['effective_days']:.0f} d of history where {row['warm_up_days']} d are needed"
    return told.replace("insufficient_history", f"insufficient history ({history})").replace("_", " ")


def _plain(value: object) -> object:
    """A value as JSON has it: Decimal as number, NaN as None."""
    if isinstance(value, Decimal):
        return float(value)
    return None if isinstance(value, float) and value != value else value


def _latest_as_of(connection: "duckdb.DuckDBPyConnection") -> datetime | None:
    latest = connection.execute("select max(as_of) from market_hourly").fetchone()[0]
    return latest and latest.replace(tzinfo=UTC)


def _market_rows(connection: "duckdb.DuckDBPyConnection", as_of: datetime) -> list[dict]:
    """Rows of market_hourly at one hour: ALL first, then by open interest."""
    rows = _records(connection, f"select * from market_hourly where as_of = {_stamp(as_of)}")
    return sorted(rows, key=lambda row: (row["asset"] != ALL, -(row["open_interest_usd"] or 0), row["asset"]))


def _known(connection: "duckdb.DuckDBPyConnection", as_of: datetime) -> Known:
    ends = ", ".join(_stamp(as_of - timedelta(hours=hours)) for hours in (0, *WINDOW_HOURS.values()))
    panels = _records(connection, f"select as_of, asset, panel from market_hourly where as_of in ({ends})")
    scores = _records(connection, f"select * from market_stress where as_of = {_stamp(as_of)}")
    watched = [row["asset"] for row in _records(connection, WATCHED)]
    known_since = "select asset, min(as_of) as at from market_hourly where open_interest_usd is not null group by asset"
    priced: dict[str, dict[datetime, set[str]]] = {}
    for row in _records(connection, PRICED.format(ends=ends)):
        for asset in (row["asset"], ALL):
            at = priced.setdefault(asset, {}).setdefault(row["ended_at"].replace(tzinfo=UTC), set())
            at.add(f"{row['exchange']}:{row['asset']}")
    return Known(
        as_of,
        rows={row["asset"]: row for row in _market_rows(connection, as_of)},
        scores={row["asset"]: row for row in scores},
        panels={(row["asset"], row["as_of"].replace(tzinfo=UTC)): set(row["panel"] or ()) for row in panels},
        watched=Counter([*watched, *([ALL] * len(watched))]),
        priced=priced,
        open_interest_since={row["asset"]: row["at"].replace(tzinfo=UTC) for row in _records(connection, known_since)},
        feeds=_feeds(connection, as_of),
    )


# --- coverage -------------------------------------------------------------------------------------

# The marts of a day hold a row for every exchange and asset that is watched.
WATCHED = """
select distinct exchange, asset from liquidations_daily
where period_start_date = (select max(period_start_date) from liquidations_daily)
"""

LISTED = """
select exchange, symbol, asset from instruments
union
select exchange, symbol, split_part(symbol, '/', 1) as asset from coverage
where (exchange, symbol) not in (select (exchange, symbol) from instruments)
"""

PRICED = f"""
select candles.exchange, listed.asset, candles.opened_at + interval 1 hour as ended_at
from candles join ({LISTED}) as listed using (exchange, symbol)
join ({WATCHED}) as watched using (exchange, asset)
where candles.opened_at + interval 1 hour in ({{ends}}) and candles.close is not null
"""

# Of the trailing hours of all watched assets of an exchange, the share that was observed. Daily marts tell it by day,
# so the first day counts with its own share for the hours that are inside.
OBSERVED = {
    "daily": """
select sum(observed_ratio * date_diff('hour', greatest(period_start_date::timestamp, {start}),
    least(period_start_date::timestamp + interval 1 day, {end}))) / ({hours} * {watched})
from {table}
where exchange = {exchange} and period_start_date::timestamp > {start} - interval 1 day
    and period_start_date::timestamp < {end}
""",
    "candles": """
select count(distinct (symbol, opened_at)) / ({hours} * {watched})
from candles
where exchange = {exchange} and symbol in ({symbols}) and opened_at >= {start} and opened_at < {end}
""",
    # A settlement stands for the hours until the next is due, and one more.
    "funding_rates": """
select count(distinct (symbol, hour_at)) / ({hours} * {watched})
from (
    select symbol, unnest(range(
        date_trunc('hour', funded_at + interval 30 minute),
        date_trunc('hour', funded_at + interval 30 minute) + to_hours(cast(coalesce(interval_hours, 8) + 1 as bigint)),
        interval 1 hour
    )) as hour_at
    from funding_rates
    where exchange = {exchange} and symbol in ({symbols}) and funded_at >= {start} - interval 1 day
)
where hour_at >= {start} and hour_at < {end}
""",
}

# Instrument-hours by the best state of any receipt. A feed that the exchange doesn't serve explains nothing where
# another one may answer, unless it was imported.
RECEIPTS = """
with hours as (
    select symbol, unnest(range(
        date_trunc('hour', greatest(start_at, {start}) + interval 1 hour - interval 1 microsecond),
        date_trunc('hour', least(end_at, {end})),
        interval 1 hour
    )) as hour_at,
    struct_pack(
        severity := list_position(['complete', 'partial', 'failed', 'unavailable'], state),
        place := list_position([{datasets}], dataset),
        state := state,
        reason := coalesce(reason, state)
    ) as told
    from coverage
    where exchange = {exchange} and dataset in ({datasets}) and symbol in ({symbols})
        and (state = 'complete' or dataset in ({served})) and end_at > {start} and start_at < {end}
),
best as (select symbol, hour_at, min(told) as told from hours group by all)
select told.state as state, told.reason as reason, count(*) as instrument_hours
from best group by all order by instrument_hours desc, reason
"""


def _feeds(connection: "duckdb.DuckDBPyConnection", as_of: datetime) -> list[dict]:
    """What was observed of every exchange and dataset in the trailing 30 d, and what wasn't and why.

    exchange, dataset, observed_ratio, completeness (of liquidations: the feed's nature), is_lower_bound, query (gives
    observed_ratio), gaps: [{state, reason, instrument_hours}], the widest first.
    """
    watched: dict[str, set[str]] = {}
    for row in _records(connection, WATCHED):
        watched.setdefault(row["exchange"], set()).add(row["asset"])
    symbols: dict[str, list[str]] = {}
    for row in _records(connection, f"{LISTED} order by all"):
        if row["asset"] in watched.get(row["exchange"], ()):
            symbols.setdefault(row["exchange"], []).append(row["symbol"])
    feeds = []
    for exchange, assets in sorted(watched.items()):
        for dataset in DATASET_WORDS:
            terms = {
                "exchange": _text(exchange),
                "symbols": ", ".join(map(_text, symbols.get(exchange, []))) or "''",
                "start": _stamp(as_of - timedelta(hours=COVERAGE_HOURS)),
                "end": _stamp(as_of),
                "hours": COVERAGE_HOURS,
                "watched": len(assets),
                "table": f"{dataset}_daily",
                "datasets": ", ".join(map(_text, DATASET_FEEDS[dataset])),
                "served": ", ".join(map(_text, _served(exchange, dataset))),
            }
            query = " ".join(OBSERVED.get(dataset, OBSERVED["daily"]).format(**terms).split())
            ratio = min(_plain(connection.execute(query).fetchone()[0]) or 0.0, 1.0)
            natures = _natures(connection, terms) if dataset == "liquidations" else []
            feeds.append(
                {
                    "exchange": exchange,
                    "dataset": dataset,
                    "observed_ratio": ratio,
                    "completeness": " and ".join(natures) or ("missing" if ratio == 0 else None),
                    "is_lower_bound": "sampled" in natures,
                    "gaps": _gaps(connection, terms, exchange, _served(exchange, dataset), ratio) if ratio < 1 else [],
                    "table": terms["table"] if dataset in ("liquidations", "open_interest") else dataset,
                    "query": query,
                }
            )
    return feeds


def _natures(connection: "duckdb.DuckDBPyConnection", terms: dict) -> list[str]:
    query = """
    select distinct completeness from liquidations_daily
    where exchange = {exchange} and completeness <> 'missing'
        and period_start_date::timestamp > {start} - interval 1 day and period_start_date::timestamp < {end}
    order by 1
    """
    return [row["completeness"] for row in _records(connection, query.format(**terms))]


def _gaps(
    connection: "duckdb.DuckDBPyConnection", terms: dict, exchange: str, feeds: list[str], ratio: float
) -> list[dict]:
    rows = _records(connection, RECEIPTS.format(**terms))
    gaps = [row for row in rows if row["state"] != "complete"]
    hours, explained = (sum(row["instrument_hours"] for row in told) for told in (rows, gaps))
    # Rows may be there without a receipt, so silence is no more than what is missing and not explained.
    missing = round((1 - ratio) * COVERAGE_HOURS * terms["watched"])
    silent = min(COVERAGE_HOURS * terms["watched"] - hours, missing - explained)
    if silent > 0:
        gaps.append({"state": "no receipt", "reason": _silence(exchange, feeds[0]), "instrument_hours": silent})
    if not gaps:
        gaps.append({"state": "absent", "reason": "asked, but the exchange gave no row", "instrument_hours": None})
    return sorted(gaps, key=lambda gap: -(gap["instrument_hours"] or 0))


def _served(exchange: str, dataset: str) -> list[str]:
    """The feeds that an exchange serves of a dataset, or all that there might be where it serves none."""
    feeds = declared()[exchange].feeds
    return [feed for feed in DATASET_FEEDS[dataset] if feeds[feed].served] or list(DATASET_FEEDS[dataset])


def _silence(exchange: str, dataset: str) -> str:
    """Why there is no receipt: the exchange doesn't serve it, or nobody asked."""
    feed = declared()[exchange].feeds[dataset]
    return feed.note if not feed.served else f"{dataset.replace('_', ' ')} were not fetched for these hours"


def _warnings(brief: dict) -> list[str]:
    """What a reader must know before any figure, the gravest first."""
    if not brief["as_of"]:
        return ["The warehouse holds no hour yet: run `market-stress backfill`, then `market-stress refresh`."]
    warnings = []
    if brief["lag_hours"] > LATE_HOURS:
        warnings.append(f"The figures are old: their hour is {Told(brief).lag()}.")
    feeds = [feed for feed in brief["coverage"]["feeds"] if feed["dataset"] == "liquidations"]
    absent = [feed["exchange"] for feed in feeds if feed["observed_ratio"] == 0]
    partial = [feed for feed in feeds if 0 < feed["observed_ratio"] < 1]
    sampled = [feed["exchange"] for feed in feeds if feed["is_lower_bound"]]
    if feeds and len(absent) == len(feeds):
        warnings.append("No liquidations were observed in the last 30 d: they are missing, which is not zero.")
    elif absent:
        warnings.append(
            f"Liquidations of {_and(absent)} were not observed in the last 30 d and are missing from every sum."
        )
    if partial:
        told = _and([f"{feed['exchange']} ({share_text(feed['observed_ratio'])} of the last 30 d)" for feed in partial])
        warnings.append(f"Liquidations were observed in part on {told}: sums that reach into a gap are lower bounds.")
    if sampled:
        warnings.append(
            f"Liquidations of {_and(sampled)} are sampled (throttled by the exchange): "
            "every sum that holds them is a lower bound."
        )
    score = next((f for f in brief["figures"] if (f["name"], f["asset"]) == ("score", ALL)), None)
    if score and score["value"] is None:
        warnings.append(f"There is no stress score: {score['reason']}.")
    return warnings


# --- words ----------------------------------------------------------------------------------------


class Told:
    """A brief in words: `told(name, asset)` is a figure as people read it."""

    def __init__(self, brief: dict) -> None:
        self.brief = brief
        self.by_key = {(figure["name"], figure["asset"]): figure for figure in brief["figures"]}

    def __call__(self, name: str, asset: str) -> str:
        return figure_text(self.by_key[name, asset]) if (name, asset) in self.by_key else NO_DATA

    def value(self, name: str, asset: str) -> object:
        return self.by_key.get((name, asset), {}).get("value")

    def completeness(self, name: str, asset: str) -> str:
        return self.by_key[name, asset]["completeness"]["text"] if (name, asset) in self.by_key else NO_DATA

    def effect(self, name: str, asset: str) -> str:
        """An effect in points where the warehouse knows what it started from, else in USD."""
        return self(f"{name}_ratio" if (f"{name}_ratio", asset) in self.by_key else f"{name}_usd", asset)

    def lag(self) -> str:
        hours = self.brief["lag_hours"]
        if abs(hours) < 1:
            return f"{hours * 60:.0f} min before the brief was written"
        return (
            f"{hours:.0f} h before the brief was written"
            if hours < 48
            else f"{hours / 24:.1f} d before the brief was written"
        )


def figure_text(figure: dict) -> str:
    """The figure's value with its unit: `237.0 M USD`, `\u22124.4 %`, `no data`."""
    value, unit, name = figure["value"], figure["unit"], figure["name"]
    if value is None:
        return NO_DATA
    is_change = "change" in name or "effect" in name or "return" in name
    match unit:
        case "USD":
            return f"{amount_text(value, is_signed=is_change)}{THIN}USD"
        case "USD per coin":
            return f"{price_text(value)}{THIN}USD"
        case "ratio":
            return f"{_signed(100 * value, 2 if name.startswith('return') else 1, is_change)}{THIN}%"
        case "points" | "rank":
            return f"{value:.2f}"
        case "days":
            return f"{value:,.0f}{THIN}d"
        case "UTC":
            return moment_text(value)
    return str(value)


def amount_text(value: float, *, is_signed: bool = False) -> str:
    """A large number by its size: 92.70 B, 237.0 M, 12.3 k, 940."""
    for size, letter, decimals in ((1e9, "B", 2), (1e6, "M", 1), (1e3, "k", 1)):
        if abs(value) >= size:
            return f"{_signed(value / size, decimals, is_signed)}{THIN}{letter}"
    return _signed(value, 0, is_signed)


def price_text(value: float) -> str:
    """A price with about five digits, whatever its size."""
    return f"{value:,.0f}" if value >= 10_000 else f"{value:,.2f}" if value >= 10 else f"{value:.5g}"


def share_text(ratio: float) -> str:
    """A share in percent that says 100 only of all and 0 only of nothing."""
    if ratio in (0, 1):
        return f"{ratio:.0%}".replace("%", f"{THIN}%")
    percent = min(max(round(100 * ratio, 1), 0.1), 99.9)
    return f"{percent:.0f}{THIN}%" if 1 <= percent <= 99 else f"{percent:.1f}{THIN}%"


def moment_text(iso: str) -> str:
    return f"{iso[:10]} {iso[11:16]} UTC"


def _signed(value: float, decimals: int, is_signed: bool) -> str:
    text = f"{abs(value):,.{decimals}f}"
    if not text.strip("0.,"):
        return text  # no sign before what rounds to nothing
    return f"\u2212{text}" if value < 0 else f"+{text}" if is_signed else text


def _unbroken(text: str) -> str:
    """Keeps `24 h` on one line."""
    return re.sub(r"(\d) (?=[hd]\b)", "\\1\u00a0", text)


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


# --- charts ---------------------------------------------------------------------------------------

# Light and dark. In the page every light colour becomes a CSS variable, so a drawing follows the reader's scheme.
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
PLAIN_GAP = "#ece8e0"  # an image knows no hatching
LIGHT = {name: light for name, (light, _) in COLOURS.items()}
PART_COLOURS = dict(
    zip(
        stress.PARTS,
        (LIGHT[name] for name in ("long", "position", "price", "volatility", "funding", "breadth")),
        strict=True,
    )
)
EFFECTS = {"price": "price", "position": "position", "listing": "listing", "coverage": "gap"}
PLOT_WIDTH, IMAGE_PLOT_WIDTH, NARROW_PLOT_WIDTH = 880, 640, 300


def _drawings(connection: "duckdb.DuckDBPyConnection", as_of: datetime, lead: str | None, simulated: bool) -> dict:
    """Every chart as inline SVG: name -> (wide, narrow); nothing without a market."""
    if lead is None:
        return {}
    drawings = {}
    for name, chart in CHARTS.items():
        spec = _spec(chart(connection, as_of, lead, simulated), background="transparent")
        narrow = _resized(spec, NARROW_PLOT_WIDTH) | {
            "config": spec["config"] | {"legend": spec["config"]["legend"] | {"columns": 3}}
        }
        drawings[name] = (_svg(spec, name), _svg(narrow, name))
    return drawings


def _liquidations_chart(
    connection: "duckdb.DuckDBPyConnection", as_of: datetime, lead: str, simulated: bool
) -> "altair.VConcatChart":
    """Longs up, shorts down, by day; a day without any observation is a gap and no zero."""
    import altair as alt

    days = _by_day(
        connection, as_of,
        """
        select period_start_date, avg(observed_ratio) as observed_ratio,
            cast(sum(long_usd) as double) as long_usd, cast(sum(short_usd) as double) as short_usd
        from liquidations_daily group by period_start_date
        """,
    )  # fmt: skip
    size, letter = _size(days[["long_usd", "short_usd"]].max().max())
    days["told"] = [
        f"{day.day:%a %-d %b %Y}: "
        + (
            "not observed"
            if day.long_usd != day.long_usd
            else f"longs {amount_text(day.long_usd)}, shorts {amount_text(day.short_usd)} USD; "
            f"observed {share_text(day.observed_ratio)}"
        )
        for day in days.itertuples()
    ]
    bars = days.melt(["start_at", "end_at"], ["long_usd", "short_usd"], "side", "usd").dropna()
    bars["usd"] = bars["usd"].where(bars["side"] == "long_usd", -bars["usd"]) / size
    bars["side"] = bars["side"].map({"long_usd": "longs", "short_usd": "shorts"})
    height, x = 230, _time(as_of, labels=False)
    axis = alt.Axis(labelExpr="format(abs(datum.value), '~g')")
    drawn = alt.layer(
        _gaps_layer(days[days["long_usd"].isna()], x, height),
        alt.Chart(_stacked(bars, "usd")).mark_rect().encode(
            x, x2="end_at:T", y=alt.Y("low:Q", title=f"{letter} USD a day".strip(), axis=axis), y2="high:Q",
            color=alt.Color("side:N", scale=_scale({"longs": LIGHT["long"], "shorts": LIGHT["short"]}), title=None),
        ),
        alt.Chart(days.head(1)).mark_rule(color=LIGHT["muted"]).encode(y=alt.datum(0)),
        _tips(days, x, height),
    ).properties(width=PLOT_WIDTH, height=height)  # fmt: skip
    title = "Liquidations by side, all assets"
    return _stack(title, simulated, drawn, _observed_strip(days, as_of))


def _open_interest_chart(
    connection: "duckdb.DuckDBPyConnection", as_of: datetime, lead: str, simulated: bool
) -> "altair.VConcatChart":
    """Open interest of ALL and the lead asset, and under it what each day's change consists of."""
    import altair as alt

    assets = list(dict.fromkeys((ALL, lead)))
    effects = [f"{effect}_effect_usd" for effect in EFFECTS]
    days = {
        asset: _by_day(
            connection, as_of,
            f"""
            select period_start_date, cast(open_interest_usd as double) as usd,
                cast(change_usd as double) as change_usd,
                {", ".join(f"cast({effect} as double) as {effect}" for effect in effects)}
            from market_daily where asset = {_text(asset)}
            """,
        )
        for asset in assets
    }  # fmt: skip
    import pandas as pd

    levels = pd.concat([frame.assign(asset=asset) for asset, frame in days.items()])
    size, letter = _size(levels["usd"].max())
    levels["told"] = [
        f"{day.day:%a %-d %b %Y}, {day.asset}: "
        + (
            "not observed"
            if day.usd != day.usd
            else f"{amount_text(day.usd)} USD"
            + (
                ""
                if day.change_usd != day.change_usd
                else f", change {amount_text(day.change_usd, is_signed=True)}: "
                + ", ".join(
                    f"{effect} {amount_text(getattr(day, f'{effect}_effect_usd'), is_signed=True)}"
                    for effect in EFFECTS
                )
            )
        )
        for day in levels.itertuples()
    ]
    levels["usd"] /= size
    x_hidden, x_end = _time(as_of, labels=False), _time(as_of, labels=False, field="end_at")
    colours = {asset: LIGHT[colour] for asset, colour in zip(assets, ("ink", "lead"), strict=False)}
    whole = levels[levels["asset"] == ALL]
    top = alt.layer(
        _gaps_layer(whole[whole["usd"].isna()], x_hidden, 170),
        alt.Chart(levels).mark_line(strokeWidth=2, invalid="break-paths-show-domains").encode(
            x_end, y=alt.Y("usd:Q", title=f"{letter} USD", scale=alt.Scale(zero=True)),
            color=alt.Color(
                "asset:N", scale=_scale(colours), legend=alt.Legend(symbolType="stroke", symbolStrokeWidth=2)
            ),
        ),
        _tips(whole, x_hidden, 170),
    ).properties(width=PLOT_WIDTH, height=170)  # fmt: skip
    charts = [top]
    for asset in assets:
        frame = levels[levels["asset"] == asset]
        bars = frame.melt(["start_at", "end_at"], effects, "effect", "change").dropna()
        bars = bars[bars["change"] != 0]
        # What comes into observation may be as large as the market: the axis is for what moved, and the rest is cut.
        moved = bars[bars["effect"] != "coverage_effect_usd"]
        reach = moved.groupby(["start_at", moved["change"] < 0])["change"].sum().abs().max()
        size, letter = _size(reach)
        bars["change"] /= size
        scale = alt.Scale(domain=[-1.1 * reach / size, 1.1 * reach / size]) if reach > 0 else alt.Scale()
        bars["effect"] = bars["effect"].str.removesuffix("_effect_usd")
        x, height = _time(as_of, labels=asset == assets[-1]), 110
        charts.append(
            alt.layer(
                _gaps_layer(frame[frame["change_usd"].isna()], x, height),
                alt.Chart(_stacked(bars, "change")).mark_rect(clip=True).encode(
                    x, x2="end_at:T", y2="high:Q",
                    y=alt.Y("low:Q", title=f"{asset}, {letter} USD", scale=scale, axis=alt.Axis(tickCount=4)),
                    color=alt.Color(
                        "effect:N", scale=_scale({name: LIGHT[colour] for name, colour in EFFECTS.items()}),
                        legend=alt.Legend(columns=4) if asset == ALL else None,
                    ),
                ),
                alt.Chart(frame.head(1)).mark_rule(color=LIGHT["muted"]).encode(y=alt.datum(0)),
                _tips(frame, x, height),
            ).properties(width=PLOT_WIDTH, height=height)
        )  # fmt: skip
    title = "Open interest and its daily change"
    return _stack(title, simulated, *charts, spacing=30)


def _score_chart(
    connection: "duckdb.DuckDBPyConnection", as_of: datetime, lead: str, simulated: bool
) -> "altair.VConcatChart":
    """The score of ALL by hour over its contributions at each day's end, with thresholds and regime."""
    import altair as alt
    import pandas as pd

    start = as_of - timedelta(days=CHART_DAYS)
    hours = connection.execute(
        f"select * from market_stress where asset = '{ALL}' and as_of >= {_stamp(start)} order by as_of"
    ).df()
    hours["end_at"] = pd.to_datetime(hours["as_of"], utc=True)
    for column in ("score", "score_low", "score_high", *(f"{part}_contribution" for part in stress.PARTS)):
        hours[column] = hours[column].astype("float64")
    ends = hours[(hours["end_at"].dt.hour == 0) | (hours["end_at"] == as_of)]
    spine = _days(as_of)
    days = spine.merge(ends, on="end_at", how="left")
    days["told"] = [
        f"{day.end_at:%a %-d %b %Y %H:%M} UTC: "
        + (
            f"{day.score:.2f}, {day.regime} ("
            + ", ".join(f"{PART_WORDS[part]} {getattr(day, f'{part}_contribution'):.2f}" for part in stress.PARTS)
            + ")"
            if day.score == day.score
            else f"no score, between {day.score_low:.0f} and {day.score_high:.0f}; {day.reason}".replace("_", " ")
            if day.score_low == day.score_low
            else "no score"
        ).replace("nan", "not known")
        for day in days.itertuples()
    ]
    contributions = {f"{part}_contribution": words for part, words in PART_WORDS.items()}
    bars = days[days["score"].notna()].melt(["start_at", "end_at"], list(contributions), "part", "points").dropna()
    bars["part"] = bars["part"].map(contributions)
    missing = days[days["score"].isna()]
    bands = pd.DataFrame({"regime": list(stress.REGIMES), "low": list(stress.REGIMES.values())})
    bands["high"] = [*bands["low"].iloc[1:], 100]
    x, height = _time(as_of, labels=False), 230
    y_scale = alt.Scale(domain=[0, 100], nice=False)
    band_colours = _scale({regime: LIGHT[regime] for regime in stress.REGIMES})
    colours = {words: PART_COLOURS[part] for part, words in PART_WORDS.items()}
    drawn = alt.layer(
        alt.Chart(bands).mark_rect().encode(
            y=alt.Y("low:Q", scale=y_scale, title="points", axis=alt.Axis(values=[*stress.REGIMES.values(), 100])),
            y2="high:Q", color=alt.Color("regime:N", scale=band_colours, legend=None),
        ),
        _gaps_layer(missing, x, height),
        alt.Chart(_stacked(bars, "points")).mark_rect(opacity=0.85).encode(
            x, x2="end_at:T", y=alt.Y("low:Q", scale=y_scale), y2="high:Q",
            color=alt.Color("part:N", scale=_scale(colours), title=None),
        ),
        alt.Chart(missing.dropna(subset="score_low")).mark_rect(color=LIGHT["muted"]).encode(
            x, x2="end_at:T", y=alt.Y("score_low:Q", scale=y_scale), y2="score_high:Q", opacity=alt.value(0.35),
        ),
        alt.Chart(hours[["end_at", "score"]]).mark_line(
            color=LIGHT["ink"], strokeWidth=1.2, invalid="break-paths-show-domains"
        ).encode(_time(as_of, labels=False, field="end_at"), y=alt.Y("score:Q", scale=y_scale)),
        alt.Chart(bands).mark_text(
            align="left", baseline="bottom", dx=4, color=LIGHT["muted"], fontSize=10
        ).encode(x=alt.value("width"), y=alt.Y("low:Q", scale=y_scale), text="regime:N"),
        _tips(days, x, height),
    ).resolve_scale(color="independent").properties(width=PLOT_WIDTH, height=height)  # fmt: skip

    hours["regime"] = hours["regime"].astype("object").where(hours["regime"].notna(), None)
    runs = (hours["regime"] != hours["regime"].shift()).cumsum()
    states = hours.groupby(runs.to_numpy()).agg(
        regime=("regime", "first"), start_at=("end_at", "first"), end_at=("end_at", "last")
    )
    states["start_at"] -= pd.Timedelta(hours=1)
    states["start_at"] = states["start_at"].clip(lower=pd.Timestamp(start))
    states = states[states["regime"].notna()]
    state_colours = _scale({regime: LIGHT[f"{regime}-state"] for regime in stress.REGIMES})
    x = _time(as_of, labels=True)
    strip = alt.layer(
        _gaps_layer(missing, x, 10),
        alt.Chart(states).mark_rect().encode(
            x, x2="end_at:T", color=alt.Color("regime:N", scale=state_colours, legend=None)
        ),
    ).properties(width=PLOT_WIDTH, height=10)  # fmt: skip
    title = "Stress score, all assets"
    return _stack(title, simulated, drawn, strip).resolve_scale(color="independent")


CHARTS = {"liquidations": _liquidations_chart, "open_interest": _open_interest_chart, "score": _score_chart}


def _blank_chart() -> "altair.VConcatChart":
    import altair as alt

    return alt.vconcat(alt.Chart(alt.Data(values=[{}]), height=60).mark_text(text=NO_DATA, fontSize=14))


def _days(as_of: datetime) -> "pd.DataFrame":
    """day, start_at, end_at (UTC) of the last days; the day at hand ends at the as-of hour."""
    import pandas as pd

    last = pd.Timestamp(as_of - timedelta(hours=1)).floor("D")
    starts = pd.date_range(end=last, periods=CHART_DAYS, freq="D")
    days = pd.DataFrame({"day": starts, "start_at": starts, "end_at": starts + pd.Timedelta(days=1)})
    days["end_at"] = days["end_at"].clip(upper=pd.Timestamp(as_of))
    return days


def _by_day(connection: "duckdb.DuckDBPyConnection", as_of: datetime, query: str) -> "pd.DataFrame":
    """`_days` with the columns of a query by period_start_date; NaN where it has no row."""
    import pandas as pd

    rows = connection.execute(query).df()
    rows["day"] = pd.to_datetime(rows.pop("period_start_date")).dt.tz_localize("UTC").astype("datetime64[us, UTC]")
    days = _days(as_of)
    return days.assign(day=days["day"].astype("datetime64[us, UTC]")).merge(rows, on="day", how="left")


def _stacked(bars: "pd.DataFrame", amount: str) -> "pd.DataFrame":
    """low and high of every bar when those of a day stand on one another, negative ones hanging from zero."""
    high = bars.groupby(["start_at", bars[amount] < 0])[amount].cumsum()
    return bars.assign(high=high, low=high - bars[amount])


def _time(as_of: datetime, *, labels: bool, field: str = "start_at") -> "altair.X":
    import altair as alt

    days = _days(as_of)
    ends = [int(days["start_at"].min().timestamp() * 1000), int(as_of.timestamp() * 1000)]
    axis = alt.Axis(
        format="%-d %b", tickCount=8, grid=False, title=None, labels=labels, ticks=labels,
        domain=labels,
    )  # fmt: skip
    return alt.X(f"{field}:T", scale=alt.Scale(type="utc", domain=ends, nice=False), axis=axis)


def _gaps_layer(days: "pd.DataFrame", x: "altair.X", height: int) -> "altair.Chart":
    import altair as alt

    base = alt.Chart(days[["start_at", "end_at"]]).mark_rect(color=LIGHT["gap"])
    return base.encode(x, x2="end_at:T", y=alt.value(0), y2=alt.value(height))


def _tips(days: "pd.DataFrame", x: "altair.X", height: int) -> "altair.Chart":
    """A see-through column a day that says its figures to whoever points at it."""
    import altair as alt

    base = alt.Chart(days[["start_at", "end_at", "told"]]).mark_rect(opacity=0, aria=True)
    return base.encode(x, x2="end_at:T", y=alt.value(0), y2=alt.value(height), description="told:N")


def _observed_strip(days: "pd.DataFrame", as_of: datetime) -> "altair.LayerChart":
    """Under the bars: how much of each day was observed, from hatched (nothing) to solid (all)."""
    import altair as alt

    x, seen = _time(as_of, labels=True), days.fillna({"observed_ratio": 0.0})
    shade = alt.Opacity("observed_ratio:Q", scale=alt.Scale(domain=[0, 1], range=[0.05, 1]), legend=None)
    return alt.layer(
        _gaps_layer(days[days["long_usd"].isna()], x, 8),
        alt.Chart(seen[["start_at", "end_at", "observed_ratio"]]).mark_rect(color=LIGHT["muted"]).encode(
            x, x2="end_at:T", opacity=shade, y=alt.value(0), y2=alt.value(8)
        ),
    ).properties(width=PLOT_WIDTH, height=8, title=alt.TitleParams(
        "observed share of each day", orient="bottom", anchor="start", fontSize=10, fontWeight="normal",
        color=LIGHT["muted"], offset=4,
    ))  # fmt: skip


def _stack(title: str, simulated: bool, *charts: "altair.LayerChart", spacing: int = 8) -> "altair.VConcatChart":
    import altair as alt

    shown = alt.TitleParams(
        f"SIMULATED \u00b7 {title}" if simulated else title, subtitle=f"last {CHART_DAYS} days, UTC", anchor="start"
    )
    return alt.vconcat(*charts, spacing=spacing, title=shown, bounds="flush").resolve_scale(color="independent")


def _scale(colours: dict[str, str]) -> "altair.Scale":
    import altair as alt

    return alt.Scale(domain=list(colours), range=list(colours.values()))


def _size(largest: float) -> tuple[float, str]:
    """What to divide an axis by, and the letter that says so."""
    return next(((size, letter) for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")) if largest >= size), (1, ""))


def _style(background: str) -> dict:
    ink, muted, line = LIGHT["ink"], LIGHT["muted"], LIGHT["line"]
    return {
        "background": background,
        "font": "sans-serif",
        "padding": {"left": 4, "right": 8, "top": 4, "bottom": 4},
        "view": {"stroke": None},
        "mark": {"aria": False},
        "axis": {
            "aria": False, "domainColor": line, "gridColor": line, "tickColor": line, "labelColor": muted,
            "titleColor": muted, "titleFontWeight": "normal", "labelFontSize": 11, "titleFontSize": 11,
        },
        "axisY": {"domain": False, "ticks": False, "minExtent": 34, "maxExtent": 34, "tickCount": 5},
        "legend": {
            "aria": False, "orient": "top", "direction": "horizontal", "labelColor": ink, "labelFontSize": 11,
            "symbolType": "square", "symbolStrokeWidth": 0, "columns": 6, "offset": 4, "title": None,
        },
        "title": {
            "color": ink, "fontSize": 13, "fontWeight": 600, "offset": 8,
            "subtitleColor": muted, "subtitleFontSize": 11,
        },
    }  # fmt: skip


def _spec(chart: "altair.VConcatChart", background: str) -> dict:
    return chart.configure(**_style(background)).to_dict(validate=False)


def _resized(spec: dict, plot_width: int) -> dict:
    return spec | {"vconcat": [part | {"width": plot_width} for part in spec["vconcat"]]}


def _squeezed(png: bytes) -> bytes:
    """The same image packed as densely as PNG can: its maker packs for speed, six times larger."""
    chunks, at, packed = [], 8, b""
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        body = png[at + 8 : at + 8 + length]
        at += 12 + length
        if kind == b"IDAT":
            packed += body
        elif kind == b"IEND":
            chunks.append((b"IDAT", zlib.compress(zlib.decompress(packed), 9)))
        if kind != b"IDAT":
            chunks.append((kind, body))
    return png[:8] + b"".join(
        struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def _svg(spec: dict, name: str) -> str:
    """The chart as an SVG element of the page: its colours are CSS variables, its descriptions tool tips."""
    import vl_convert

    svg = vl_convert.vegalite_to_svg(spec)
    svg = re.sub(
        r'<path aria-label="([^"]*)"[^>]*? d="([^"]*)"[^>]*?/?>(?:</path>)?',
        r'<path d="\2" fill="transparent"><title>\1</title></path>',
        svg,
    )
    svg = re.sub(r' (?:role|aria-[a-z]+|pointer-events|stroke-miterlimit|xmlns:xlink)="[^"]*"', "", svg)
    svg = re.sub(r'<path class="(?:background|foreground)"[^>]*/?>(?:</path>)?', "", svg)
    for colour, (light, _) in COLOURS.items():
        svg = svg.replace(f'"{light}"', '"url(#gap)"' if colour == "gap" else f'"var(--{colour})"')
    return svg.replace("<svg ", f'<svg role="img" aria-labelledby="about-{name}" ', 1)


# --- page -----------------------------------------------------------------------------------------

SECTIONS = {
    "score": ("Stress score", [
        ("Score, bounds and contributions in points of 100", [
            "score", "score_low", "score_high", "regime", *(f"{part}_contribution" for part in stress.PARTS),
            "effective_days", "warm_up_days",
        ]),
        ("Ranks among earlier hours, 0 to 1", [f"{part}_rank" for part in stress.PARTS]),
    ]),
    "liquidations": ("Liquidations", [("USD", [measure.name for measure in MEASURES["liquidations"]])]),
    "open_interest": ("Open interest", [
        ("One side of every contract, USD; changes on the instruments observed at both ends",
         [measure.name for measure in MEASURES["open_interest"]]),
        ("What the change consists of: the market's move of the price, and positions opened less closed, USD and "
         "points of the open interest at the start", [measure.name for measure in MEASURES["split"]]),
    ]),
    "prices": ("Prices", [("Median over exchanges; the change of ALL is weighted by open interest",
                           [measure.name for measure in MEASURES["prices"]])]),
}  # fmt: skip
ABOUT_CHARTS = {
    "score": "Bars: contributions at the end of each UTC day. Line: the score by hour. Bands: where regimes begin. "
    "Strip: the regime in force, which is left after 48 hours below. Grey: the bounds where there is no score.",
    "liquidations": "Longs up, shorts down. Hatched: not observed, which is not zero. The strip tells how much of each "
    "day was observed; a paler day is a lower bound.",
    "open_interest": "Lines: the end of each UTC day. Bars: the day's change by price, by positions, by listings, and "
    "by what came into or fell out of observation (hatched, cut at the frame), which is no deleveraging.",
}


def _page(brief: dict, drawings: dict[str, tuple[str, str]]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"shown": figure_text, "cell": _cell_text, "share": share_text, "moment": moment_text}
    environment.filters["unbroken"] = _unbroken
    return environment.get_template("brief.html.j2").render(
        brief=brief,
        told=Told(brief),
        tiles=_tiles(brief),
        sections=[
            {"name": name, "title": title, "tables": [_table(brief, caption, names) for caption, names in tables]}
            for name, (title, tables) in SECTIONS.items()
        ],
        drawings={name: [Markup(svg) for svg in pair] for name, pair in drawings.items()},
        about_charts=ABOUT_CHARTS,
        matrix=_matrix(brief),
        dataset_words=DATASET_WORDS,
        colours=COLOURS,
        summary=_summary(brief),
    )


def _tiles(brief: dict) -> list[dict]:
    """The figures that come first: {title, asset, figure, beside: [figure]}."""
    lead, told = brief["lead_asset"], Told(brief)
    wanted = [
        ("Stress score", ALL, "score", [("regime", ALL), ("score_low", ALL), ("score_high", ALL)]),
        ("Longs liquidated, 24 h", lead, "long_usd_24h", [("short_usd_24h", lead), ("worst_hour_usd_24h", lead)]),
        ("Liquidations, 7 d", lead, "total_usd_7d", [("total_usd_7d", ALL)]),
        ("Liquidations, 30 d", lead, "total_usd_30d", [("total_usd_30d", ALL)]),
        ("Open interest, 24 h", ALL, "open_interest_change_24h_ratio",
         [("open_interest_usd", ALL), ("open_interest_change_24h_usd", ALL)]),
        ("Open interest, 28 d", ALL, "open_interest_change_28d_ratio",
         [("price_effect_28d_ratio", ALL), ("position_effect_28d_ratio", ALL)]),
        ("Open interest below peak", ALL, "fall_from_peak_all_ratio", [("peak_at", ALL)]),
        ("Price", lead, "price", [("return_24h_ratio", lead), ("return_7d_ratio", lead)]),
    ]  # fmt: skip
    return [
        {
            "title": title,
            "asset": asset,
            "figure": told.by_key[name, asset],
            "beside": [told.by_key[key] for key in beside if key in told.by_key],
        }
        for title, asset, name, beside in wanted
        if (name, asset) in told.by_key
    ]


def _table(brief: dict, caption: str, names: list[str]) -> dict:
    """Assets by measures, with the reasons of missing figures as numbered notes."""
    told = Told(brief)
    columns = [name for name in names if any((name, asset) in told.by_key for asset in brief["assets"])]
    rows = [{"asset": asset, "figures": [told.by_key[name, asset] for name in columns]} for asset in brief["assets"]]
    reasons = dict.fromkeys(figure["reason"] for row in rows for figure in row["figures"] if figure["reason"])
    return {
        "caption": caption,
        "labels": [_unbroken(figure["label"]) for figure in rows[0]["figures"]] if rows else [],
        "rows": rows,
        "notes": {reason: number for number, reason in enumerate(reasons, 1)},
    }


def _matrix(brief: dict) -> dict[str, dict[str, dict]]:
    """Coverage by exchange, then dataset."""
    matrix: dict[str, dict[str, dict]] = {}
    for feed in brief["coverage"]["feeds"]:
        matrix.setdefault(feed["exchange"], {})[feed["dataset"]] = feed
    return matrix


def _summary(brief: dict) -> str:
    """The brief in a few sentences; what is missing is left to the figures."""
    lead, told = brief["lead_asset"], Told(brief)
    sentences = []
    if told.value("price", lead) is not None:
        sentences.append(f"{lead} stands at {told('price', lead)} ({told('return_24h_ratio', lead)} in 24 h).")
    if told.value("long_usd_24h", lead) is not None:
        bound = "At least " if told.by_key["long_usd_24h", lead]["completeness"]["is_lower_bound"] else ""
        sentences.append(f"{bound}{told('long_usd_24h', lead)} of its longs were liquidated in these 24 h.")
    if told.value("open_interest_change_24h_ratio", ALL) is not None:
        change = f"Open interest changed by {told('open_interest_change_24h_ratio', ALL)} in 24 h"
        if told.value("open_interest_change_28d_ratio", ALL) is not None:
            change += f" and {told('open_interest_change_28d_ratio', ALL)} in 28 d"
        sentences.append(f"{change}.")
    if told.value("score", ALL) is not None:
        sentences.append(f"The stress score of the whole market is {told('score', ALL)} of 100: {told('regime', ALL)}.")
    return _unbroken(" ".join(sentences))


def _cell_text(figure: dict) -> str:
    """A figure in a table, whose caption names the unit."""
    return figure_text(figure).removesuffix(f"{THIN}USD").removesuffix(" UTC")


def _lead_asset(assets: Iterable[str]) -> str | None:
    """The asset that is told of first: BTC, else the largest, else ALL; None without a market."""
    names = [name for name in assets if name != ALL] or list(assets)
    return "BTC" if "BTC" in names else next(iter(names), None)


# --- small things ---------------------------------------------------------------------------------


def _records(connection: "duckdb.DuckDBPyConnection", query: str) -> list[dict]:
    answer = connection.execute(query)
    names = [column[0] for column in answer.description]
    return [dict(zip(names, map(_plain, row), strict=True)) for row in answer.fetchall()]


def _stamp(moment: datetime) -> str:
    return f"timestamp '{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}'"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _iso(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _replace(path: Path, text: str) -> None:
    """Readers find the old file or the new one, never half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
