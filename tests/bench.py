"""`make bench`: our ways of doing things against the alternatives, side by side in one run, as ratios.

Here belong comparisons that docs/decisions.md rests on: both sides do the same work on the same data, in turns.
Nothing passes or fails here, since figures hold for one machine only. What must be true belongs in the test_* files.
"""

import shutil
import sys
from bisect import bisect_left, bisect_right, insort
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

from orchestration.contracts import contract
from orchestration.lake import facts, files, publish
from orchestration.score.ranks import LONGEST_WINDOW_HOURS, ranks_of_series

ROUNDS = 3
DAYS = int(sys.argv[1]) if len(sys.argv) > 1 else 365  # with 24 hours and 228 symbols 2 M rows
DAYS_PER_WRITE = 30
SYMBOLS = [f"COIN{number}/USDT:USDT" for number in range(228)]
FIRST_DAY, NOW = pd.Timestamp("2025-01-01", tz="UTC"), datetime(2026, 2, 12, tzinfo=UTC)
STAGING = Path(__file__).parents[1] / "dbt_project" / "models" / "staging" / "stg_open_interest.sql"


def main() -> None:
    """Fills a temporary home, runs every comparison and prints the table."""
    table = Table("what", "ours", "other", "ours s", "other s", "other / ours", title=f"Medians of {ROUNDS} rounds")
    with TemporaryDirectory(prefix="market-stress-bench-") as folder:
        fill(Path(folder))
        for compare in (compare_staging, compare_unchanged_write, compare_ranks, compare_publishing):
            names, ours, other = compare(Path(folder))
            ours_s, other_s = medians_in_turns(ours, other)
            table.add_row(*names, f"{ours_s:.3f}", f"{other_s:.3f}", f"{other_s / ours_s:.2f}")
    Console(width=120).print(table)


def medians_in_turns(*runs: Callable[[], object]) -> list[float]:
    """Median seconds of each, run alternately so that a busy machine slows them alike."""
    seconds = [[] for _ in runs]
    for _ in range(ROUNDS):
        for run, taken in zip(runs, seconds, strict=True):
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


def staging(source: str) -> str:
    """The staging model itself, over an SQL source."""
    return STAGING.read_text().replace("{{ source('raw', 'open_interest') }}", source)


def fill(home: Path) -> None:
    """Daily files of open interest, and build.duckdb with their rows."""
    facts.prepare(home)
    for first in range(0, DAYS, DAYS_PER_WRITE):
        facts.write(home, "open_interest", observations(first, min(DAYS_PER_WRITE, DAYS - first)), "rest", NOW)
    with duckdb.connect(home / "build.duckdb") as build:
        build.execute(f"create table open_interest as {staging(facts.raw_glob(home, 'open_interest'))}")


def compare_staging(home: Path) -> tuple:
    """Files that hold current rows, against files in which staging first has to find the newest of each key."""
    files = facts.raw_glob(home, "open_interest")
    newest = "row_number() over (partition by exchange, symbol, observed_at order by revision desc, ingested_at desc)"

    def to_daily(source: str) -> None:
        figures = "sum(open_interest_contracts), sum(open_interest_base), sum(open_interest_usd)"
        day = "exchange, symbol, date_trunc('day', observed_at)"
        with files.connect() as connection:
            connection.execute(f"select {day}, {figures} from ({staging(source)}) group by all").fetchall()

    names = "staging to daily sums", "plain files", "row_number() = 1"
    return names, lambda: to_daily(files), lambda: to_daily(f"(select * from {files} qualify {newest} = 1)")


def compare_unchanged_write(home: Path) -> tuple:
    """The days of one write fetched again, against rewriting their files whatever is in them (and without fsync)."""
    key, rows = contract("open_interest").key, observations(0, min(DAYS_PER_WRITE, DAYS))

    def rewrite() -> None:
        full = rows.assign(feed="rest", ingested_at=pd.Timestamp(NOW), revision=0)
        for day, incoming in full.groupby(full["observed_at"].dt.strftime("%Y-%m-%d")):
            file = home / "raw" / "open_interest" / "exchange=gate" / f"date={day}" / "rest.parquet"
            merged = pd.concat([pd.read_parquet(file, partitioning=None), incoming])
            merged.drop_duplicates(key, keep="last").to_parquet(file, compression="zstd", index=False)

    names = f"unchanged write, {DAYS_PER_WRITE} days", "facts.write", "pandas rewrite"
    return names, lambda: facts.write(home, "open_interest", rows, "rest", NOW), rewrite


def compare_ranks(_: Path) -> tuple:
    """Mid-ranks of one measure of one asset as the score takes them, against a sorted list in plain Python."""
    warm_up_days, values = 180, np.random.default_rng(0).normal(size=20_000).round(3)

    def insort_ranks() -> list[float]:
        window, figures, earlier, ranks = LONGEST_WINDOW_HOURS, values.tolist(), [], []
        for at, value in enumerate(figures):
            if at > window:
                del earlier[bisect_left(earlier, figures[at - window - 1])]
            below = (bisect_left(earlier, value) + bisect_right(earlier, value)) / 2
            ranks.append(below / len(earlier) if len(earlier) >= warm_up_days * 24 else np.nan)
            insort(earlier, value)
        return ranks

    names = f"mid-ranks of {len(values):,}", "pandas rolling rank", "bisect.insort"
    return names, lambda: ranks_of_series(values, warm_up_days), insort_ranks


def compare_publishing(home: Path) -> tuple:
    """Marts copied into a new file, against a copied file from which all else is dropped; both synced and renamed."""
    scores = pd.DataFrame({"as_of": [NOW.replace(tzinfo=None)], "asset": ["ALL"], "score": [50.0]}, dtype="object")
    scores = scores.reindex(columns=contract("market_stress").columns)

    def copy_and_drop() -> None:
        draft = home / "other.duckdb.draft"
        shutil.copyfile(home / "build.duckdb", draft)
        with duckdb.connect(draft) as connection:
            connection.register("scores", scores)
            connection.execute("create or replace table market_stress as from scores")
            connection.unregister("scores")
            connection.execute("drop schema if exists intermediate cascade; checkpoint")
        files.sync(draft)
        draft.replace(home / "other.duckdb")

    names = "publishing", "marts into a new file", "copy file, drop the rest"
    return names, lambda: publish.publish(home, home / publish.BUILD, {"market_stress": scores}, 0, NOW), copy_and_drop


if __name__ == "__main__":
    main()
