"""Commands that serve until they are stopped, on 127.0.0.1 by default: the Dagster UI with its daemon, the sandbox."""

import os
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli import scenario
from orchestration.cli.arguments import Port
from orchestration.cli.jobs import prepared
from orchestration.cli.terminal import say
from orchestration.settings import Settings, parse_moment

LOOPBACK = "127.0.0.1"


def up(
    port: Port = 3000,
    host: Annotated[str, typer.Option(help="The address to listen on; what lets others in needs a token.")] = LOOPBACK,
    token: Annotated[
        str | None, typer.Option(help="What the UI then asks of everybody. MARKET_STRESS_TOKEN isn't seen by others.")
    ] = None,
) -> None:
    """Start the Dagster UI and daemon, on 127.0.0.1 by default.

    Example: market-stress up --port 3000
    """
    from orchestration import guard

    token = token or Settings.from_environment().token
    address = guard.address(host, token)
    settings = prepared()
    from orchestration.defs import serving

    url = guard.url(address, port)
    with serving.alone(settings.home, "up", f"process {os.getpid()}, {url}"):
        listener = serving.listening(address, port)
        say(f"Dagster UI: {url}   home: {settings.home}")
        if token:
            say("It asks for the token: open it once with /?token=... behind the address.")
        serving.serve(settings.home, listener, token)


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
