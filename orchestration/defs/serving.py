"""What `market-stress up` runs: code server, guarded webserver and daemon, three processes that end with it.

Each leads a process group, to which all that Dagster starts below it belongs (runs and their steps, below the code
server), and reads a pipe whose other end only `up` holds: when that is closed, however `up` ended, the group is killed.
Here belongs how they are started, watched and ended. Whom the webserver lets in is the matter of `guard`. Dagster is
imported where it is used, so that the pipe is watched before that takes its seconds.
"""

import errno
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import entry_points
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from shutil import rmtree
from subprocess import PIPE, Popen, TimeoutExpired
from tempfile import TemporaryDirectory
from threading import Thread
from typing import IO

import yaml

DEFINITIONS = "orchestration.definitions"
CHILDREN = ("code-server", "webserver", "daemon")
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
    """Serves the UI until SIGINT or SIGTERM; RuntimeError if one of the three processes ends before that.

    Cleans up after dead runs, before and afterwards, and shows meanwhile that runs started by the UI have somebody who
    looks after them.
    """
    from dagster import DagsterInstance

    from orchestration.defs.runs import fail_dead_runs, living

    # A script's background jobs are started with these signals ignored, and so would be all that Dagster starts.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with suppress(KeyboardInterrupt), DagsterInstance.get() as instance:  # somebody tells us to stop
        _end_orphans(home)
        fail_dead_runs(instance)
        try:
            with living(instance, "up"):
                _serve(home, listener, token)
        finally:
            fail_dead_runs(instance)


def _serve(home: Path, listener: socket.socket, token: str | None) -> None:
    children: dict[str, Popen] = {}
    with TemporaryDirectory(prefix="market-stress-") as folder:  # in the home, a socket's path may be too long
        try:
            _write_workspace(Path(folder))
            children["code-server"] = _start("code-server", home, folder)
            with listener:
                host, port = listener.getsockname()[:2]
                words = (host, port, listener.fileno())
                children["webserver"] = _start("webserver", home, folder, *words, passes=listener.fileno())
            _tell_token(children["webserver"], token)
            children["daemon"] = _start("daemon", home, folder)
            while True:
                for name, child in children.items():
                    if child.poll() is not None:
                        how = f"signal {-child.returncode}" if child.returncode < 0 else f"exit code {child.returncode}"
                        raise RuntimeError(f"the {name} has ended ({how}), so `up` ends: start it again")
                time.sleep(0.2)
        finally:
            _end(children)


def _write_workspace(folder: Path) -> None:
    """Where webserver and daemon find the code: one server for both, as a daemon starts its own anew every minute."""
    server = {"socket": str(folder / "socket"), "location_name": DEFINITIONS}
    (folder / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))


def _start(name: str, home: Path, folder: str, *words: object, passes: int | None = None) -> Popen:
    command = [sys.executable, "-P", "-m", __name__, name, str(home), folder, *map(str, words)]
    environment = {key: value for key, value in os.environ.items() if key != "MARKET_STRESS_TOKEN"}
    passed = () if passes is None else (passes,)
    return Popen(command, stdin=PIPE, bufsize=0, process_group=0, pass_fds=passed, env=environment)


def _tell_token(child: Popen, token: str | None) -> None:
    """Through the pipe, since everybody may list the words of a process."""
    assert child.stdin
    with suppress(BrokenPipeError):  # it has ended already, which is seen soon
        child.stdin.write(f"{token or ''}\n".encode())


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


def _webserver(folder: Path, token: str | None, host: str, port: str, descriptor: str) -> None:
    import uvicorn
    from dagster import DagsterInstance
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget
    from dagster_webserver.cli import create_app_from_workspace_process_context
    from dagster_webserver.version import __version__

    from orchestration.guard import Guard

    _wait_for_code(folder)
    target = WorkspaceFileTarget([str(folder / "workspace.yaml")])
    with (
        DagsterInstance.get() as instance,
        WorkspaceProcessContext(instance, workspace_load_target=target, version=__version__) as context,
    ):
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


def _run(script: str, *words: str) -> None:
    """Runs one of Dagster's commands in this process."""
    [command] = entry_points(group="console_scripts", name=script)
    sys.argv = [script, *words]
    command.load()()


def _wait_for_code(folder: Path) -> None:
    while not (folder / "socket").exists():  # if it never comes, the code server has ended, and `up` ends us
        time.sleep(0.1)


def _end_with(pipe: IO[bytes], folder: Path) -> None:
    while pipe.read(1):
        pass
    rmtree(folder, ignore_errors=True)  # nobody is left who would
    os.killpg(0, signal.SIGKILL)


def _main(name: str, home: str, place: str, *words: str) -> None:
    pipe, folder = os.fdopen(0, "rb", buffering=0), Path(place)
    token = pipe.readline().decode().strip() if name == "webserver" else ""
    Thread(target=_end_with, args=[pipe, folder], daemon=True).start()
    with alone(Path(home), name, str(os.getpid())):
        if name == "webserver":
            _webserver(folder, token or None, *words)
        elif name == "daemon":
            _wait_for_code(folder)
            _run("dagster-daemon", "run", "--workspace", str(folder / "workspace.yaml"))
        else:
            served = ["--socket", str(folder / "socket"), "-m", DEFINITIONS, "--heartbeat-ttl", "20"]
            _run("dagster", "code-server", "start", *served, "--log-level", "warning")


if __name__ == "__main__":
    _main(*sys.argv[1:])
