"""Which runs live, and what becomes of those that don't.

Every process that works for a run holds a file lock, which the kernel lets go of however the process ends. So a run
whose locks are free is dead, whatever its record says: it is marked as failed, and its pool slots are freed. Here
belongs nothing of what runs do.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import parent_process
from pathlib import Path
from threading import Thread
from uuid import uuid4

import dagster as dg

LAUNCHER_TAG = "market_stress/launcher"
UNFINISHED = [
    dg.DagsterRunStatus(status) for status in ("NOT_STARTED", "QUEUED", "STARTING", "STARTED", "CANCELING", "MANAGED")
]
PATIENCE_SECONDS = 30  # for steps to notice that the process which started them is gone


@contextmanager
def launching(instance: dg.DagsterInstance) -> Iterator[dict[str, str]]:
    """Cleans up after dead runs, then yields the tags by which the runs of this process are known as living."""
    fail_dead_runs(instance)
    launcher = uuid4().hex[:12]
    with living(instance, launcher):
        yield {LAUNCHER_TAG: launcher}


@contextmanager
def working_for(context: dg.OpExecutionContext) -> Iterator[None]:
    """What a step does inside: its run lives as long as it does, and it ends with the process that started it.

    Python's fork server and what is forked from it would outlive that process, and go on writing.
    """
    if creator := parent_process():
        server = os.getppid()

        def is_cared_for() -> bool:
            return creator.is_alive() and os.getppid() == server

        def end_when_alone() -> None:
            while is_cared_for():
                creator.join(0.5)
            os._exit(1)

        if not is_cared_for():  # it died while this process was starting
            os._exit(1)
        Thread(target=end_when_alone, daemon=True).start()
    with living(context.instance, context.run.run_id):
        yield


@contextmanager
def living(instance: dg.DagsterInstance, name: str) -> Iterator[None]:
    """Holds a lock of this process under a name (a run's id, a launcher's, or `up`)."""
    folder = _folder(instance)
    folder.mkdir(exist_ok=True)
    draft, lock = (folder / f"{dot}{name}.{os.getpid()}" for dot in (".", ""))
    with draft.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        draft.rename(lock)  # nobody sees it before it is held
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def fail_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Marks runs without a living process as failed and frees the slots of ended runs; returns the ids of the former.

    Runs that wait in the queue, or that a living `up` has only just started, are left alone.
    """
    held, free = _names(_folder(instance))
    dead = []
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        launcher = run.tags.get(LAUNCHER_TAG)
        is_of_up = launcher is None and run.run_id not in free
        if launcher in held or (is_of_up and (run.status is dg.DagsterRunStatus.QUEUED or "up" in held)):
            continue
        if _wait_for(_folder(instance), run.run_id):
            instance.report_run_failed(run, "The process of this run is gone.")
            dead.append(run.run_id)
    _free_slots(instance)
    return dead


def _free_slots(instance: dg.DagsterInstance) -> None:
    held, _ = _names(_folder(instance))
    storage = instance.event_log_storage
    for pool in storage.get_concurrency_keys():
        info = storage.get_concurrency_info(pool)
        runs = {slot.run_id for slot in info.claimed_slots} | {step.run_id for step in info.pending_steps}
        for run_id in runs - held:
            run = instance.get_run_by_id(run_id)
            if run is None or run.is_finished:
                storage.free_concurrency_slots_for_run(run_id)


def _wait_for(folder: Path, name: str) -> bool:
    """Whether nobody holds the name, now or a little later."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while name in _names(folder)[0]:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _names(folder: Path) -> tuple[set[str], set[str]]:
    """The names that living processes hold, and those that dead ones left behind, whose files are removed."""
    held, free = set(), set()
    for lock in folder.glob("[!.]*"):
        with suppress(FileNotFoundError), lock.open() as handle:  # it may go while we look
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held.add(lock.stem)
                continue
            free.add(lock.stem)
            lock.unlink(missing_ok=True)
    return held, free - held


def _folder(instance: dg.DagsterInstance) -> Path:
    return Path(instance.root_directory) / "alive"
