"""`make bench`: our ways of doing things against the alternatives, side by side in one run, as ratios.

Here belong comparisons that a decision of DESIGN.md rests on: both sides do the same work on the same data, in turns.
Nothing passes or fails here, since figures hold for one machine only. What must be true belongs in the test_* files.
"""

import argparse
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import duckdb
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from orchestration import lake, stress
from orchestration.contracts import contract

ROUNDS = 3
NOW = datetime(2026, 2, 12, tzinfo=UTC)
FIRST_DAY = pd.Timestamp("2025-01-01", tz="UTC")
SYMBOLS = [f"COIN{number}/USDT:USDT" for number in range(228)]  # with 24 hours and 365 days 2 M rows
DAYS_PER_WRITE = 30
STAGING = Path(__file__).parents[1] / "dbt_project" / "models" / "staging" / "stg_open_interest.sql"
RANKED_VALUES = 20_000
WARM_UP_DAYS = 180


def main() -> None:
    """Fills a temporary home, runs every comparison and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=365, help="daily files of open interest (default: 365)")
    days = parser.parse_args().days
    table = Table("what", "ours", "other", "ours s", "other s", "other / ours", title=f"Medians of {ROUNDS} rounds")
    with TemporaryDirectory(prefix="market-stress-bench-") as folder:
        home = Path(folder)
        fill(home, days)
        for compare in (compare_staging, compare_unchanged_write, compare_ranks, compare_publishing):
            what, ours_name, ours, other_name, other = compare(home)
            ours_s, other_s = medians_in_turns(ours, other)
            table.add_row(what, ours_name, other_name, f"{ours_s:.3f}", f"{other_s:.3f}", f"{other_s / ours_s:.2f}")
    Console(width=120).print(table)


def medians_in_turns(ours: Callable[[], object], other: Callable[[], object]) -> list[float]:
    """Median seconds of each, run alternately so that a busy machine slows both."""
    seconds = ([], [])
    for _ in range(ROUNDS):
        for run, taken in zip((ours, other), seconds, strict=True):
            began = perf_counter()
            run()
            taken.append(perf_counter() - began)
    return [median(taken) for taken in seconds]


def observations(first: int, days: int) -> pd.DataFrame:
    """Good rows of open interest, hourly for every symbol; the same days are the same rows."""
    hours = pd.date_range(FIRST_DAY + pd.Timedelta(days=first), periods=days * 24, freq="h", unit="us")
    coins = pd.Series(np.random.default_rng(first).uniform(1e3, 1e6, len(hours) * len(SYMBOLS)).round(3))
    figures = {f"open_interest_{unit}": coins * factor for unit, factor in (("contracts", 10), ("base", 1), ("usd", 7))}
    keys = {"exchange": "gate", "symbol": np.tile(SYMBOLS, len(hours)), "observed_at": hours.repeat(len(SYMBOLS))}
    return pd.DataFrame(keys | figures | {"payload": '{"open_interest":"' + coins.astype("str") + '"}'})


def fill(home: Path, days: int) -> None:
    """A home with `days` daily files, and build.duckdb with their rows."""
    lake.prepare(home)
    for first in range(0, days, DAYS_PER_WRITE):
        lake.write(home, "open_interest", observations(first, min(DAYS_PER_WRITE, days - first)), "rest", NOW)
    with duckdb.connect(home / "build.duckdb") as build:
        build.execute(f"create table open_interest as {staging(lake.raw_glob(home, 'open_interest'))}")


def staging(source: str) -> str:
    """The real staging model over an SQL source."""
    return STAGING.read_text().replace("{{ source('raw', 'open_interest') }}", source)


def compare_staging(home: Path) -> tuple:
    """Plain current rows against a log of all observations of which staging has to find the newest."""
    plain = lake.raw_glob(home, "open_interest")
    newest = f"row_number() over (partition by {', '.join(contract('open_interest').key)} order by revision desc)"

    def aggregate_days(source: str) -> list[tuple]:
        figures = "sum(open_interest_contracts), sum(open_interest_base), sum(open_interest_usd)"
        model = (
            f"select exchange, symbol, date_trunc('day', observed_at), {figures} from ({staging(source)}) group by all"
        )
        with duckdb.connect() as connection:
            return connection.execute(f"set TimeZone = 'UTC'; {model}").fetchall()

    deduplicated = f"(select * from {plain} qualify {newest} = 1)"
    names = "plain current rows", "row_number() = 1"
    return "staging, read", names[0], lambda: aggregate_days(plain), names[1], lambda: aggregate_days(deduplicated)


def compare_unchanged_write(home: Path) -> tuple:
    """The days of one write fetched again, against rewriting their files whatever is in them."""
    terms, rows = contract("open_interest"), observations(0, DAYS_PER_WRITE)

    def rewrite() -> None:
        full = rows.assign(feed="rest", ingested_at=pd.Timestamp(NOW), revision=0)
        for day, incoming in full.groupby(full["observed_at"].dt.strftime("%Y-%m-%d")):
            file = home / "raw" / "open_interest" / "exchange=gate" / f"date={day}" / "rest.parquet"
            merged = pd.concat([pd.read_parquet(file, partitioning=None), incoming])
            merged.drop_duplicates(terms.key, keep="last").to_parquet(file, compression="zstd", index=False)

    what = f"unchanged write, {DAYS_PER_WRITE} days"
    return what, "lake.write", lambda: lake.write(home, "open_interest", rows, "rest", NOW), "pandas rewrite", rewrite


def compare_ranks(_: Path) -> tuple:
    """Mid-ranks of one measure of one asset as the score takes them, against a sorted list in plain Python."""
    hours = pd.date_range(FIRST_DAY.tz_localize(None), periods=RANKED_VALUES, freq="h")
    values = pd.Series(np.random.default_rng(0).normal(size=RANKED_VALUES).round(3), index=hours)

    def insort_ranks() -> list[float]:
        window, earlier, ranks = deque(), [], []
        for hour, value in values.items():
            while window and window[0][0] < hour - stress.LONGEST_WINDOW:
                del earlier[bisect_left(earlier, window.popleft()[1])]
            is_warm = bool(window) and hour - window[0][0] >= pd.Timedelta(days=WARM_UP_DAYS)
            below_or_half = (bisect_left(earlier, value) + bisect_right(earlier, value)) / 2
            ranks.append(below_or_half / len(earlier) if is_warm else np.nan)
            insort(earlier, value)
            window.append((hour, value))
        return ranks

    what, ours = f"mid-ranks of {RANKED_VALUES:,}", lambda: stress._ranks(values.to_frame(), WARM_UP_DAYS)
    return what, "pandas rolling rank", ours, "bisect.insort", insort_ranks


def compare_publishing(home: Path) -> tuple:
    """The warehouse as a copied file, against a new file into which every table is copied; both synced and renamed."""
    scores = pd.DataFrame({"as_of": [NOW], "asset": ["ALL"], "score": [50.0]})

    def copy_from_database() -> None:
        draft = home / "other.duckdb.draft"
        with duckdb.connect() as connection:
            connection.execute(f"attach '{home}/build.duckdb' as build (read_only); attach '{draft}' as draft")
            connection.execute("copy from database build to draft")
            connection.execute("create table draft.main.market_stress as from scores; checkpoint draft")
        lake._sync(draft)
        draft.replace(home / "other.duckdb")

    def publish() -> Path:
        return lake.publish(home, scores, 0, NOW)

    return "publishing", "copy file + rename", publish, "COPY FROM DATABASE", copy_from_database


if __name__ == "__main__":
    main()
