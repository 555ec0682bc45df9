"""Connections that assets share: the exchange sessions of a run, dbt, and the pools that keep runs apart.

Here belongs what knows connections and nothing about data.
"""

import fcntl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import IO

import dagster as dg
from dagster_dbt import DbtCliResource, DbtProject
from packaging.version import Version
from pydantic import PrivateAttr

from orchestration import manifest
from orchestration.ingest import Session, open_session
from orchestration.settings import Settings

WAREHOUSE_POOL = "warehouse"
OWNERS = ["team:market-stress"]


class Exchanges(dg.ConfigurableResource):
    """One ccxt session per exchange and run, shared by its datasets: ccxt's rate limiter lives in the instance."""

    _sessions: dict[str, Session] = PrivateAttr(default_factory=dict)

    def session(self, exchange: str) -> Session:
        """The run's session with an exchange, opened when first asked for."""
        if exchange not in self._sessions:
            settings = Settings.from_environment()
            self._sessions[exchange] = open_session(exchange, settings.exchange_url, settings.universe.assets)
        return self._sessions[exchange]


@contextmanager
def pool_slot(context: dg.OpExecutionContext, pool: str) -> Iterator[None]:
    """Holds the only slot of a Dagster pool: runs of one exchange (or of the warehouse) come one after the other.

    Dagster binds a pool to an op, but our op serves every exchange, so the slot is claimed here. A killed process
    would keep its slot for ever; therefore a holder also holds a file lock, which dies with it, and whoever waits
    frees the slots of the dead.
    """
    storage, run_id, step = context.instance.event_log_storage, context.run.run_id, str(context.op_handle)
    if pool not in storage.get_concurrency_keys():
        storage.set_concurrency_slots(pool, 1)
    _show_alive(run_id)
    while not storage.claim_concurrency_slot(pool, run_id, step).is_claimed:
        free_slots_of_dead_runs(context.instance)
        time.sleep(0.5)
    try:
        yield
    finally:
        storage.free_concurrency_slot_for_step(run_id, step)


def free_slots_of_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Marks runs whose process is gone as failed and frees their pool slots; returns their ids."""
    dead = []
    for lock in _alive_folder().glob("[!.]*"):
        with lock.open() as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            run = instance.get_run_by_id(lock.name)
            if run and not run.is_finished:
                instance.report_run_failed(run, "The process of this run is gone; its pool slots were freed.")
                dead.append(run.run_id)
            instance.event_log_storage.free_concurrency_slots_for_run(lock.name)
            lock.unlink(missing_ok=True)
    return dead


_locks: dict[str, IO] = {}  # open until the process ends, for then the kernel lets go of them, however it ended


def _show_alive(run_id: str) -> None:
    if run_id not in _locks:
        draft = _alive_folder() / f".{run_id}"
        _locks[run_id] = draft.open("w")
        fcntl.flock(_locks[run_id], fcntl.LOCK_EX)
        draft.rename(_alive_folder() / run_id)


def _alive_folder() -> Path:
    folder = Settings.from_environment().home / "dagster" / "alive"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


settings = Settings.from_environment()
settings.export_home()
dbt_project = DbtProject(manifest.PROJECT, profiles_dir=manifest.PROJECT, target_path=manifest.target(settings.home))


class Dbt(DbtCliResource):
    """dbt as one process of its own: to ask for its version takes seconds, its adapter in ours would hold the file."""

    @property
    def _cli_version(self) -> Version:
        return Version(version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> None:
        return None


@dg.definitions
def resources() -> dg.Definitions:
    """Runs are executed in one process: one session per exchange, and nobody pays for the imports again."""
    dbt = Dbt(project_dir=dbt_project, dbt_executable=str(manifest.DBT))
    return dg.Definitions(resources={"exchanges": Exchanges(), "dbt": dbt}, executor=dg.in_process_executor)
