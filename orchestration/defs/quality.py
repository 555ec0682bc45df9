"""The gate: Great Expectations over the marts that the score reads, and the reading of every verdict.

dbt's own tests become asset checks in `warehouse`; here they are read, together with ours. The gate refuses false
figures, never missing ones.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import dagster as dg

from orchestration.defs.resources import WAREHOUSE_POOL
from orchestration.defs.runs import working_for
from orchestration.defs.warehouse import dbt_models
from orchestration.settings import Settings

if TYPE_CHECKING:
    import duckdb
    from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation
    from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord

# What the score is made of, and the marts that say whether it can be right.
INPUTS = (
    *("stress_measures_hourly", "intermediate.int_stress_instruments_hourly"),
    *("market_hourly", "market_daily", "liquidations_daily", "open_interest_daily", "context_daily"),
)


@dg.asset_check(
    asset=dg.AssetKey(INPUTS[0]),
    name="meets_expectations",
    additional_deps=[dg.AssetKey(table.split(".")) for table in INPUTS[1:]],
    blocking=True,
    pool=WAREHOUSE_POOL,
)
def meets_expectations(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """The marts that the score reads meet the Great Expectations suite; its pages are in reports/data_docs."""
    from orchestration import expectations
    from orchestration.lake.files import connect
    from orchestration.lake.publish import copied_build

    home = Settings.from_environment().home
    with working_for(context.op_execution_context):
        with copied_build(home) as (copy, sha256), connect(copy, read_only=True) as build:
            frames = {table.split(".")[-1]: build.execute(f"select * from {table}").df() for table in INPUTS}
            invocation_id, _ = built_by(build)
        verdict = expectations.evaluate(frames, home / "reports" / "data_docs")
    return dg.AssetCheckResult(
        passed=verdict.passed,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "invocation_id": invocation_id,
            "build_sha256": sha256,
            "data_docs": dg.MetadataValue.path(str(verdict.data_docs)),
            "failures": dg.MetadataValue.json(verdict.failures),
            "evidence": dg.MetadataValue.json(verdict.evidence),
        },
    )


def gate_checks() -> list[dg.AssetCheckKey]:
    """Every check that the gate reads: dbt's tests and ours."""
    return [*dbt_models().check_keys, *(spec.key for spec in meets_expectations.check_specs)]


def built_by(build: "duckdb.DuckDBPyConnection") -> tuple[str, bool]:
    """The dbt invocation that last touched build.duckdb, and whether it ended successfully."""
    from orchestration.lake.files import only_row

    invocation_id, is_successful = only_row(build.execute("select invocation_id, is_successful from dbt_invocation"))
    return invocation_id, is_successful


def closed_by(instance: dg.DagsterInstance, invocation_id: str, is_successful: bool, sha256: str) -> list[str]:
    """Why the gate is closed, one line a reason; empty means open.

    Every model and every verdict must come from the dbt invocation that built build.duckdb, that invocation must have
    ended successfully and left the file byte for byte as it is (`sha256`), and no verdict of severity error may have
    failed. Blocking checks would stop a downstream step only inside one run; this holds for a run of its own, too.
    """
    reasons = [] if is_successful else [f"dbt invocation {invocation_id} did not end successfully"]
    is_changed = False
    for key in dbt_models().keys:
        event = instance.get_latest_materialization_event(key)
        built = event.asset_materialization if event else None
        if built is None or _text(built.metadata, "invocation_id") != invocation_id:
            reasons.append(f"{key.to_user_string()} was not built by dbt invocation {invocation_id}")
        else:
            is_changed |= _text(built.metadata, "build_sha256") != sha256
    if is_changed:
        reasons.insert(0, "build.duckdb was changed after dbt had built it: run `market-stress refresh`")
    checks = gate_checks()
    verdicts = instance.event_log_storage.get_latest_asset_check_execution_by_key(checks)
    for check in checks:
        name = f"{check.asset_key.to_user_string()}: {check.name}"
        evaluation = _evaluation(verdicts.get(check))
        if evaluation is None:
            reasons.append(f"{name} did not run")
        elif not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR:
            reasons.append(f"{name} failed")
        elif _text(evaluation.metadata, "invocation_id") != invocation_id:
            reasons.append(f"{name} was checked on older data")
        elif _text(evaluation.metadata, "build_sha256") not in (None, sha256):  # dbt's tests ran before it was hashed
            reasons.append(f"{name} was checked on another build.duckdb")
    return reasons


def _evaluation(record: "AssetCheckExecutionRecord | None") -> "AssetCheckEvaluation | None":
    """How a check ended; None where it never ran, was only planned, or broke down."""
    event = record.event.dagster_event if record and record.event else None
    if event is None or event.event_type is not dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        return None
    return event.asset_check_evaluation_data


def _text(metadata: Mapping[str, dg.MetadataValue], name: str) -> str | None:
    value = metadata.get(name)
    return value.value if isinstance(value, dg.TextMetadataValue) else None
