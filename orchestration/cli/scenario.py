"""The built-in scenario on a disk of this machine, and a sandbox that serves it for a while.

What the scenario holds is made in `sandbox.scenario`; here belong the processes that write and serve it.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

from orchestration.cli.terminal import err
from orchestration.sandbox import SCENARIO as NAME
from orchestration.settings import parse_moment

DAYS = ("2025-04-18", "2026-02-12")
CLOCK = f"{DAYS[1]}T00:00:00Z"


def folder(home: Path) -> Path:
    """Where a home keeps the scenario's tape."""
    return home / "tapes" / NAME


def write(tape: Path) -> None:
    """Writes the tape; RuntimeError if that failed."""
    with err.status(f"writing the simulated tape {NAME}"), writing(tape):
        pass


@contextmanager
def writing(tape: Path) -> Iterator[None]:
    """Writes the tape while the block runs, and waits for it at the end; RuntimeError if it failed.

    In a process of its own, which gives the memory of 300 simulated days back.
    """
    from orchestration.sandbox.scenario import write_tape

    writer = get_context("spawn").Process(target=write_tape, args=(tape,))
    writer.start()
    yield
    writer.join()
    if writer.exitcode != 0:
        raise RuntimeError(f"the tape {NAME} could not be written")


@contextmanager
def serving(tape: Path, clock: str, port: int) -> Iterator[None]:
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


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
