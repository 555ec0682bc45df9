"""Runs of dead processes end as failed, whatever their state, and leave no slot taken; living ones are left alone."""

import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from orchestration import home as homes
from orchestration.defs import runs

pytestmark = pytest.mark.slow

HOLDER = """
import fcntl, os, sys, time
with open(f"{sys.argv[1]}/{sys.argv[2]}.{os.getpid()}", "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    print("held", flush=True)
    time.sleep(60)
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
def another_process(instance, name: str):
    """A process that holds a name until it is killed, in whatever way the block asks for."""
    folder = Path(instance.root_directory) / "alive"
    folder.mkdir(exist_ok=True)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, folder, name], stdout=subprocess.PIPE, text=True)
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
