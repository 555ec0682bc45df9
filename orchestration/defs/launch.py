"""Starts the jobs from outside the UI, recorded in the same instance, so that what the command line did is seen there.

Here belongs what the command line needs of Dagster. How runs are known to live is the matter of `runs`.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

import dagster as dg

from orchestration.defs import context, ingest
from orchestration.defs.runs import LAUNCHER_TAG, STOPPED_AFTER_SECONDS, launching, repeating

if TYPE_CHECKING:
    from dagster._core.execution.execution_result import ExecutionResult
    from dagster._core.execution.plan.objects import StepFailureData


@dataclass(frozen=True)
class Ended:
    """How a run ended: `faults` are one line each, `materialized` is metadata by asset, `observed` by file.

    `kept` is what arrived of assets that failed in part: counts of rows by asset. `damaged` names files set aside.
    """

    run_id: str
    is_successful: bool
    faults: list[str] = field(default_factory=list)
    materialized: dict[str, dict] = field(default_factory=dict)
    observed: list[dict] = field(default_factory=list)
    kept: dict[str, dict] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)


def ingest_job() -> dg.JobDefinition:
    """The job of raw assets alone: its steps need nothing of dbt, nor of what comes after it."""
    return ingest.ingestion().resolve_job_def("ingest")


@cache
def refresh_job() -> dg.JobDefinition:
    """The job that makes the warehouse and what leaves the house."""
    from orchestration.defs import publish, resources, warehouse  # not above: a backfill needs nothing of dbt

    needed = dg.Definitions.merge(resources.resources(), warehouse.warehouse(), publish.publishing())
    return needed.resolve_job_def("refresh")


def run_ingest(
    home: Path,
    days: tuple[date, date],
    datasets: Mapping[str, Sequence[str]],
    assets: Sequence[str],
    show: Callable[[str, dict], None] = lambda exchange, progress: None,
    stopped_after_seconds: float = STOPPED_AFTER_SECONDS,
) -> Ended:
    """Fetches `datasets` (by exchange) of the days from the first to the last: one run, exchanges side by side.

    Without `assets` all of the universe. `show` hears of an exchange how many `hours` of its datasets are done, and
    `what` it is at. An exchange whose process gives no sign of life for so long fails alone.
    """
    selection = [
        ingest.raw_key(exchange, dataset)
        for exchange, wanted in datasets.items()
        for dataset in ingest.served(exchange)
        if dataset == "instruments" or dataset in wanted
    ]
    config = {f"raw_{exchange}": {"config": {"assets": list(assets)}} for exchange in datasets}
    with dg.DagsterInstance.get() as instance, launching(instance, stopped_after_seconds) as tags:
        with _watched(ingest.progress_folder(home, tags[LAUNCHER_TAG]), show):
            ended = dg.execute_job(
                dg.reconstructable(ingest_job),
                instance=instance,
                run_config={"ops": config},
                tags={**tags, **ingest.range_tags(*days)},
                asset_selection=selection,
            )
        return _ended(ended)


@contextmanager
def _watched(folder: Path, show: Callable[[str, dict], None]) -> Iterator[None]:
    """Tells `show` what the steps, which are processes of their own, write into the folder about their progress."""

    def look() -> None:
        for file in folder.glob("*.json"):
            show(file.stem, json.loads(file.read_text()))

    try:
        with repeating(0.2, look):
            yield
    finally:
        rmtree(folder, ignore_errors=True)


def run_context(days: tuple[date, date]) -> Ended:
    """Fetches the context series of the days from the first to the last; a source that fails does so alone."""
    return _run(context.context_job(), tags=ingest.range_tags(*days))


def run_import(files: dict[str, list[str]]) -> Ended:
    """Imports archives, by dataset."""
    return _run(ingest.import_archive, run_config={"ops": {"import_files": {"config": {"files": files}}}})


def run_refresh(tables: Sequence[str] = ()) -> Ended:
    """dbt, checks, gate, market_stress, publish, brief; or only the assets of these names."""
    return _run(refresh_job(), asset_selection=[dg.AssetKey(table) for table in tables] or None)


def _run(job: dg.JobDefinition, tags: Mapping[str, str] | None = None, **options: Any) -> Ended:
    with dg.DagsterInstance.get() as instance, launching(instance) as launcher:
        all_tags = {**launcher, **(tags or {})}
        ended = job.execute_in_process(instance=instance, raise_on_error=False, tags=all_tags, **options)
        return _ended(ended)


def _ended(result: "ExecutionResult") -> Ended:
    faults, materialized, observed, damaged = [], {}, [], []
    kept: dict[str, dict] = {}
    for event in result.all_events:
        if event.is_step_failure:
            faults.append(_one_line(event.step_failure_data, f"{event.step_key}"))
            kept |= _kept(event.step_failure_data)
        elif event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR:
                faults.append(f"check failed: {check.asset_key.to_user_string()}: {check.check_name}")
        elif event.is_step_materialization and event.asset_key:
            materialized[event.asset_key.to_user_string()] = _plain(event.materialization.metadata)
        elif event.is_asset_observation:
            seen = _plain(event.asset_observation_data.asset_observation.metadata)
            damaged.append(seen["damaged"]) if "damaged" in seen else observed.append(seen)
    return Ended(result.run_id, result.success, faults, materialized, observed, kept, damaged)


def _kept(failure: "StepFailureData") -> dict[str, dict]:
    """What a fetch stored of the assets that it didn't fetch whole."""
    user = failure.user_failure_data
    told = user.metadata.get("kept") if user else None
    return told.value if isinstance(told, dg.JsonMetadataValue) and isinstance(told.value, dict) else {}


def _plain(metadata: Mapping[str, dg.MetadataValue]) -> dict:
    return {
        name: value.value
        for name, value in metadata.items()
        if isinstance(getattr(value, "value", None), int | float | str)
    }


def _one_line(failure: "StepFailureData", step: str) -> str:
    user = failure.user_failure_data
    error = failure.error
    if error and error.cls_name == "ChildProcessCrashException":
        return f"{step}: its process was killed, by somebody or because it had stopped"
    while error and error.cause:
        error = error.cause
    text = (user.description if user else None) or (error.message if error else "unknown failure")
    return " ".join(text.split())[:500]
