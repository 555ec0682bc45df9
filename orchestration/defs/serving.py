"""What `market-stress up` runs: the guarded webserver and the daemon, two processes that end with the one above them.

Each leads a process group, to which all that Dagster starts below it belongs (code servers, runs, their steps), and
reads a pipe whose other end only `up` holds: when that is closed, however `up` ended, the group is killed. Here belongs
how they are started, watched and ended. Whom the webserver lets in is the matter of `guard`.
"""

import errno
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib.metadata import entry_points
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from threading import Thread
from typing import IO

import dagster as dg

from orchestration.defs.runs import fail_dead_runs, living

DEFINITIONS = "orchestration.definitions"
CHILDREN = ("webserver", "daemon")
ENDS_WITHIN_SECONDS = 8  # what was told to end is killed after that
PORT_IS_FREED_WITHIN_SECONDS = 3  # by what a killed `up` leaves behind


@contextmanager
def alone(home: Path, name: str, told: str) -> Iterator[None]:
    """Holds `<name>.lock` of a home and leaves there what is told; ValueError with what its holder told."""
    with _lock(home, name).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ValueError(f"{name} runs already on {home}: {lock.read()}") from None
        lock.truncate(0)
        lock.write(told)
        lock.flush()
        yield


def listening(host: IPv4Address | IPv6Address, port: int) -> socket.socket:
    """A socket that listens there; ValueError if that can't be."""
    family = socket.AF_INET if host.version == 4 else socket.AF_INET6
    deadline = time.monotonic() + PORT_IS_FREED_WITHIN_SECONDS
    while True:
        try:
            return socket.create_server((str(host), port), family=family)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                reason = os.strerror(error.errno or 0)
                raise ValueError(f"nobody can listen on {host}, port {port}: {reason}") from None
            if time.monotonic() > deadline:
                raise ValueError(
                    f"port {port} is taken, perhaps by an `up` on another home: choose another with --port"
                ) from None
        time.sleep(0.1)


def serve(home: Path, listener: socket.socket, token: str | None) -> None:
    """Serves the UI until SIGINT or SIGTERM; RuntimeError if the webserver or the daemon ends before that.

    Cleans up after dead runs, before and afterwards, and shows meanwhile that runs started by the UI have somebody who
    looks after them.
    """
    _end_orphans(home)
    with dg.DagsterInstance.get() as instance:
        fail_dead_runs(instance)
        try:
            with living(instance, "up"):
                _serve(home, listener, token)
        finally:
            fail_dead_runs(instance)


def _serve(home: Path, listener: socket.socket, token: str | None) -> None:
    children: dict[str, Popen] = {}
    try:
        # A script's background jobs are started with these signals ignored, and so would be all that Dagster starts.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        with listener:
            host, port = listener.getsockname()[:2]
            children["webserver"] = _start("webserver", home, host, port, listener.fileno(), passes=listener.fileno())
        _tell_token(children["webserver"], token)
        children["daemon"] = _start("daemon", home)
        while True:
            for name, child in children.items():
                if child.poll() is not None:
                    raise RuntimeError(f"the {name} has ended ({_how(child.returncode)}), so `up` ends: start it again")
            time.sleep(0.2)
    except KeyboardInterrupt:
        pass  # somebody told us to stop
    finally:
        _end(children)


def _start(name: str, *words: object, passes: int | None = None) -> Popen:
    command = [sys.executable, "-P", "-m", __name__, name, *map(str, words)]
    environment = {key: value for key, value in os.environ.items() if key != "MARKET_STRESS_TOKEN"}
    passed = () if passes is None else (passes,)
    return Popen(command, stdin=PIPE, bufsize=0, process_group=0, pass_fds=passed, env=environment)


def _tell_token(child: Popen, token: str | None) -> None:
    """Through the pipe, since everybody may list the words of a process."""
    assert child.stdin
    with suppress(BrokenPipeError):  # it has ended already, which is seen soon
        child.stdin.write(f"{token or ''}\n".encode())


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _end(children: Mapping[str, Popen]) -> None:
    """Tells the groups to end, waits for their leaders, and kills who is left."""
    try:
        for child in children.values():
            _tell(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + ENDS_WITHIN_SECONDS
        for child in children.values():
            with suppress(TimeoutExpired):
                child.wait(max(0, deadline - time.monotonic()))
    finally:
        for child in children.values():
            _tell(child.pid, signal.SIGKILL)
            child.wait()


def _end_orphans(home: Path) -> None:
    """Kills the groups of an `up` that is gone, where they couldn't do that themselves: stopped, for example."""
    for name in CHILDREN:
        deadline = time.monotonic() + ENDS_WITHIN_SECONDS
        while True:
            try:
                with alone(home, name, ""):
                    break
            except ValueError:
                if time.monotonic() > deadline:
                    raise
                with suppress(ValueError):  # it hasn't written yet who it is
                    _tell(int(_lock(home, name).read_text()), signal.SIGKILL)
            time.sleep(0.1)


def _tell(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # the latter is what macOS says of a group of zombies
        os.killpg(group, number)


def _lock(home: Path, name: str) -> Path:
    return home / "dagster" / f"{name}.lock"


def _webserver(token: str | None, host: str, port: str, descriptor: str) -> None:
    import uvicorn
    from dagster._cli.workspace.cli_target import workspace_opts_to_load_target
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster_shared.cli import WorkspaceOpts
    from dagster_webserver.cli import create_app_from_workspace_process_context
    from dagster_webserver.version import __version__

    from orchestration.guard import Guard

    target = workspace_opts_to_load_target(WorkspaceOpts(module_name=(DEFINITIONS,)))  # as the daemon reads its -m
    with ExitStack() as open_:
        instance = open_.enter_context(dg.DagsterInstance.get())
        context = open_.enter_context(
            WorkspaceProcessContext(
                instance, workspace_load_target=target, version=__version__, code_server_log_level="WARNING"
            )
        )
        app = create_app_from_workspace_process_context(context, live_data_poll_rate=2000)
        config = uvicorn.Config(
            Guard(app, ip_address(host), int(port), token),
            access_log=False,
            log_level="warning",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(descriptor))])


def _daemon() -> None:
    [command] = entry_points(group="console_scripts", name="dagster-daemon")
    sys.argv = [command.name, "run", "-m", DEFINITIONS]
    command.load()()


def _end_with(pipe: IO[bytes]) -> None:
    while pipe.read(1):
        pass
    os.killpg(0, signal.SIGKILL)


def _main(name: str, home: str, *words: str) -> None:
    pipe = os.fdopen(0, "rb", buffering=0)
    token = pipe.readline().decode().strip() if name == "webserver" else ""
    Thread(target=_end_with, args=[pipe], daemon=True).start()
    with alone(Path(home), name, str(os.getpid())):
        if name == "webserver":
            _webserver(token or None, *words)
        else:
            _daemon()


if __name__ == "__main__":
    _main(*sys.argv[1:])
