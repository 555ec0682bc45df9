"""Commands that serve until they are stopped, on 127.0.0.1 alone: the Dagster UI with its daemon, and the sandbox."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli import scenario
from orchestration.cli.arguments import Port
from orchestration.cli.jobs import prepared
from orchestration.cli.terminal import say
from orchestration.settings import Settings, parse_moment


def up(port: Port = 3000) -> None:
    """Start the Dagster UI and daemon on 127.0.0.1.

    Example: market-stress up --port 3000
    """
    settings = prepared()
    from orchestration.defs import launch

    say(f"Dagster UI: http://127.0.0.1:{port}   home: {settings.home}")
    command = ["dagster", "dev", "-m", "orchestration.definitions", "-h", "127.0.0.1", "-p", str(port)]
    with launch.serving_ui():
        # A script's background jobs are started with these signals ignored, and so would be all that Dagster starts.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.execv(Path(sys.executable).with_name(command[0]), command)  # in our place, so that signals reach it


def sandbox(
    tape: Annotated[
        str, typer.Option(help="A folder of Parquet files, or the name of a built-in scenario.")
    ] = scenario.NAME,
    port: Port = 8787,
    now: Annotated[str | None, typer.Option(help="The server's clock; default: the system's.")] = None,
    shift_to_now: Annotated[
        bool, typer.Option("--shift-to-now", help="Move the tape's stamps by whole days, so that it ends now.")
    ] = False,
) -> None:
    """Serve a tape as the real exchanges would, on 127.0.0.1.

    Example: market-stress sandbox --tape deleveraging-2026-02 --port 8787 --now 2026-02-12T00:00:00Z
    """
    moment = parse_moment("--now", now) if now else None
    from orchestration.sandbox.server import serve

    folder = Path(tape)
    if tape == scenario.NAME:
        folder = scenario.folder(Settings.from_environment().home)
        scenario.write(folder)
    shifted = ", shifted to it" if shift_to_now else ""
    say(f"exchanges on http://127.0.0.1:{port} from {folder}, clock {moment or 'running'}{shifted}")
    say(f"use them with: export MARKET_STRESS_EXCHANGE_URL=http://127.0.0.1:{port}")
    serve(folder, port, moment, shift_to_now)
