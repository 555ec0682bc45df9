"""Runs of dead processes end as failed, whatever their state, and leave no slot taken; living ones are left alone."""

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from orchestration import home as homes
from orchestration.defs import runs
from orchestration.defs.launcher import Launcher

pytestmark = pytest.mark.slow

HOLDER = """
import fcntl, os, platform, sys, time
with open(f"{sys.argv[1]}/{sys.argv[2]}.{os.getpid()}", "w") as lock:
    lock.write(f"{platform.node()}\\n{sys.argv[3]}")
    lock.flush()
    fcntl.flock(lock, fcntl.LOCK_EX)
    print("held", flush=True)
    while True:
        time.sleep(0.1)
        os.utime(lock.fileno())
"""
UNFINISHED = [dg.DagsterRunStatus(status) for status in ("NOT_STARTED", "STARTING", "STARTED", "CANCELING")]


@pytest.fixture
def instance(monkeypatch, tmp_path):
    for name, value in homes.prepare(tmp_path).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        yield instance


@dg.job
def ingest_of_gate():
    pass


@contextmanager
def another_process(instance, name: str, launcher: str = ""):
    """A process that holds a name and gives signs of life until it is killed, in whatever way the block asks for."""
    folder = Path(instance.root_directory) / "alive"
    folder.mkdir(exist_ok=True)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, folder, name, launcher], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline().strip() == "held"
    try:
        yield holder
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()


def status(instance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    return instance.get_run_by_id(run.run_id).status


@pytest.mark.parametrize("unfinished", UNFINISHED)
def test_run_of_a_killed_launcher_is_failed_and_its_slot_freed(instance, unfinished):
    tags = {runs.LAUNCHER_TAG: "launcher"}
    run = instance.create_run_for_job(ingest_of_gate, tags=tags, status=unfinished)
    storage = instance.event_log_storage
    storage.set_concurrency_slots("gate", 1)
    assert storage.claim_concurrency_slot("gate", run.run_id, "raw_gate").is_claimed
    with another_process(instance, "launcher"):
        assert runs.fail_dead_runs(instance) == []
        assert not storage.claim_concurrency_slot("gate", "other", "raw_gate").is_claimed
        storage.free_concurrency_slot_for_step("other", "raw_gate")
    assert runs.fail_dead_runs(instance) == [run.run_id]
    assert status(instance, run) is dg.DagsterRunStatus.FAILURE
    assert storage.claim_concurrency_slot("gate", "another", "raw_gate").is_claimed


def test_slot_of_an_ended_run_stays_while_one_of_its_processes_lives(instance):
    run = instance.create_run_for_job(ingest_of_gate, status=dg.DagsterRunStatus.FAILURE)
    storage = instance.event_log_storage
    storage.set_concurrency_slots("gate", 1)
    assert storage.claim_concurrency_slot("gate", run.run_id, "raw_gate").is_claimed
    with another_process(instance, run.run_id):
        runs.fail_dead_runs(instance)
        assert not storage.claim_concurrency_slot("gate", "other", "raw_gate").is_claimed
        storage.free_concurrency_slot_for_step("other", "raw_gate")
    runs.fail_dead_runs(instance)
    assert storage.claim_concurrency_slot("gate", "other", "raw_gate").is_claimed


def test_what_a_living_ui_has_just_started_is_left_alone(instance):
    started = instance.create_run_for_job(ingest_of_gate, status=dg.DagsterRunStatus.STARTING)
    with another_process(instance, "up"):
        assert runs.fail_dead_runs(instance) == []
    assert runs.fail_dead_runs(instance) == [started.run_id]


def test_run_of_the_ui_whose_worker_was_killed_is_failed_while_the_ui_lives(instance):
    run = instance.create_run_for_job(ingest_of_gate, status=dg.DagsterRunStatus.STARTED)
    with another_process(instance, "up"):
        with another_process(instance, run.run_id):
            assert runs.fail_dead_runs(instance) == []
        assert runs.fail_dead_runs(instance) == [run.run_id]


def test_lock_that_goes_while_we_look_is_no_fault(instance, tmp_path):
    folder = tmp_path / "dagster" / "alive"
    folder.mkdir(exist_ok=True)
    (folder / "gone.1").symlink_to(folder / "nowhere")
    assert runs.fail_dead_runs(instance) == []


# --- stopped processes


def lock_of(instance, process: subprocess.Popen) -> Path:
    return next((Path(instance.root_directory) / "alive").glob(f"*.{process.pid}"))


def test_a_process_that_gives_signs_of_life_is_not_stopped_and_one_that_is_stopped_is_found_and_ended(instance):
    watch = runs.Watch(looks=3)
    with another_process(instance, "run") as process:
        lock = lock_of(instance, process)
        for _ in range(8):
            assert watch.stopped([lock]) == []
            time.sleep(0.15)
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.2)
        assert [watch.stopped([lock]) for _ in range(4)][-1] == [lock]
        assert runs.end_process(lock)
        assert process.wait(5) == -signal.SIGKILL
        assert not runs.end_process(lock)  # nobody holds it any longer


def test_who_was_stopped_together_with_what_it_watches_finds_it_alive(instance):
    """However long it took: what counts is how often it looked."""
    watch = runs.Watch(looks=3)
    with another_process(instance, "run") as process:
        lock = lock_of(instance, process)
        watch.stopped([lock])
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        process.send_signal(signal.SIGCONT)
        time.sleep(0.3)
        assert [watch.stopped([lock]) for _ in range(2)] == [[], []]


def test_processes_of_another_machine_are_left_alone(instance):
    with another_process(instance, "run") as process:
        lock = lock_of(instance, process)
        lock.write_text("elsewhere\n")
        assert runs.is_held(lock)
        assert not runs.end_process(lock)
        assert process.poll() is None


def test_launcher_ends_its_own_stopped_steps_and_no_others(instance):
    with runs.launching(instance, stopped_after_seconds=2) as tags:
        launcher = tags[runs.LAUNCHER_TAG]
        with (
            another_process(instance, "ours", launcher) as stopped,
            another_process(instance, "ours too", launcher) as living,
            another_process(instance, "theirs", "another") as foreign,
        ):
            for process in (stopped, foreign):
                process.send_signal(signal.SIGSTOP)
            assert stopped.wait(15) == -signal.SIGKILL
            time.sleep(2)
            assert living.poll() is None
            assert foreign.poll() is None


def test_stopped_step_of_a_dead_command_is_ended_and_its_run_failed(instance, monkeypatch):
    monkeypatch.setattr(runs, "PATIENCE_SECONDS", 1)
    run = instance.create_run_for_job(
        ingest_of_gate, tags={runs.LAUNCHER_TAG: "gone"}, status=dg.DagsterRunStatus.STARTED
    )
    with another_process(instance, run.run_id, "gone") as step:
        step.send_signal(signal.SIGSTOP)
        assert runs.fail_dead_runs(instance) == [run.run_id]
        assert step.wait(5) == -signal.SIGKILL


def health(instance, run: dg.DagsterRun):
    return instance.run_launcher.check_run_worker_health(run).status.value


def test_daemon_asks_our_launcher_which_fails_runs_of_dead_commands(instance):
    assert isinstance(instance.run_launcher, Launcher)
    assert instance.run_launcher.supports_check_run_worker_health
    run = instance.create_run_for_job(ingest_of_gate, tags={runs.LAUNCHER_TAG: "one"})
    with another_process(instance, "one"):
        assert health(instance, run) == "RUNNING"
    with another_process(instance, run.run_id, "one"):  # a step that is about to notice
        assert health(instance, run) == "RUNNING"
    assert health(instance, run) == "FAILED"


def test_daemon_fails_runs_of_a_code_server_that_is_gone(instance, tmp_path):
    """As long as one answers, it records itself how its processes end."""
    waiting = instance.create_run_for_job(ingest_of_gate)
    assert health(instance, waiting) == "RUNNING"
    server = {".dagster/grpc_info": json.dumps({"host": "localhost", "socket": f"{tmp_path / 'gone'}"})}
    run = instance.create_run_for_job(ingest_of_gate, tags=server, status=dg.DagsterRunStatus.STARTED)
    with another_process(instance, run.run_id):  # a worker that is about to notice
        assert health(instance, run) == "RUNNING"
    assert health(instance, run) == "FAILED"


def test_private_members_of_the_launcher_are_still_dagsters():
    assert hasattr(dg.DefaultRunLauncher, "_get_grpc_client_for_termination")


def test_daemon_ends_a_scheduled_run_that_is_stopped(instance):
    run = instance.create_run_for_job(ingest_of_gate)
    with another_process(instance, run.run_id) as worker:
        for _ in range(8):
            assert health(instance, run) == "RUNNING"
            time.sleep(0.15)
        assert worker.poll() is None
        worker.send_signal(signal.SIGSTOP)
        time.sleep(0.2)
        for _ in range(6):  # five looks of 30 seconds, the first of which saw the last sign of life
            health(instance, run)
        assert worker.wait(5) == -signal.SIGKILL


def test_run_that_does_not_end_when_it_is_told_to_is_killed(instance, monkeypatch):
    monkeypatch.setattr("orchestration.defs.launcher.GRACE_SECONDS", 0.5)
    run = instance.create_run_for_job(ingest_of_gate, status=dg.DagsterRunStatus.STARTED)
    with another_process(instance, run.run_id) as worker:
        instance.run_launcher.terminate(run.run_id)
        assert worker.wait(5) == -signal.SIGKILL
