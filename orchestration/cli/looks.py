"""Commands that only read what is published and change no figure: status, sql, claims, report."""

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from orchestration.cli import disk
from orchestration.cli.terminal import complain, out, say
from orchestration.exchanges import declared
from orchestration.settings import Settings

if TYPE_CHECKING:
    import duckdb


def report() -> None:
    """Write the brief anew from the published warehouse.

    Example: market-stress report
    """
    settings = Settings.from_environment()
    from orchestration.brief import write_brief
    from orchestration.lake.publish import read_only

    read_only(settings.home).close()
    warehouse, folder = settings.home / "warehouse.duckdb", settings.home / "reports" / "latest"
    with disk.room(settings.home, disk.PAGES):
        write_brief(warehouse, folder, written_at=settings.now())
    say(f"brief     {folder / 'brief.html'}")


def status() -> None:
    """Show per exchange and dataset what is covered up to now, what is missing and why.

    Example: market-stress status
    """
    settings = Settings.from_environment()
    from orchestration.brief import coverage_summary, origin_mark
    from orchestration.lake import damage

    warehouse = settings.home / "warehouse.duckdb"
    try:
        _print_coverage(settings, origin_mark(warehouse), coverage_summary(warehouse, settings.now()))
    except FileNotFoundError:
        say(f"Nothing is published in {settings.home}: run `market-stress backfill`, then `market-stress refresh`.")
    limits = Table("exchange", "dataset", "served over REST", title="What the exchanges serve")
    for exchange in settings.universe.exchanges:
        for dataset, feed in declared()[exchange].feeds.items():
            served = f"{feed.endpoint}, {feed.note}" if feed.served else f"[yellow]not served:[/] {feed.note}"
            limits.add_row(exchange, dataset, served)
    out.print(limits)
    for one in damage.found(settings.home):
        complain(f"{one}: the next refresh or fetch sets it aside", "warning:")


def _print_coverage(settings: Settings, mark: str, coverage: list[dict]) -> None:
    from orchestration.brief.words import share_text

    seen = f", seen {settings.now():%Y-%m-%d %H:%M} UTC"
    marked = Text(f" ({mark})", "yellow") if mark else ""
    table = Table(title=Text.assemble(f"Published coverage in {settings.home}", marked, seen, style="table.title"))
    for heading in ("exchange", "dataset", "days (UTC)", "observed", "instrument-hours by receipt", "missing, mostly"):
        table.add_column(heading, no_wrap=heading in ("exchange", "dataset"), overflow="fold")
    for row in coverage:
        table.add_row(
            row["exchange"],
            row["dataset"],
            f"{row['first_date']} to {row['last_date']}" if row["first_date"] else "none",
            "" if row["observed_ratio"] is None else share_text(row["observed_ratio"]),
            ", ".join(f"{hours:,} {state.replace('_', ' ')}" for state, hours in row["hours"].items()),
            Text(row["reason"] or ""),
        )
    out.print(table)
    if any("never_asked" in row["hours"] for row in coverage):
        say(
            "never asked: hours since this home's first receipt that have none. `market-stress up` asks every hour for "
            "those that exchanges still serve; what they no longer serve, or never did, can be imported."
        )
    if any("not_published" in row["hours"] for row in coverage):
        say("not published: asked for since the last `market-stress refresh`.")


def claims(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE.csv]", help="A list of claims; without one, those of the warehouse.")
    ] = None,
) -> None:
    """Check figures that others have stated against the published warehouse.

    The columns of a list are claim, pair, metric, scope, window, unit, relation, value, tolerance, as_of and source.

    Example: market-stress claims my_claims.csv
    """
    settings = Settings.from_environment()
    from orchestration.brief import origin_mark
    from orchestration.claims import check, published, read, scopes
    from orchestration.lake.publish import read_only

    with read_only(settings.home) as warehouse:
        checks = published(warehouse) if file is None else check(warehouse, read(file, scopes(warehouse)))
    if mark := origin_mark(settings.home / "warehouse.duckdb"):
        say("no verdict rests on facts alone", f"{mark}:")
    for row in checks.astype(object).where(checks.notna(), None).to_dict("records"):
        _print_check(row)
    counts = checks["verdict"].value_counts()
    say(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))


def _print_check(row: dict) -> None:
    from orchestration.brief.words import moment_text, share_text
    from orchestration.claims.verdicts import quantity

    ours = "no figure" if row["figure"] is None else quantity(row["figure"], row["unit"])
    if row["observed_ratio"] is not None:
        ours += f", observed {share_text(row['observed_ratio'])}" + (", lower bound" if row["is_lower_bound"] else "")
    value, tolerance = (quantity(row[name], row["unit"]) for name in ("value", "tolerance"))
    say(row["verdict"], row["claim"])
    for name, text in (
        ("claimed", f"{row['metric']}, {row['scope']}, {row['window']}: {row['relation']} {value}"),
        ("tolerance", tolerance),
        ("as of", moment_text(str(row["as_of"]))),
        ("ours", ours),
        ("reason", row["reason"]),
        ("implied as-of", row["implied_as_of"] and moment_text(str(row["implied_as_of"]))),
        ("source", row["source"]),
        ("query", row["query"]),
    ):
        if text:
            say(f"  {name:<13}  {text}")


def sql(
    query: Annotated[
        str | None, typer.Argument(help="A query; without one it is read from a pipe, or a shell opens.")
    ] = None,
) -> None:
    """Query the published warehouse, read-only.

    Example: market-stress sql "select * from liquidations_daily where asset = 'BTC' order by 1 desc limit 5"
    """
    settings = Settings.from_environment()
    from orchestration.lake.publish import read_only

    with read_only(settings.home) as warehouse:
        if query is not None:
            _print_answer(warehouse, query)
            return
        if not sys.stdin.isatty():
            _print_answer(warehouse, sys.stdin.read())
            return
        say(f"{settings.home / 'warehouse.duckdb'}, read-only; end with an empty line or Ctrl-D")
        while query := _ask():
            try:
                _print_answer(warehouse, query)
            except ValueError as error:
                complain(str(error))


def _ask() -> str:
    import readline  # noqa: F401 (gives input() its history)

    try:
        return input("sql> ").strip()
    except EOFError:
        return ""


def _print_answer(warehouse: "duckdb.DuckDBPyConnection", query: str) -> None:
    """A table for a person, CSV for a pipe; ValueError with DuckDB's first line if the query is wrong."""
    import duckdb

    try:
        answer = warehouse.execute(query)
        columns, rows = [column[0] for column in answer.description], answer.fetchall()
    except duckdb.IOException:  # no fault of the query
        raise
    except duckdb.Error as error:
        raise ValueError(" ".join(str(error).split())[:300]) from None
    if not sys.stdout.isatty():
        csv.writer(sys.stdout).writerows([columns, *rows])
        return
    table = Table(*(Column(name, overflow="fold") for name in columns))  # a figure cut short would be another figure
    for row in rows:
        table.add_row(*(Text("NULL", "dim") if cell is None else Text(str(cell)) for cell in row))
    out.print(table)
