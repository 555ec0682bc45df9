"""`market-stress up`: it starts, answers, and stops when it is told to, also in the background of a script."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

pytestmark = pytest.mark.slow

COMMAND = Path(sys.executable).with_name("market-stress")
STARTS_WITHIN_SECONDS, STOPS_WITHIN_SECONDS = 120, 30


def test_up_answers_and_stops_on_sigterm_even_if_its_script_ignores_it(tmp_path):
    """A shell starts background jobs of a script with SIGINT ignored; `nohup` and others ignore more."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "MARKET_STRESS_HOME": str(tmp_path), "MARKET_STRESS_NOW": "2026-02-12T00:00:00Z"}
    script = f"trap '' INT TERM; exec {COMMAND} up --port {port}"
    served = subprocess.Popen(["sh", "-c", script], env=environment, start_new_session=True)
    try:
        assert answers(f"http://127.0.0.1:{port}/server_info")
        assert listeners(port) == {"127.0.0.1"}
        assert is_held(next((tmp_path / "dagster" / "alive").glob("up.*")))
        served.send_signal(signal.SIGTERM)
        served.wait(STOPS_WITHIN_SECONDS)
        deadline = time.monotonic() + STOPS_WITHIN_SECONDS
        while living(served.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert living(served.pid) == []
    finally:
        if living(served.pid):
            os.killpg(served.pid, signal.SIGKILL)


def is_held(lock: Path) -> bool:
    """Whether a process shows by this lock that runs started in the UI have somebody who looks after them."""
    with lock.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def answers(url: str) -> bool:
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while time.monotonic() < deadline:
        try:
            return requests.get(url, timeout=5).ok
        except requests.ConnectionError:
            time.sleep(0.2)
    return False


def listeners(port: int) -> set[str]:
    """The addresses on which somebody listens at a port, of IPv4 and IPv6."""
    found = set()
    for family in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{family}").read_text().splitlines()[1:]:
            local, state = (line.split()[column] for column in (1, 3))
            address, number = local.split(":")
            if state == "0A" and int(number, 16) == port:
                found.add(socket.inet_ntoa(bytes.fromhex(address)[::-1]) if family == "tcp" else address)
    return found


def living(session: int) -> list[int]:
    """The processes of a session that haven't ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found
