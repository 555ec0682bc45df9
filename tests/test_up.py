"""`market-stress up`: it starts, answers whom it should, and leaves nothing behind, however it ends."""

import fcntl
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

pytestmark = pytest.mark.slow

COMMAND = Path(sys.executable).with_name("market-stress")
STARTS_WITHIN_SECONDS, STOPS_WITHIN_SECONDS = 120, 30
TOKEN = "a-token-of-more-than-sixteen"
FORBIDDEN = 'mutation{setConcurrencyLimit(concurrencyKey:"gate",limit:0)}'
MATERIALIZED = '{assetOrError(assetKey:{path:["market_stress"]}){... on Asset{assetMaterializations{runId}}}}'
LAUNCH = """mutation{launchRun(executionParams:{
    selector:{repositoryLocationName:"orchestration.definitions", repositoryName:"__repository__", jobName:"ingest",
        assetSelection:[{path:["raw","gate","funding_rates"]}]},
    executionMetadata:{tags:[{key:"dagster/partition", value:"2026-02-10"}]}, mode:"default"
}){... on LaunchRunSuccess{run{runId}}}}"""
LIMITS = "{instance{concurrencyLimits{concurrencyKey slotCount}}}"


class Up:
    """A started `up` on a home and a port."""

    def __init__(self, home: Path, port: int, *words: str, **variables: str) -> None:
        self.home, self.port, self.url = home, port, f"http://127.0.0.1:{port}"
        script = f"trap '' INT TERM; exec {COMMAND} up --port {port} {' '.join(words)}"
        self.log = (home.parent / f"{home.name}.log").open("a+")
        self.process = subprocess.Popen(
            ["sh", "-c", script], env=environment(home, **variables), start_new_session=True,
            stdout=self.log, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def said(self) -> str:
        self.log.seek(0)
        return self.log.read()


def environment(home: Path, **variables: str) -> dict[str, str]:
    return {**os.environ, "MARKET_STRESS_HOME": str(home), "MARKET_STRESS_NOW": "2026-02-12T00:00:00Z", **variables}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def started(home: Path, port: int, *words: str, **variables: str) -> Iterator[Up]:
    up = Up(home, port, *words, **variables)
    try:
        yield up
    finally:
        up.process.kill()
        until(lambda: living(up.process.pid) == [], STOPS_WITHIN_SECONDS)
        for pid in living(up.process.pid):
            os.kill(pid, signal.SIGKILL)
        up.process.wait()
        up.log.close()


@pytest.fixture(scope="module")
def up(tmp_path_factory) -> Iterator[Up]:
    """One for all, of a script that ignores the signals by which it is told to stop."""
    with started(tmp_path_factory.mktemp("up") / "home", free_port()) as running:
        assert answers(running.url)
        yield running


def test_it_listens_on_this_machine_alone_and_shows_that_it_lives(up):
    assert listeners(up.port) == {"127.0.0.1"}
    assert is_held(next((up.home / "dagster" / "alive").glob("up.*")))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (405, ["-G", "--data-urlencode", f"query={FORBIDDEN}", "{url}/graphql"]),
        (405, ["-G", "--data-urlencode", f"query={FORBIDDEN}", "-H", "Accept: text/html", "{url}/graphql"]),
        (415, ["--data-urlencode", f"query={FORBIDDEN}", "{url}/graphql"]),
        (415, ["-F", f"query={FORBIDDEN}", "{url}/graphql"]),
        (415, ["-H", "Content-Type: text/plain; application/json", "-d", "{order}", "{url}/graphql"]),
        (415, ["-H", "Content-Type: application/graphql", "-d", FORBIDDEN, "{url}/graphql"]),
        (415, ["-X", "POST", "-H", "Content-Type:", "{url}/graphql?query=" + FORBIDDEN.replace('"', "%22")]),
        (403, ["-H", "Origin: http://evil.example", "{json}", "-d", "{order}", "{url}/graphql"]),
        (403, ["-H", "Origin: null", "{json}", "-d", "{order}", "{url}/graphql"]),
        (403, ["-H", "Host: evil.example", "{json}", "-d", "{order}", "{url}/graphql"]),
        (403, ["-H", "Host: evil.example", "{url}/"]),
        (405, ["-X", "OPTIONS", "{url}/graphql"]),
        (415, ["-X", "POST", "{url}/report_asset_materialization/market_stress"]),
        (403, ["-X", "POST", "-H", "Origin: http://evil.example", "{url}/report_asset_materialization/market_stress"]),
        (403, ["-X", "POST", "-H", "Host: evil.example", "{url}/report_asset_check/market_stress?check_name=a"]),
        (403, ["-X", "POST", "-H", "Host: evil.example", "{url}/report_asset_observation/market_stress"]),
    ],
)
def test_web_page_of_others_changes_nothing(up, status, words):
    order = json.dumps({"query": FORBIDDEN})
    filled = [word.replace("{url}", up.url).replace("{order}", order) for word in words]
    filled = [
        part for word in filled for part in (["-H", "Content-Type: application/json"] if word == "{json}" else [word])
    ]
    answer = subprocess.run(
        ["curl", "--silent", "--globoff", "--write-out", "%{http_code}", *filled],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert re.fullmatch(rf"market-stress: [^\n]+\n{status}", answer)
    assert asked(up, LIMITS)["instance"]["concurrencyLimits"] == []
    assert asked(up, MATERIALIZED)["assetOrError"].get("assetMaterializations", []) == []


def test_the_ui_still_works(up):
    page = requests.get(up.url, timeout=60)
    assert (page.status_code, page.headers["X-Frame-Options"]) == (200, "DENY")
    script = re.search(r'src="(/_next/[^"]+\.js)"', page.text)[1]
    assert requests.get(up.url + script, timeout=60).headers["Content-Type"].endswith("javascript")
    assert requests.get(f"{up.url}/logs/a/compute_logs/b.err", timeout=60).status_code == 404
    order = 'mutation{setConcurrencyLimit(concurrencyKey:"okx",limit:2)}'
    try:
        assert asked(up, order) == {"setConcurrencyLimit": True}
        assert asked(up, LIMITS)["instance"]["concurrencyLimits"] == [{"concurrencyKey": "okx", "slotCount": 2}]
    finally:
        asked(up, 'mutation{deleteConcurrencyLimit(concurrencyKey:"okx")}')


def test_code_is_loaded_in_the_ui(up):
    query = "{workspaceOrError{... on Workspace{locationEntries{name locationOrLoadError{__typename}}}}}"
    entry = {"name": "orchestration.definitions", "locationOrLoadError": {"__typename": "RepositoryLocation"}}
    assert asked(up, query)["workspaceOrError"]["locationEntries"] == [entry]


def test_subscriptions_are_for_our_own_pages(up):
    address = f"ws://127.0.0.1:{up.port}/graphql"
    with connect(address, origin=up.url, subprotocols=["graphql-ws"]) as socket_:
        socket_.send(json.dumps({"type": "connection_init"}))
        assert json.loads(socket_.recv(30)) == {"type": "connection_ack"}
        query = 'subscription{pipelineRunLogs(runId:"x"){__typename}}'
        socket_.send(json.dumps({"id": "1", "type": "start", "payload": {"query": query}}))
        answer = json.loads(socket_.recv(30))
        assert answer["payload"]["data"] == {"pipelineRunLogs": {"__typename": "PipelineRunLogsSubscriptionFailure"}}
        socket_.send(json.dumps({"id": "2", "type": "start", "payload": {"query": FORBIDDEN}}))
        messages = [json.loads(socket_.recv(30)) for _ in range(2)]
        assert [message["type"] for message in messages if message["id"] == "2"] == ["error"]
    assert asked(up, LIMITS)["instance"]["concurrencyLimits"] == []
    for origin in ("http://evil.example", "null"):
        with pytest.raises(InvalidStatus, match="403"):
            connect(address, origin=origin, subprotocols=["graphql-ws"])
    with pytest.raises(InvalidStatus, match="403"):
        connect(f"ws://localhost.localdomain:{up.port}/graphql", sock=socket.create_connection(("127.0.0.1", up.port)))


def test_the_second_one_says_who_runs_where(up, tmp_path):
    assert (
        refused(up.home, free_port())
        == f"market-stress: up runs already on {up.home}: process {up.process.pid}, {up.url}"
    )
    assert f"port {up.port} is taken" in refused(tmp_path, up.port)


def test_what_lets_others_in_needs_a_token(tmp_path):
    assert "needs a token" in refused(tmp_path / "home", free_port(), "--host", "0.0.0.0")
    assert "at least 16" in refused(tmp_path / "home", free_port(), "--host", "0.0.0.0", "--token", "short")
    assert not (tmp_path / "home").exists()


def test_it_stops_on_sigterm_even_if_its_script_ignores_it(up):
    """A shell starts background jobs of a script with SIGINT ignored; `nohup` and others ignore more. It comes last."""
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(STOPS_WITHIN_SECONDS) == 0
    assert until(lambda: living(up.process.pid) == [], STOPS_WITHIN_SECONDS)
    assert "Traceback" not in up.said()


@pytest.mark.thorough
@pytest.mark.soak
def test_nothing_outlives_a_kill_and_the_next_one_starts(tmp_path, rounds):
    """Killed at a random moment from its first breath on; the token is neither listed nor logged meanwhile."""
    port, home, chance = free_port(), tmp_path / "home", random.Random(9)
    for moment in [0.5, *(chance.uniform(0, 15) for _ in range(2 * rounds))]:
        with started(home, port, "--host", "0.0.0.0", MARKET_STRESS_TOKEN=TOKEN) as killed:
            time.sleep(moment)
            assert TOKEN not in listed(killed.process.pid)
            killed.process.kill()
            assert until(lambda: living(killed.process.pid) == [], STOPS_WITHIN_SECONDS), (
                f"after {moment:.1f} s: {listed(killed.process.pid)}"
            )
    with started(home, port, "--host", "0.0.0.0", MARKET_STRESS_TOKEN=TOKEN) as up:
        assert answers(up.url, {"Authorization": f"Bearer {TOKEN}"})
        assert requests.get(up.url, timeout=60).status_code == 401
        browser = requests.Session()
        page = browser.get(f"{up.url}/runs?token={TOKEN}", timeout=60)
        assert (page.status_code, page.url) == (200, f"{up.url}/runs")
        assert browser.get(f"{up.url}/server_info", timeout=60).ok
        assert TOKEN not in listed(up.process.pid)
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(STOPS_WITHIN_SECONDS) == 0
        assert TOKEN not in up.said()


@pytest.mark.thorough
@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_run_ends_with_up_and_is_recorded_as_failed(tmp_path, number):
    """The exchange never answers, so that the run lasts."""
    port, home = free_port(), tmp_path / "home"
    runs = "{runsOrError{... on Runs{results{status}}}}"
    with socket.create_server(("127.0.0.1", 0)) as exchange:
        url = f"http://127.0.0.1:{exchange.getsockname()[1]}"
        with started(home, port, MARKET_STRESS_EXCHANGE_URL=url) as up:
            assert answers(up.url)
            launched = asked(up, LAUNCH)["launchRun"]["run"]["runId"]
            assert until(lambda: any((home / "dagster" / "alive").glob(f"{launched}.*")), 60)
            up.process.send_signal(number)
            up.process.wait(STOPS_WITHIN_SECONDS)
            assert until(lambda: living(up.process.pid) == [], STOPS_WITHIN_SECONDS)
    with started(home, port) as up:
        assert answers(up.url)
        assert asked(up, runs)["runsOrError"]["results"] == [{"status": "FAILURE"}]


@pytest.mark.thorough
@pytest.mark.soak
@pytest.mark.parametrize("name", ["code-server", "webserver", "daemon"])
def test_if_one_dies_all_end_and_it_is_said(tmp_path, name):
    with started(tmp_path / "home", free_port()) as up:
        assert answers(up.url)
        os.kill(leader(up, name), signal.SIGKILL)
        assert up.process.wait(STOPS_WITHIN_SECONDS) == 1
        assert f"the {name} has ended (signal 9), so `up` ends: start it again" in up.said()
        assert until(lambda: living(up.process.pid) == [], STOPS_WITHIN_SECONDS)


@pytest.mark.thorough
@pytest.mark.soak
def test_the_next_one_ends_what_could_not_end_itself(tmp_path):
    """A stopped process reads no pipe, and holds the port."""
    port, home = free_port(), tmp_path / "home"
    with started(home, port) as killed:
        assert answers(killed.url)
        stopped = leader(killed, "webserver")
        os.kill(stopped, signal.SIGSTOP)
        killed.process.kill()
        with started(home, port) as up:
            assert answers(up.url)
            assert living(killed.process.pid) == []


def asked(up: Up, query: str) -> dict:
    answer = requests.post(f"{up.url}/graphql", json={"query": query}, headers={"Origin": up.url}, timeout=60)
    assert answer.ok, answer.text
    return answer.json()["data"]


def refused(home: Path, port: int, *words: str) -> str:
    """What `up` says when it doesn't start."""
    command = [COMMAND, "up", "--port", str(port), *words]
    ended = subprocess.run(command, env=environment(home), capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    return ended.stderr.strip()


def is_held(lock: Path) -> bool:
    """Whether a process shows by this lock that runs started in the UI have somebody who looks after them."""
    with lock.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def answers(url: str, headers: dict[str, str] | None = None) -> bool:
    def once() -> bool:
        try:
            return requests.get(f"{url}/server_info", headers=headers, timeout=STARTS_WITHIN_SECONDS).ok
        except requests.ConnectionError:  # nobody listens yet
            return False

    return until(once, STARTS_WITHIN_SECONDS)


def until(is_true: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_true():
            return True
        time.sleep(0.1)
    return is_true()


def leader(up: Up, name: str) -> int:
    """The process of this name that `up` has started."""
    return int((up.home / "dagster" / f"{name}.lock").read_text())


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


def listed(session: int) -> str:
    """The words by which a session's processes were started, as everybody may see them."""
    words = []
    for pid in living(session):
        try:
            words.append(Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return "\n".join(words)
