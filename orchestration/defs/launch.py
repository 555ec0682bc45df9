"""Starts the jobs from outside the UI, recorded in the same instance, so that what the command line did is seen there.

Here belongs what the CLI needs of Dagster. Each function runs in a process of its own, which a fork server has already
loaded with this module, so that several exchanges are fetched at once and nobody waits for the imports twice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

import dagster as dg

from orchestration import ingest as facts
from orchestration.defs.ingest import op_of, range_tags
from orchestration.defs.resources import free_slots_of_dead_runs


@dataclass(frozen=True)
class Ended:
    """How a run ended: `faults` are one line each, `materialized` is metadata by asset, `observed` by file."""

    run_id: str
    is_successful: bool
    faults: list[str] = field(default_factory=list)
    materialized: dict[str, dict] = field(default_factory=dict)
    observed: list[dict] = field(default_factory=list)


@cache
def loaded() -> dg.Definitions:
    from orchestration.definitions import defs  # not above: this module is itself among what defs() loads

    definitions = defs()
    definitions.resolve_all_job_defs()
    return definitions


def run_ingest(
    exchange: str, first_day: str, last_day: str, datasets: list[str], assets: list[str], report: Callable[[dict], None]
) -> Ended:
    """Fetches an exchange's days, both included, as the UI's backfill would: one run with a range of partitions."""
    facts.on_progress.set(report)
    return _run(
        "ingest",
        tags=range_tags(exchange, first_day, last_day),
        run_config={"ops": {op_of(dataset): {"config": {"assets": assets}} for dataset in datasets}}
        if assets
        else None,
        asset_selection=[dg.AssetKey(["raw", dataset]) for dataset in datasets],
    )


def run_import(files: dict[str, list[str]]) -> Ended:
    """Imports archives, by dataset."""
    return _run("import_archive", run_config={"ops": {"import_files": {"config": {"files": files}}}})


def run_refresh(tables: Sequence[str] = ()) -> Ended:
    """dbt, checks, gate, market_stress, publish, brief; or only the assets of these names."""
    return _run("refresh", asset_selection=[dg.AssetKey(table) for table in tables] or None)


def mark_dead_runs() -> None:
    """Marks runs whose process was killed as failed and frees their pool slots, before anything is started."""
    with dg.DagsterInstance.get() as instance:
        free_slots_of_dead_runs(instance)


def _run(job: str, **settings) -> Ended:
    with dg.DagsterInstance.get() as instance:
        free_slots_of_dead_runs(instance)
        definition = loaded().resolve_job_def(job)
        ended = definition.execute_in_process(instance=instance, raise_on_error=False, **settings)
        faults = []
        for event in ended.all_events:
            if event.is_step_failure:
                faults.append(_one_line(event.step_failure_data))
            is_verdict = event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
            if is_verdict and not event.asset_check_evaluation_data.passed:
                check = event.asset_check_evaluation_data
                if check.severity is dg.AssetCheckSeverity.ERROR:
                    faults.append(f"check failed: {check.asset_key.to_user_string()}: {check.check_name}")
        materialized = {
            event.asset_key.to_user_string(): _plain(event.materialization.metadata)
            for event in ended.all_events
            if event.is_step_materialization and event.asset_key
        }
        observed = [
            _plain(event.asset_observation_data.asset_observation.metadata)
            for event in ended.all_events
            if event.is_asset_observation
        ]
        return Ended(ended.run_id, ended.success, faults, materialized, observed)


def _plain(metadata) -> dict:
    return {
        name: value.value
        for name, value in metadata.items()
        if isinstance(getattr(value, "value", None), int | float | str)
    }


def _one_line(failure) -> str:
    user = failure.user_failure_data
    error = failure.error
    while error and error.cause:
        error = error.cause
    text = (user.description if user else None) or (error.message if error else "unknown failure")
    return " ".join(text.split())[:500]
