"""Which figures the brief tells of every asset, and how each is asked of the warehouse.

Here belong names, units and SQL expressions. What an answer is worth is `figures`' matter, how it reads `words`'.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestration import score
from orchestration.brief.query import stamp
from orchestration.lake.files import literal

ALL = "ALL"
WINDOW_HOURS = {"24h": 24, "7d": 168, "28d": 672, "30d": 720, "90d": 2160}
COVERAGE_HOURS = 720
PART_WORDS = {part: part.replace("_", " ") for part in score.PARTS}


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
        hours = f"as_of = {stamp(as_of)}"
        if self.reach_hours:
            hours = f"as_of between {stamp(as_of - timedelta(hours=self.reach_hours))} and {stamp(as_of)}"
        return f"select {self.expression} from {self.table} where asset = {literal(asset)} and {hours}"


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


def _both_sides(window: str) -> str:
    """What is known of both sides together; a side of which nothing is known adds nothing."""
    long_usd, short_usd = f"long_usd_{window}", f"short_usd_{window}"
    return f"coalesce({long_usd} + {short_usd}, {long_usd}, {short_usd})"


MEASURES = {
    "score": [
        Measure("score", "score", "points", "score", "score", table="market_stress"),
        Measure("score_low", "at least", "points", "score_low", "score", table="market_stress"),
        Measure("score_high", "at most", "points", "score_high", "score", table="market_stress"),
        *(
            Measure(name, words, "text", name, "score", table="market_stress")
            for name, words in (("regime", "regime"), ("regime_low", "regime, at least"), ("regime_high", "at most"))
        ),
        *(
            Measure(f"{part}_{kind}", f"{words}{suffix}", unit, f"{part}_{kind}", part, table="market_stress")
            for kind, suffix, unit in (("contribution", "", "points"), ("rank", ", rank", "rank"))
            for part, words in PART_WORDS.items()
        ),
        Measure("second_line", "second line", "points", "second_line", "second_line", table="market_stress"),
        Measure("second_line_gap", "below score", "points", "second_line_gap", "second_line", table="market_stress"),
        *(
            Measure(f"second_line_{part}_contribution", words, "points", f"second_line_{part}_contribution",
                    "second_line", table="market_stress")
            for part, words in PART_WORDS.items()
        ),
        Measure("effective_days", "history", "days", "effective_days", "score", table="market_stress"),
        Measure("warm_up_days", "warm-up", "days", "warm_up_days", "score", table="market_stress"),
        Measure(
            "independent_windows", "separate windows", "count", "independent_windows", "score", table="market_stress"
        ),
    ],
    "liquidations": [
        Measure("long_usd_24h", "longs, 24 h", "USD", "long_usd_24h", "liquidations", "24h"),
        Measure("short_usd_24h", "shorts, 24 h", "USD", "short_usd_24h", "liquidations", "24h"),
        Measure("worst_hour_usd_24h", "worst hour, 24 h", "USD", "worst_hour_usd_24h", "liquidations", "24h"),
        Measure("long_usd_7d", "longs, 7 d", "USD", "long_usd_7d", "liquidations", "7d"),
        Measure("short_usd_7d", "shorts, 7 d", "USD", "short_usd_7d", "liquidations", "7d"),
        Measure("total_usd_7d", "both, 7 d", "USD", _both_sides("7d"), "liquidations", "7d"),
        Measure("long_usd_30d", "longs, 30 d", "USD", "long_usd_30d", "liquidations", "30d"),
        Measure("short_usd_30d", "shorts, 30 d", "USD", "short_usd_30d", "liquidations", "30d"),
        Measure("total_usd_30d", "both, 30 d", "USD", _both_sides("30d"), "liquidations", "30d"),
        # A row looks back 24 h itself, so the rows of 696 h see the hours of 720.
        Measure(
            "worst_hour_usd_30d", "worst hour, 30 d", "USD", "max(worst_hour_usd_24h)", "liquidations", "30d",
            reach_hours=COVERAGE_HOURS - 24,
        ),
        Measure("full_reporting_ratio", "reported fully, 24 h", "ratio", "full_reporting_ratio", "liquidations", "24h"),
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

# Columns that an older warehouse may lack: without one, the figures made of it are left out.
EXTRA_COLUMNS = {
    "market_hourly": {"full_reporting_ratio", "open_interest_start_24h_usd", "open_interest_start_28d_usd"},
    "market_stress": {"regime_low", "regime_high", "independent_windows", "second_line"},
}
