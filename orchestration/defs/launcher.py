"""How `up` starts runs and looks after them: Dagster's own launcher, which also knows whether a run's processes live.

dagster.yaml names this class; its daemon asks it about every run, whoever started it. Here belongs what Dagster wants
to know of a run's processes; how they are known to live is the matter of `runs`.
"""

from threading import Timer

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._serdes import ConfigurableClassData

from orchestration.defs.runs import LAUNCHER_TAG, STOPPED_AFTER_SECONDS, Watch, end_process, is_held, lock_folder
from orchestration.home import SECONDS_BETWEEN_LOOKS

GRACE_SECONDS = 30.0  # for a run that is told to end


class Launcher(DefaultRunLauncher):
    """`DefaultRunLauncher` that fails runs of dead commands, and ends processes that are stopped or don't obey."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data)
        self._watch = Watch(looks=round(STOPPED_AFTER_SECONDS / SECONDS_BETWEEN_LOOKS))

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Fails a run whose command, or the code server that started it, is gone: its processes end with these.

        A stopped process is killed; how that ends is recorded by whoever started it.
        """
        folder = lock_folder(self._instance)
        locks = list(folder.glob(f"{run.run_id}.*"))
        for lock in self._watch.stopped(locks):
            end_process(lock)
        launcher = run.tags.get(LAUNCHER_TAG)
        if any(is_held(lock) for lock in locks):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if self._server_answers(run.run_id) if launcher is None else any(map(is_held, folder.glob(f"{launcher}.*"))):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "the process that started it is gone")

    def _server_answers(self, run_id: str) -> bool:
        client = self._get_grpc_client_for_termination(run_id)
        if client is None:  # it has not been started yet
            return True
        try:
            client.ping("")
        except DagsterUserCodeUnreachableError:
            return False
        return True

    def terminate(self, run_id: str) -> bool:
        """As Dagster does; what still works for the run a while later is killed."""
        folder = lock_folder(self._instance)
        last_word = Timer(GRACE_SECONDS, lambda: [end_process(lock) for lock in folder.glob(f"{run_id}.*")])
        last_word.daemon = True
        last_word.start()
        return super().terminate(run_id)
