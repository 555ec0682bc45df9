"""Commands that change a home, each a run of a Dagster job: backfill, import, refresh.

Here belongs what a person sees of such a run. What it does stands in `defs`, and how it is started in `defs.launch`.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from orchestration import forking, home, universe
from orchestration.cli import disk
from orchestration.cli.arguments import Asset, Dataset, Day, Exchange, datasets_by_exchange, days
from orchestration.cli.terminal import complain, err, libraries_speak_to, say
from orchestration.settings import Settings

if TYPE_CHECKING:
    from orchestration.defs.launch import Ended

NO_NETWORK = "No exchange could be fetched. Without a network, `make demo` runs everything on a simulated market."


def backfill(
    start: Day, end: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="Exclusive.")],
    exchange: Exchange = [], dataset: Dataset = [], asset: Asset = [],  # noqa: B006 (typer reads them, nobody writes)
) -> None:  # fmt: skip
    """Fetch a range of days, exchanges side by side; context (fear and greed, VIX, CISS) comes along with all of them.

    Example: market-stress backfill --start 2026-01-01 --end 2026-02-12 --exchange bybit --dataset open_interest
    """
    settings = Settings.from_environment()
    span = days(start, end, settings.now())
    wanted = datasets_by_exchange(settings, exchange, dataset)
    universe.check_names("asset", tuple(asset), settings.universe.watched_assets)
    if wanted:
        with _context_after(span) if not (exchange or dataset or asset) else nullcontext():
            fetch(prepared(), span, wanted, asset)


def refresh() -> None:
    """Build the warehouse from what has landed, check it, publish it and write the brief.

    Example: market-stress refresh
    """
    rebuild(prepared())


def import_(
    files: Annotated[list[str], typer.Argument(help="Parquet or CSV in the contract's columns.")],
    dataset: Annotated[str, typer.Option(help="The dataset that the files hold.")],
) -> None:
    """Take own archives through the same border as a fetch.

    Example: market-stress import --dataset liquidations liquidations.parquet
    """
    universe.check_names("dataset", (dataset,), universe.RAW_DATASETS)
    from orchestration.ingest import read_archive

    for file in files:
        read_archive(dataset, file)
    take_in(prepared(), {dataset: [str(Path(file).absolute()) for file in files]})


def prepared() -> Settings:
    """The settings, with a home that Dagster and dbt find."""
    settings = Settings.from_environment()
    with disk.room(settings.home, disk.MEGABYTE):
        os.environ |= home.prepare(settings.home)
    from orchestration.lake import files, migration

    files.forget_drafts(settings.home)

    if migration.is_needed(settings.home):
        say(f"raw facts in {settings.home} were written by an earlier version: they get the columns of this one")
        with err.status("migrating raw facts"):
            say(f"{migration.migrate(settings.home):,} files migrated; no figure in them has changed")
    return settings


def fetch(
    settings: Settings, span: tuple[date, date], wanted: Mapping[str, Sequence[str]], assets: Sequence[str]
) -> None:
    """One ingest run, exchanges side by side; exit code 1 if one of them failed."""
    days = (span[1] - span[0]).days + 1
    datasets = sum(len(datasets) for datasets in wanted.values())
    symbols = len(assets or settings.universe.watched_assets)
    with (
        disk.room(settings.home, disk.needed_to_fetch(days, datasets, symbols)),
        libraries_speak_to(home.log(settings.home)) as person,
    ):
        forking.start()  # loads on one core what we load on another
        from orchestration.defs import launch

        with _bars(person, {exchange: 24 * days * len(datasets) for exchange, datasets in wanted.items()}) as show:
            run = launch.run_ingest(settings.home, span, wanted, assets, show)
    for exchange in wanted:
        written = {
            asset.rpartition("/")[2]: data for asset, data in run.materialized.items() if f"/{exchange}/" in asset
        }
        in_part = {asset.rpartition("/")[2]: data for asset, data in run.kept.items() if f"/{exchange}/" in asset}
        counts = [f"{dataset} {_counts(data)}" for dataset, data in written.items()]
        counts += [f"{dataset} {_counts(data)}, failed in part" for dataset, data in in_part.items()
                   if any(data.values())]  # fmt: skip
        say(", ".join(counts) or "nothing written", exchange)
        if warnings := written.get("instruments", {}).get("warnings"):
            complain(warnings, "warning:")
    is_out_of_reach = not run.materialized and not settings.exchange_url
    _stop_unless_successful(settings, run, NO_NETWORK if is_out_of_reach else None)


def fetch_context(span: tuple[date, date]) -> None:
    """The context series of a range; a source that fails is told and stops nobody."""
    settings = Settings.from_environment()
    with libraries_speak_to(home.log(settings.home)):
        from orchestration.defs import launch

        run = launch.run_context(span)
    counts = [f"{asset.split('/')[1]} {_counts(data)}" for asset, data in run.materialized.items()]
    say(", ".join(counts) or "nothing written", "context")
    for fault in run.faults:
        complain(fault, "warning:")


@contextmanager
def _context_after(span: tuple[date, date]) -> Iterator[None]:
    """Fetches context after the block, also where an exchange failed in it; the exit code stays the block's."""
    try:
        yield
    except typer.Exit:
        fetch_context(span)
        raise
    fetch_context(span)


def take_in(settings: Settings, files: Mapping[str, Sequence[str]]) -> None:
    """Imports files, by dataset; exit code 1 if that failed."""
    from orchestration.defs import launch

    needed = disk.needed_to_import([file for paths in files.values() for file in paths])
    with disk.room(settings.home, needed), libraries_speak_to(home.log(settings.home)):
        run = launch.run_import({dataset: list(paths) for dataset, paths in files.items()})
    _stop_unless_successful(settings, run)
    for data in run.observed:
        say(f"{_counts(data)} from {data['file']}", data["dataset"])


def rebuild(settings: Settings) -> None:
    """dbt, checks, gate, market_stress, publish, brief; exit code 1 if one of them failed or the gate is closed."""
    from orchestration.defs import launch

    with (
        disk.room(settings.home, disk.needed_to_refresh(settings.home)),
        libraries_speak_to(home.log(settings.home)) as person,
        person.status("dbt, checks, gate, market_stress, brief"),
    ):
        run = launch.run_refresh()
    _stop_unless_successful(settings, run)
    say(f"published {settings.home / 'warehouse.duckdb'}")
    say(f"brief     {settings.home / 'reports' / 'latest' / 'brief.html'}")


def _stop_unless_successful(settings: Settings, run: "Ended", hint: str | None = None) -> None:
    """Says what went wrong in a run, with a hint if there is one; exit code 1 if it failed."""
    for file in run.damaged:
        complain(file, "warning:")
    for fault in run.faults:
        complain(fault, "failed:")
    if hint:
        complain(hint)
    if not run.is_successful:
        complain(f"log: {home.log(settings.home)}")
        raise typer.Exit(1)


@contextmanager
def _bars(person: Console, hours: Mapping[str, int]) -> Iterator[Callable[[str, dict], None]]:
    """A bar for each exchange, as long as the hours of its datasets; yields what moves them (see `run_ingest`)."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[what]}"))
    with Progress(*columns, TimeElapsedColumn(), console=person) as progress:
        tasks = {
            exchange: progress.add_task(exchange, total=total, what="starting") for exchange, total in hours.items()
        }
        yield lambda exchange, at: progress.update(tasks[exchange], completed=at["hours"], what=escape(at["what"]))
        for task in tasks.values():
            progress.update(task, completed=progress.tasks[task].total, what="ended")


def _counts(data: Mapping) -> str:
    """`36,000 new (2 changed)`"""
    parts = [(data.get("rows_changed"), "changed"), (data.get("rows_quarantined"), "quarantined")]
    others = [f"{count:,} {what}" for count, what in parts if count]
    return f"{data['rows_new']:,} new" + (f" ({', '.join(others)})" if others else "")
