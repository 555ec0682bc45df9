"""`market-stress`: a thin front over the same Dagster jobs, plus read-only looks at what they made.

Here belongs parsing of words and printing. What a command does lives in `defs.launch` and the plain modules.
"""

import os
import socket
import sys
import time
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from multiprocessing import forkserver, get_context
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from orchestration import universe
from orchestration.settings import Settings, parse_moment

app = typer.Typer(
    help="Measures leverage leaving the crypto-derivatives market, and never lies about coverage.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
out, err = Console(), Console(stderr=True)

FIRST_DAY = date(2019, 9, 1)
FETCHED = tuple(dataset for dataset in universe.DATASETS if dataset != "instruments")
DEMO = "deleveraging-2026-02"
DEMO_HOME = Path("data/demo")
DEMO_DAYS = ("2025-04-18", "2026-02-12")
DEMO_CLOCK = f"{DEMO_DAYS[1]}T00:00:00Z"
DEMO_QUERY = (
    "select period_start_date, exchange, long_usd, short_usd, completeness, observed_ratio from liquidations_daily "
    "where asset = 'BTC' order by 1 desc, 2 limit 8"
)

Exchange = Annotated[list[str], typer.Option(help="Exchange (ccxt id); repeat for more. Default: all of the universe.")]
Dataset = Annotated[list[str], typer.Option(help="Dataset; repeat for more. Default: all that the exchange serves.")]
Asset = Annotated[list[str], typer.Option(help="Asset such as BTC; repeat for more. Default: all of the universe.")]
Day = Annotated[str, typer.Option(metavar="YYYY-MM-DD")]


def main() -> None:
    """Runs the command line. Bad input (ValueError, FileNotFoundError) is one line and exit code 2."""
    try:
        app()
    except (ValueError, FileNotFoundError) as error:
        err.print(f"[red]market-stress:[/] {str(error).splitlines()[0]}", highlight=False, soft_wrap=True)
        sys.exit(2)
    except RuntimeError as error:
        err.print(f"[red]market-stress:[/] {str(error).splitlines()[0]}", highlight=False, soft_wrap=True)
        sys.exit(1)


@app.command()
def backfill(
    start: Day, end: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="Exclusive.")],
    exchange: Exchange = [], dataset: Dataset = [], asset: Asset = [],  # noqa: B006 (typer reads them, nobody writes)
) -> None:  # fmt: skip
    """Fetch a range of days, one run per exchange.

    Example: market-stress backfill --start 2026-01-01 --end 2026-02-12 --exchange bybit --dataset open_interest
    """
    settings = Settings.from_environment()
    days = _days(start, end, settings.now())
    scope, assets = _chosen(settings, exchange, dataset, asset)
    _fetch(prepared(), days, scope, assets)


@app.command()
def refresh() -> None:
    """Build the warehouse from what has landed, check it, publish it and write the brief.

    Example: market-stress refresh
    """
    _refresh(prepared())


@app.command()
def report() -> None:
    """Write the brief anew from the published warehouse.

    Example: market-stress report
    """
    from orchestration import lake
    from orchestration.brief import write_brief

    settings = Settings.from_environment()
    lake.read_only(settings.home).close()
    warehouse, folder = settings.home / "warehouse.duckdb", settings.home / "reports" / "latest"
    write_brief(warehouse, folder, written_at=settings.now(), simulated=settings.is_simulated)
    out.print(f"brief     {folder / 'brief.html'}", soft_wrap=True)


@app.command(name="import")
def import_(
    files: Annotated[list[str], typer.Argument(help="Parquet or CSV in the contract's columns.")],
    dataset: Annotated[str, typer.Option(help="The dataset that the files hold.")],
) -> None:
    """Take own archives through the same border as a fetch.

    Example: market-stress import --dataset liquidations liquidations.parquet
    """
    from orchestration.ingest import read_archive
    from orchestration.lake import RAW_DATASETS

    universe.check_names("dataset", (dataset,), RAW_DATASETS)
    for file in files:
        read_archive(dataset, file)
    _import(prepared(), {dataset: [str(Path(file).absolute()) for file in files]})


@app.command()
def status() -> None:
    """Show per exchange and dataset what the published warehouse covers, what is missing and why.

    Example: market-stress status
    """
    from orchestration.brief import coverage_summary

    settings = Settings.from_environment()
    try:
        _print_coverage(settings, coverage_summary(settings.home / "warehouse.duckdb"))
    except FileNotFoundError:
        out.print(
            f"Nothing is published in {settings.home}: run `market-stress backfill`, then `market-stress refresh`.",
            soft_wrap=True,
        )
    limits = Table("exchange", "dataset", "served over REST", title="What the exchanges serve")
    for feed in universe.FEEDS:
        if feed.exchange in settings.universe.exchanges:
            limits.add_row(
                feed.exchange, feed.dataset, feed.note if feed.served else f"[yellow]not served:[/] {feed.note}"
            )
    out.print(limits)


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="A query; without one an interactive shell opens.")] = None,
) -> None:
    """Query the published warehouse, read-only.

    Example: market-stress sql "select * from liquidations_daily where asset = 'BTC' order by 1 desc limit 5"
    """
    from orchestration import lake

    settings = Settings.from_environment()
    with lake.read_only(settings.home) as warehouse:
        if query is not None:
            _print_answer(warehouse, query)
            return
        out.print(f"{settings.home / 'warehouse.duckdb'}, read-only; end with an empty line or Ctrl-D")
        while query := _ask():
            try:
                _print_answer(warehouse, query)
            except ValueError as error:
                err.print(f"[red]{error}[/]", highlight=False)


@app.command()
def sandbox(
    tape: Annotated[str, typer.Option(help="A folder of Parquet files, or the name of a built-in scenario.")] = DEMO,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8787,
    now: Annotated[str | None, typer.Option(help="The server's clock; default: the system's.")] = None,
) -> None:
    """Serve a tape as the real exchanges would, on 127.0.0.1.

    Example: market-stress sandbox --tape deleveraging-2026-02 --port 8787 --now 2026-02-12T00:00:00Z
    """
    from orchestration.sandbox.server import serve

    folder = Path(tape)
    if tape == DEMO:
        folder = Settings.from_environment().home / "tapes" / DEMO
        _write_scenario(folder)
    moment = parse_moment("--now", now) if now else None
    out.print(f"exchanges on http://127.0.0.1:{port} from {folder}, clock {moment or 'running'}", soft_wrap=True)
    out.print(f"use them with: export MARKET_STRESS_EXCHANGE_URL=http://127.0.0.1:{port}", soft_wrap=True)
    serve(folder, port, moment)


@app.command()
def up(port: Annotated[int, typer.Option(min=1, max=65535)] = 3000) -> None:
    """Start the Dagster UI and daemon on 127.0.0.1.

    Example: market-stress up --port 3000
    """
    settings = prepared()
    _in_children(settings, {"dead runs": ("mark_dead_runs",)})
    out.print(f"Dagster UI: http://127.0.0.1:{port}   home: {settings.home}", soft_wrap=True)
    command = ["dagster", "dev", "-m", "orchestration.definitions", "-h", "127.0.0.1", "-p", str(port)]
    os.execv(Path(sys.executable).with_name(command[0]), command)  # in our place, so that signals reach it


@app.command()
def demo() -> None:
    """Run the built-in simulated scenario through everything, offline.

    Example: market-stress demo
    """
    from orchestration.sandbox.scenario import write_archive

    port = _free_port()
    os.environ |= {
        "MARKET_STRESS_HOME": str(DEMO_HOME.absolute()),
        "MARKET_STRESS_NOW": DEMO_CLOCK,
        "MARKET_STRESS_EXCHANGE_URL": f"http://127.0.0.1:{port}",
    }
    os.environ.pop("MARKET_STRESS_UNIVERSE", None)
    settings = prepared()
    tape = settings.home / "tapes" / DEMO
    (settings.home / "SIMULATED").write_text(f"This home holds the built-in scenario {DEMO}: simulated, no facts.\n")
    stages: dict[str, float] = {}
    _fork_server()  # loads while the tape is being written
    with _stage(stages, "simulate"):
        _write_scenario(tape)
    with _serving(tape, DEMO_CLOCK, port):
        with _stage(stages, "start, and import what REST can't reach"):
            _import(settings, {dataset: [str(file)] for dataset, file in write_archive(tape).items()})
        with _stage(stages, "backfill"):
            days = _days(*DEMO_DAYS, settings.now())
            _fetch(settings, days, *_chosen(settings, [], [], []))
    with _stage(stages, "refresh"):
        _refresh(settings)
    _print_demo(settings, stages)


def prepared() -> Settings:
    """The settings, with a home that Dagster and dbt find."""
    settings = Settings.from_environment()
    folder = settings.home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dagster.yaml").write_text(DAGSTER_YAML)
    settings.export_home()
    os.environ |= {"DAGSTER_HOME": str(folder), "DAGSTER_EVENT_BATCH_SIZE": "100"}
    return settings


DAGSTER_YAML = """\
# Written by every market-stress command; changes are lost.
telemetry:
  enabled: false
nux:
  enabled: false
run_monitoring:
  enabled: true
  free_slots_after_run_end_seconds: 60
concurrency:
  pools:
    default_limit: 1
storage:
  custom:
    module: orchestration.defs.storage
    class: Storage
    config: {base_dir: {env: DAGSTER_HOME}}
"""


def _days(start: str, end: str, now: datetime) -> tuple[date, date]:
    """First day and last day, both included, of a half-open range; ValueError names what is wrong with it."""
    first, after = (_day(name, text) for name, text in (("--start", start), ("--end", end)))
    if after <= first:
        raise ValueError(f"--end {end} is not after --start {start}: the end is exclusive")
    if first > now.date() or after > now.date() + timedelta(days=1):
        raise ValueError(f"{start} to {end} reaches into the future: it is {now:%Y-%m-%d %H:%M} UTC")
    if first < FIRST_DAY:
        raise ValueError(f"--start {start} is before {FIRST_DAY}, the first day that we keep")
    return first, after - timedelta(days=1)


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name}: {text!r} is no day such as 2026-02-12") from None


def _chosen(
    settings: Settings, exchanges: list[str], datasets: list[str], assets: list[str]
) -> tuple[dict[str, list[str]], list[str]]:
    """The datasets to fetch of each exchange, and assets; what isn't known or isn't watched is bad input."""
    universe.check_names("exchange", tuple(exchanges), settings.universe.exchanges)
    universe.check_names("dataset", tuple(datasets), FETCHED)
    universe.check_names("asset", tuple(assets), settings.universe.assets)
    scope = {}
    for exchange in exchanges or settings.universe.exchanges:
        feeds = [universe.feed(exchange, dataset) for dataset in datasets or FETCHED]
        scope[exchange] = [feed.dataset for feed in feeds if feed.served]
        for feed in feeds:
            if datasets and not feed.served:
                out.print(
                    f"[bold]{exchange}[/] {feed.dataset}: not served: {feed.note}", highlight=False, soft_wrap=True
                )
    return {exchange: served for exchange, served in scope.items() if served}, assets


def _fetch(settings: Settings, days: tuple[date, date], scope: dict[str, list[str]], assets: list[str]) -> None:
    """One ingest run per exchange, side by side; exit code 1 if one of them failed."""
    if not scope:
        return
    hours = ((days[1] - days[0]).days + 1) * 24
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[step]}"))
    with Progress(*columns, TimeElapsedColumn(), console=err) as progress:
        tasks = {
            exchange: progress.add_task(exchange, total=hours * len(served), step="starting")
            for exchange, served in scope.items()
        }
        done: dict[tuple[str, str], float] = {}

        def show(step: dict) -> None:
            exchange = step["exchange"]
            done.update({(exchange, dataset): step["done"] for dataset in step["datasets"]})
            completed = sum(part for key, part in done.items() if key[0] == exchange)
            progress.update(tasks[exchange], completed=completed, step=f"{step['datasets'][0]} {step['symbol']}")

        calls = {
            exchange: ("run_ingest", exchange, str(days[0]), str(days[1]), served, assets)
            for exchange, served in scope.items()
        }
        ended = _in_children(settings, calls, show)
        for exchange, task in tasks.items():
            told = "done" if ended[exchange].is_successful else "[red]failed[/]"
            progress.update(task, completed=progress.tasks[task].total, step=told)
    for exchange, run in ended.items():
        rows = {asset.rpartition("/")[2]: data for asset, data in run.materialized.items() if "rows_new" in data}
        told = ", ".join(f"{dataset} {data['rows_new']:,} new{_changes(data)}" for dataset, data in rows.items())
        out.print(f"[bold]{exchange}[/] {told or 'nothing written'}", highlight=False, soft_wrap=True)
        for fault in run.faults:
            err.print(f"[red]{exchange} failed:[/] {fault}", highlight=False, soft_wrap=True)
    if not any(run.is_successful for run in ended.values()) and not settings.exchange_url:
        err.print("No exchange could be fetched. Without a network, `make demo` runs everything on a simulated market.")
    if not all(run.is_successful for run in ended.values()):
        raise typer.Exit(1)


def _changes(data: dict) -> str:
    parts = [(data.get("rows_changed"), "changed"), (data.get("rows_quarantined"), "quarantined")]
    told = [f"{count:,} {what}" for count, what in parts if count]
    return f" ({', '.join(told)})" if told else ""


def _import(settings: Settings, files: dict[str, list[str]]) -> None:
    run = _in_children(settings, {"import": ("run_import", files)})["import"]
    _stop_unless_successful(settings, run)
    for data in run.observed:
        told = f"{data['rows_new']:,} new{_changes(data)} from {data['file']}"
        out.print(f"[bold]{data['dataset']}[/] {told}", highlight=False, soft_wrap=True)


def _refresh(settings: Settings) -> None:
    with err.status("dbt, checks, gate, market_stress, brief"):
        run = _in_children(settings, {"refresh": ("run_refresh",)})["refresh"]
    _stop_unless_successful(settings, run)
    out.print(f"published {settings.home / 'warehouse.duckdb'}", soft_wrap=True)
    out.print(f"brief     {settings.home / 'reports' / 'latest' / 'brief.html'}", soft_wrap=True)


def _stop_unless_successful(settings: Settings, run) -> None:
    if not run.is_successful:
        for fault in run.faults:
            err.print(f"[red]failed:[/] {fault}", highlight=False, soft_wrap=True)
        err.print(f"log: {settings.home / 'dagster' / 'cli.log'}", highlight=False, soft_wrap=True)
        raise typer.Exit(1)


def _in_children(settings: Settings, calls: dict[str, tuple], show=lambda step: None) -> dict:
    """Calls functions of `defs.launch` side by side, each in a process that dies with this one; name -> its end."""
    from queue import Empty

    context = _fork_server()
    messages = context.Queue()
    log = settings.home / "dagster" / "cli.log"
    children = {name: context.Process(target=_child, args=(name, call, messages, log)) for name, call in calls.items()}
    for child in children.values():
        child.start()
    ended: dict = {}
    while len(ended) < len(children):
        try:
            kind, name, message = messages.get(timeout=0.2)
        except Empty:
            for name in children.keys() - ended.keys():
                if children[name].exitcode not in (None, 0):
                    raise RuntimeError(
                        f"the process of {name} died with exit code {children[name].exitcode}; log: {log}"
                    ) from None
            continue
        if kind == "step":
            show(message)
        else:
            ended[name] = message
    for child in children.values():
        child.join()
    return ended


def _fork_server():
    """The context whose processes are forked from a server that has loaded everything; starts it."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["orchestration.preload"])
    forkserver.ensure_running()
    return context


def _child(name: str, call: tuple, messages, log: Path) -> None:
    """Runs in the child: its output goes to the log, and it ends as soon as its parent does."""
    from multiprocessing import parent_process
    from threading import Thread

    Thread(target=lambda: (parent_process().join(), os._exit(1)), daemon=True).start()
    with log.open("a") as handle:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(handle.fileno(), stream.fileno())
    from orchestration.defs import launch

    function, *arguments = call
    if function == "run_ingest":
        arguments.append(lambda step: messages.put(("step", name, step)))
    messages.put(("ended", name, getattr(launch, function)(*arguments)))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def _serving(tape: Path, clock: str, port: int):
    """The sandbox on a port of this machine, for as long as the block runs."""
    from orchestration.sandbox.server import serve

    server = get_context("spawn").Process(target=serve, args=(tape, port, parse_moment("clock", clock)), daemon=True)
    server.start()
    deadline = time.monotonic() + 60
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        if not server.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the sandbox did not start")
        time.sleep(0.1)
    try:
        yield
    finally:
        server.terminate()


@contextmanager
def _stage(stages: dict[str, float], name: str):
    err.print(f"[bold]{name}[/] ...")
    began = time.monotonic()
    try:
        yield
    finally:
        stages[name] = time.monotonic() - began


def _write_scenario(folder: Path) -> None:
    from orchestration.sandbox.scenario import write_tape

    # In a process of its own, which gives the memory of 300 simulated days back.
    writer = get_context("spawn").Process(target=write_tape, args=(folder,))
    with err.status(f"writing the simulated tape {DEMO}"):
        writer.start()
        writer.join()
    if writer.exitcode != 0:
        raise RuntimeError(f"the tape {DEMO} could not be written")


def _print_demo(settings: Settings, stages: dict[str, float]) -> None:
    import json

    from orchestration.brief import headline

    brief = json.loads((settings.home / "reports" / "latest" / "brief.json").read_text())
    headlines = Table(title=f"{DEMO}: SIMULATED, no facts", show_header=False)
    for name, value in headline(brief):
        headlines.add_row(name, value)
    out.print(headlines)
    times = Table("stage", "seconds", title="time spent")
    for name, seconds in stages.items():
        times.add_row(name, f"{seconds:.1f}")
    times.add_row("all", f"{sum(stages.values()):.1f}")
    out.print(times)
    for line in (
        f"warehouse  {settings.home / 'warehouse.duckdb'}",
        f"brief      {settings.home / 'reports' / 'latest' / 'brief.html'}",
        f'query      MARKET_STRESS_HOME={DEMO_HOME} .venv/bin/market-stress sql "{DEMO_QUERY}"',
        f"UI         MARKET_STRESS_HOME={DEMO_HOME} MARKET_STRESS_NOW={DEMO_CLOCK} .venv/bin/market-stress up",
    ):
        out.print(line, soft_wrap=True, highlight=False)


def _print_coverage(settings: Settings, coverage: list[dict]) -> None:
    from orchestration.brief.words import share_text

    table = Table(title=_home_line(settings))
    for heading in ("exchange", "dataset", "days (UTC)", "observed", "hours", "missing, mostly"):
        table.add_column(heading, no_wrap=heading in ("exchange", "dataset"), overflow="fold")
    for row in coverage:
        table.add_row(
            row["exchange"],
            row["dataset"],
            f"{row['first_date']} to {row['last_date']}" if row["first_date"] else "none",
            "" if row["observed_ratio"] is None else share_text(row["observed_ratio"]),
            ", ".join(f"{hours:,} {state.replace('_', ' ')}" for state, hours in row["hours"].items()),
            row["reason"] or "",
        )
    out.print(table)


def _home_line(settings: Settings) -> str:
    simulated = " [yellow](simulated)[/]" if settings.is_simulated else ""
    return f"Published coverage in {settings.home}{simulated}, as of {settings.now():%Y-%m-%d %H:%M} UTC"


def _ask() -> str:
    import readline  # noqa: F401 (gives input() its history)

    try:
        return input("sql> ").strip()
    except EOFError:
        return ""


def _print_answer(warehouse, query: str) -> None:
    """A table for a person, CSV for a pipe; ValueError with DuckDB's first line if the query is wrong."""
    import duckdb

    try:
        answer = warehouse.execute(query)
        columns, rows = [column[0] for column in answer.description], answer.fetchall()
    except duckdb.Error as error:
        raise ValueError(" ".join(str(error).split())[:300]) from None
    if not sys.stdout.isatty():
        import csv

        csv.writer(sys.stdout).writerows([columns, *rows])
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*("[dim]NULL[/]" if cell is None else str(cell) for cell in row))
    out.print(table)


if __name__ == "__main__":
    main()
