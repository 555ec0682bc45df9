"""`market-stress demo`: the built-in scenario through everything, and its headline figures.

The steps are those of the other commands (`jobs`); where the scenario lies and who serves it is `scenario`'s matter.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from rich.table import Table

from orchestration import forking, home, manifest
from orchestration.cli import jobs, scenario
from orchestration.cli.arguments import datasets_by_exchange, days
from orchestration.cli.terminal import err, libraries_speak_to, out, say
from orchestration.settings import Settings

HOME = Path("data/demo")
QUERY = (
    "select period_start_date, exchange, long_usd, short_usd, completeness, observed_ratio from liquidations_daily "
    "where asset = 'BTC' order by 1 desc, 2 limit 8"
)


def demo() -> None:
    """Run the built-in simulated scenario through everything, offline.

    Example: market-stress demo
    """
    port = scenario.free_port()
    os.environ |= {
        "MARKET_STRESS_HOME": str(HOME.absolute()),
        "MARKET_STRESS_NOW": scenario.CLOCK,
        "MARKET_STRESS_EXCHANGE_URL": f"http://127.0.0.1:{port}",
    }
    os.environ.pop("MARKET_STRESS_UNIVERSE", None)
    settings = jobs.prepared()
    tape = scenario.folder(settings.home)
    stages: dict[str, float] = {}
    with _stage(stages, "simulate"), scenario.writing(tape):
        _load(settings)
    with scenario.serving(tape, scenario.CLOCK, port):
        with _stage(stages, "import what REST can't reach"):
            from orchestration.sandbox.scenario import write_archive

            jobs.take_in(settings, {dataset: [str(file)] for dataset, file in write_archive(tape).items()})
        with _stage(stages, "backfill"):
            span = days(*scenario.DAYS, settings.now())
            jobs.fetch(settings, span, datasets_by_exchange(settings, [], []), [])
            jobs.fetch_context(span)
    with _stage(stages, "refresh"):
        jobs.rebuild(settings)
    _print_headline(settings)
    _print_stages(stages)
    for line in (
        f"warehouse  {settings.home / 'warehouse.duckdb'}",
        f"brief      {settings.home / 'reports' / 'latest' / 'brief.html'}",
        f'query      MARKET_STRESS_HOME={HOME} .venv/bin/market-stress sql "{QUERY}"',
        f"UI         MARKET_STRESS_HOME={HOME} MARKET_STRESS_NOW={scenario.CLOCK} .venv/bin/market-stress up",
    ):
        say(line)


def _load(settings: Settings) -> None:
    """What the runs need, while the tape is being written: the fork server, Dagster, dbt's manifest."""
    with libraries_speak_to(home.log(settings.home)):
        forking.start()
        Thread(target=manifest.parse, args=(settings.home,), daemon=True).start()
        from orchestration.defs import launch  # noqa: F401 (seconds, spent here instead of later)


@contextmanager
def _stage(stages: dict[str, float], name: str) -> Iterator[None]:
    err.print(f"[bold]{name}[/] ...")
    began = time.monotonic()
    try:
        yield
    finally:
        stages[name] = time.monotonic() - began


def _print_headline(settings: Settings) -> None:
    from orchestration.brief import headline

    brief = json.loads((settings.home / "reports" / "latest" / "brief.json").read_text())
    headlines = Table(title=f"{scenario.NAME}: SIMULATED, no facts", show_header=False)
    for name, value in headline(brief):
        headlines.add_row(name, value)
    out.print(headlines)


def _print_stages(stages: dict[str, float]) -> None:
    times = Table("stage", "seconds", title="time spent")
    for name, seconds in stages.items():
        times.add_row(name, f"{seconds:.1f}")
    times.add_row("all", f"{sum(stages.values()):.1f}")
    out.print(times)
