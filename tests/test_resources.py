"""Pools keep runs apart, and the slots of killed processes are freed."""

import os
import signal
import subprocess
import sys
import time

import dagster as dg
import pytest

pytestmark = pytest.mark.slow

HOLDER = """
import sys, time
import dagster as dg
from orchestration.defs.resources import pool_slot

class Context:
    instance = dg.DagsterInstance.get()
    run = type("Run", (), {"run_id": sys.argv[1]})
    op_handle = "candles"

with pool_slot(Context, "gate"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_slot_of_a_killed_process_is_freed_and_its_run_marked_failed(monkeypatch, tmp_path):
    monkeypatch.setenv("MARKET_STRESS_HOME", str(tmp_path))
    monkeypatch.delenv("MARKET_STRESS_UNIVERSE", raising=False)
    from orchestration.cli import prepared

    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    prepared()
    from orchestration.defs.resources import free_slots_of_dead_runs

    with dg.DagsterInstance.get() as instance:

        @dg.job
        def ingest_of_gate():
            pass

        run = instance.create_run_for_job(ingest_of_gate, status=dg.DagsterRunStatus.STARTED)
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLDER, run.run_id], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        assert holder.stdout.readline().strip() == "held"
        assert free_slots_of_dead_runs(instance) == []
        assert not instance.event_log_storage.claim_concurrency_slot("gate", "other", "candles").is_claimed
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert free_slots_of_dead_runs(instance) == [run.run_id]
        assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE
        deadline = time.monotonic() + 10
        while not instance.event_log_storage.claim_concurrency_slot("gate", "other", "candles").is_claimed:
            assert time.monotonic() < deadline
