"""Which runs live, and what becomes of those that don't.

Every process that works for a run holds a file lock, which the kernel lets go of however the process ends. So a run
whose locks are free is dead, whatever its record says: it is marked as failed, and its pool slots are freed. A process
that works for a run also touches its lock again and again: one that holds it and doesn't has been stopped, and is
ended. Here belongs nothing of what runs do.
"""

import fcntl
import os
import platform
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from multiprocessing import parent_process
from pathlib import Path
from threading import Event, Thread
from typing import IO
from uuid import uuid4

import dagster as dg

from orchestration.settings import Settings

LAUNCHER_TAG = "market_stress/launcher"
UNFINISHED = [
    dg.DagsterRunStatus(status) for status in ("NOT_STARTED", "QUEUED", "STARTING", "STARTED", "CANCELING", "MANAGED")
]
ENDED = [dg.DagsterRunStatus(status) for status in ("SUCCESS", "FAILURE", "CANCELED")]
MOST_REMOVED = 500  # records of runs at once
PATIENCE_SECONDS = 30  # for steps to notice that the process which started them is gone
BEAT_SECONDS = 2.0
STOPPED_AFTER_SECONDS = 120.0  # without a beat; a large answer being read may hold up some


@contextmanager
def launching(
    instance: dg.DagsterInstance, stopped_after_seconds: float = STOPPED_AFTER_SECONDS
) -> Iterator[dict[str, str]]:
    """Cleans up after dead and old runs, then yields the tags by which the runs of this process are known as living.

    Steps of theirs that give no sign of life for so long are ended, and with them their runs.
    """
    fail_dead_runs(instance)
    remove_old_runs(instance, Settings.from_environment().universe.keep_runs_days)
    launcher = uuid4().hex[:12]
    with living(instance, launcher), _watching(lock_folder(instance), launcher, stopped_after_seconds):
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
    launcher = context.run.tags.get(LAUNCHER_TAG, "")
    with living(context.instance, context.run.run_id, launcher) as lock, _beating(lock):
        yield


@contextmanager
def living(instance: dg.DagsterInstance, name: str, launcher: str = "") -> Iterator[IO]:
    """Holds a lock of this process under a name (a run's id, a launcher's, or `up`); yields its open file.

    In it stands on which machine that is, since homes may be shared, and who launched it.
    """
    folder = lock_folder(instance)
    folder.mkdir(exist_ok=True)
    draft, lock = (folder / f"{dot}{name}.{os.getpid()}" for dot in (".", ""))
    with draft.open("w") as handle:
        handle.write(_signed(launcher))
        handle.flush()
        fcntl.flock(handle, fcntl.LOCK_EX)
        draft.rename(lock)  # nobody sees it before it is held
        try:
            yield handle
        finally:
            lock.unlink(missing_ok=True)


def age(record: dg.RunRecord) -> timedelta:
    """How long ago a run was created, by the clock that Dagster's records follow, whatever the as-of clock says."""
    return timedelta(seconds=time.time() - record.create_timestamp.timestamp())


def remove_old_runs(instance: dg.DagsterInstance, keep_days: int) -> int:
    """Removes the records of runs that ended and are older than that, the oldest first; returns how many.

    At most MOST_REMOVED, so that nobody waits for it. The last run of each job stays, and the last one that succeeded:
    the gate asks for what they recorded.
    """
    before = datetime.fromtimestamp(time.time(), UTC) - timedelta(days=keep_days)
    ended = dg.RunsFilter(created_before=before, statuses=ENDED)
    old = [record.dagster_run for record in instance.get_run_records(ended, limit=MOST_REMOVED, ascending=True)]
    kept = set()
    for job in {run.job_name for run in old}:
        for statuses in (None, [dg.DagsterRunStatus.SUCCESS]):
            last = instance.get_runs(dg.RunsFilter(job_name=job, statuses=statuses), limit=1)
            kept |= {run.run_id for run in last}
    removed = [run for run in old if run.run_id not in kept]
    for run in removed:
        instance.delete_run(run.run_id)
    return len(removed)


def is_held(lock: Path) -> bool:
    """Whether a living process holds a lock."""
    with suppress(FileNotFoundError), lock.open() as handle:
        return not _takes(handle)
    return False


def _takes(handle: IO) -> bool:
    """Whether nobody held the lock of an open file, which this process now does until it closes it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def end_process(lock: Path) -> bool:
    """Kills the process that holds a lock, unless it is another machine's; whether it did."""
    with suppress(FileNotFoundError, ProcessLookupError):
        if is_held(lock) and lock.read_text().split("\n")[0] == platform.node():
            os.kill(int(lock.suffix.removeprefix(".")), signal.SIGKILL)
            return True
    return False


class Watch:
    """Finds processes that have been stopped: `looks` times in a row their locks were as they were.

    Looks are counted and not seconds, so that whoever looks may sleep with the machine, or be stopped together with
    what it looks at.
    """

    def __init__(self, looks: int) -> None:
        self._looks = looks
        self._same: dict[Path, tuple[int, int]] = {}

    def stopped(self, locks: Iterable[Path]) -> list[Path]:
        """Those of the locks whose processes have been stopped; looks once at each."""
        found = []
        self._same = {lock: same for lock, same in self._same.items() if lock.exists()}
        for lock in locks:
            with suppress(FileNotFoundError):
                beat = lock.stat().st_mtime_ns
                before, times = self._same.get(lock, (0, 0))
                self._same[lock] = (beat, times + 1 if beat == before else 0)
                if self._same[lock][1] >= self._looks:
                    found.append(lock)
        return found


def fail_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Marks runs without a living process as failed and frees the slots of ended runs; returns the ids of the former.

    Runs that wait in the queue, or that a living `up` has only just started, are left alone. A step ends with whoever
    launched it, so one that doesn't is stopped, and is killed.
    """
    folder = lock_folder(instance)
    held, free = _names(folder)
    dead = []
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        launcher = run.tags.get(LAUNCHER_TAG)
        is_of_up = launcher is None and run.run_id not in free
        if launcher in held or (is_of_up and (run.status is dg.DagsterRunStatus.QUEUED or "up" in held)):
            continue
        if launcher is not None and not _wait_for(folder, run.run_id):
            for lock in folder.glob(f"{run.run_id}.*"):
                end_process(lock)
        if _wait_for(folder, run.run_id):
            instance.report_run_failed(run, "The process of this run is gone.")
            dead.append(run.run_id)
    _free_slots(instance)
    return dead


def _free_slots(instance: dg.DagsterInstance) -> None:
    held, _ = _names(lock_folder(instance))
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
            if _takes(handle):
                free.add(lock.stem)
                lock.unlink(missing_ok=True)
            else:
                held.add(lock.stem)
    return held, free - held


def _beating(lock: IO) -> AbstractContextManager[None]:
    return repeating(BEAT_SECONDS, lambda: os.utime(lock.fileno()))


def _watching(folder: Path, launcher: str, stopped_after_seconds: float) -> AbstractContextManager[None]:
    watch = Watch(looks=round(stopped_after_seconds))

    def look() -> None:
        for lock in watch.stopped(_launched(folder, launcher)):
            end_process(lock)

    return repeating(1.0, look)


@contextmanager
def repeating(seconds: float, do: Callable[[], None]) -> Iterator[None]:
    """Does something every so many seconds, in a thread of its own that has ended when the context has."""
    is_over = Event()

    def repeat() -> None:
        while not is_over.wait(seconds):
            do()

    thread = Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _launched(folder: Path, launcher: str) -> Iterator[Path]:
    """The locks of what a launcher's runs are worked for by."""
    for lock in folder.glob("[!.]*"):
        with suppress(FileNotFoundError):
            if lock.read_text() == _signed(launcher):
                yield lock


def _signed(launcher: str) -> str:
    return f"{platform.node()}\n{launcher}"


def lock_folder(instance: dg.DagsterInstance) -> Path:
    """Where the locks of living processes lie: `<name>.<process id>`."""
    return Path(instance.root_directory) / "alive"
