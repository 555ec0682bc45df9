"""What can be claimed: one metric is one line of METRICS, with its unit, its windows and the SQL of its figure.

Here belongs how the marts are asked. What an answer is worth against a claim is the matter of `verdicts`.

In SQL, {window} and {hours} are the claim's window, {scope} its asset, holder or series and {as_of} its hour, the last
two as literals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from orchestration.lake.files import literal

ALL = "ALL"
NOW = "now"  # the window of what is neither a sum nor a change
HOURS = {NOW: 0, "24h": 24, "7d": 168, "28d": 672, "30d": 720, "90d": 2160, "all": 0}
LEVEL_DAYS = 30  # how far back a level may have held
CONTEXT = "context_daily"  # whose series are no scopes

UNITS = {  # of a claim: the unit of the metric that it fits, how many of those it is, and how it reads
    "usd": ("usd", 1.0, "USD"),
    "thousand_usd": ("usd", 1e3, "thousand USD"),
    "million_usd": ("usd", 1e6, "million USD"),
    "billion_usd": ("usd", 1e9, "billion USD"),
    "ratio": ("ratio", 1.0, ""),
    "percent": ("ratio", 0.01, "%"),
    "points": ("points", 1.0, "points"),
}


@dataclass(frozen=True)
class Source:
    """Where metrics of a kind are read: the row of `table` that meets `where` and `at`.

    `observed_ratio` and `is_lower_bound` say what a figure is worth, `why` why it is missing. `readings` are the scopes
    that a claim without one may mean. With `is_level`, a claim that was true at an earlier hour is stale.
    """

    table: str = "market_hourly"
    where: str = "asset = {scope}"
    at: str = "as_of = {as_of}"
    observed_ratio: str = "cast(figure is not null as integer)"
    is_lower_bound: str = "false"
    why: str | None = None
    readings: tuple[str, ...] = ("BTC", ALL)
    is_level: bool = False

    def scopes_in(self, known: Mapping[str, Sequence[str]] | None) -> Sequence[str] | None:
        """What may be its scope, by what is known of tables; None where anything may."""
        if self.table == CONTEXT:
            return self.readings
        return None if known is None else known.get(self.table)


@dataclass(frozen=True)
class Metric:
    """A figure that can be claimed: `figure` is SQL over the row of `source`, in `unit` (usd, ratio or points).

    `reported` is the column of liquidations_hourly that it sums, which bounds it from above where feeds are throttled;
    `base` what a change in USD started from; `detail` what has to be said beside the figure.
    """

    unit: str
    windows: tuple[str, ...]
    source: Source
    figure: str
    reported: str | None = None
    base: str | None = None
    detail: str | None = None

    def query(self, scope: str, window: str, unit: str, as_of: datetime) -> str:
        """One row: figure (in a unit of UNITS), observed_ratio, is_lower_bound, and what else a verdict rests on.

        That is base, detail and why; fully_reported and full_reporting_ratio are the sum of the exchanges that report
        every liquidation, and their share of the watched open interest. Sums are in the unit.
        """
        columns = {
            "figure": _scaled(self.figure, unit),
            "observed_ratio": self.source.observed_ratio,
            "is_lower_bound": self.source.is_lower_bound,
            "base": self.base and _scaled(self.base, unit),
            "detail": self.detail,
            "why": self.source.why,
            "fully_reported": self.reported and _scaled(FULLY_REPORTED.replace("{reported}", self.reported), unit),
            "full_reporting_ratio": self.reported and FULL_REPORTING_RATIO,
        }
        told = ", ".join(f"{expression} as {name}" for name, expression in columns.items() if expression)
        return f"select {told} from {self.source.table} where {self.source.where} and {self.source.at}".format(
            **_terms(scope, window, as_of)
        )

    def level_query(self, scope: str, window: str, unit: str, as_of: datetime) -> str:
        """as_of, figure and observed_ratio of every hour of the LEVEL_DAYS before, in order."""
        return (
            f"select as_of, {_scaled(self.figure, unit)} as figure, {self.source.observed_ratio} as observed_ratio "
            f"from {self.source.table} where {self.source.where} "
            f"and as_of >= {{as_of}} - interval {LEVEL_DAYS} day and as_of < {{as_of}} order by as_of"
        ).format(**_terms(scope, window, as_of))


def _scaled(figure: str, unit: str) -> str:
    size = UNITS[unit][1]
    return f"cast({figure} as double)" if size == 1 else f"({figure}) / {size:g}"


def _terms(scope: str, window: str, as_of: datetime) -> dict:
    hour = as_of.astimezone(UTC).replace(minute=0, second=0, microsecond=0)  # the last one that was over
    return {
        "scope": literal(scope),
        "window": window,
        "hours": HOURS[window],
        "as_of": f"timestamp '{hour:%Y-%m-%d %H:%M:%S}'",
    }


FULLY_REPORTED = (
    "(select sum({reported}) from liquidations_hourly where {scope} in (asset, 'ALL') and not is_lower_bound"
    " and hour_at >= {as_of} - interval {hours} hour and hour_at < {as_of})"
)
FULL_REPORTING_RATIO = (  # that of a row is over 24 h, so the mean of one row a day
    "(select avg(full_reporting_ratio) from market_hourly where asset = {scope} and as_of <= {as_of}"
    " and as_of > {as_of} - interval {hours} hour and extract(hour from as_of) = extract(hour from {as_of}))"
)


def _at_both_ends(panel: str) -> str:
    """The share of the watched contracts that were observed at both ends of the window."""
    return (
        f"len(list_intersect({panel}, (select earlier.{panel} from market_hourly as earlier where earlier.asset = "
        "{scope} and earlier.as_of = {as_of} - interval {hours} hour))) / instruments"
    )


SUMS = Source(observed_ratio="observed_ratio_{window}", is_lower_bound="is_lower_bound_{window}")
STOCKS = Source(observed_ratio="open_interest_observed_ratio", is_lower_bound="open_interest_is_lower_bound")
PEAKS = Source(observed_ratio="open_interest_observed_ratio")
CHANGES = Source(observed_ratio=_at_both_ends("panel"))
RETURNS = Source(observed_ratio=_at_both_ends("price_panel"))
PRICES = Source(
    observed_ratio="len(price_panel) / instruments", why="if(asset = 'ALL', 'coins have no common price', null)",
    readings=("BTC",), is_level=True,
)  # fmt: skip
HOLDERS = Source("holders_hourly", "lower(holder) = lower({scope})", why="reason", readings=(), is_level=True)


def _context(series: str) -> Source:
    """What was known of a series at the hour: of its last days the latest row; one that holds nothing is known too."""
    return Source(
        table=CONTEXT,
        where="series = {scope} and date between cast({as_of} as date) - 1 and cast({as_of} as date)",
        at="coalesce(known_at, date) <= {as_of} order by date desc limit 1",
        why="reason",
        readings=(series,),
    )


BOTH_SIDES = "coalesce(long_usd_{window} + short_usd_{window}, long_usd_{window}, short_usd_{window})"
START = "nullif(open_interest_start_{window}_usd, 0)"
PRICE_EFFECT = f"price_effect_{{window}}_end_to_end_usd / {START}"
POSITION_EFFECT = f"position_effect_{{window}}_end_to_end_usd / {START}"
SPLIT = f"printf('price %+.1f, positions %+.1f points', 100 * {PRICE_EFFECT}, 100 * {POSITION_EFFECT})"
PEAK = (
    "'the index was highest so far at ' || strftime(peak_at, '%Y-%m-%d %H:%M UTC') || ', panel of ' || len(panel)"
    " || ' contracts on ' || array_to_string(list_sort(list_distinct([split_part(it, ':', 1) for it in panel])), ', ')"
)

TRAILING, ENDS, SPLITS = ("24h", "7d", "30d"), ("24h", "7d", "28d", "30d"), ("24h", "28d")  # what market_hourly has
METRICS = {
    "price": Metric("usd", (NOW,), PRICES, "price"),
    "price_change": Metric("ratio", ("24h", "7d"), RETURNS, "return_{window}_ratio"),
    "liquidations": Metric("usd", TRAILING, SUMS, BOTH_SIDES, reported="total_usd"),
    "long_liquidations": Metric("usd", TRAILING, SUMS, "long_usd_{window}", reported="long_usd"),
    "short_liquidations": Metric("usd", TRAILING, SUMS, "short_usd_{window}", reported="short_usd"),
    "worst_hour_liquidations": Metric("usd", ("24h",), SUMS, "worst_hour_usd_{window}"),
    "open_interest": Metric("usd", (NOW,), STOCKS, "open_interest_usd"),
    "open_interest_change": Metric("ratio", ENDS, CHANGES, "open_interest_change_{window}_ratio"),
    "open_interest_change_usd": Metric(
        "usd", SPLITS, CHANGES,
        "price_effect_{window}_end_to_end_usd + position_effect_{window}_end_to_end_usd",
        base="open_interest_start_{window}_usd",
    ),
    "open_interest_price_effect": Metric("ratio", SPLITS, CHANGES, PRICE_EFFECT, detail=SPLIT),
    "open_interest_position_effect": Metric("ratio", SPLITS, CHANGES, POSITION_EFFECT, detail=SPLIT),
    "open_interest_fall_from_peak": Metric(
        "ratio", ("28d", "90d", "all"), PEAKS, "fall_from_peak_{window}_ratio", detail=PEAK
    ),
    "unrealised_loss": Metric("usd", (NOW,), HOLDERS, "-profit_usd"),
    "fear_and_greed": Metric("points", (NOW,), _context("fear_and_greed"), "value"),
    "vix": Metric("points", (NOW,), _context("vix"), "value"),
    "ciss_euro_area": Metric("points", (NOW,), _context("ciss_euro_area"), "value"),
}  # fmt: skip
