"""The models: everything inside the warehouse, built by dbt and by nothing else.

Here belongs one build as Dagster sees it. What a model holds stands in the dbt project, what the verdicts of its tests
mean for publishing in `quality`.
"""

import json
import os
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import dagster as dg
from dagster_dbt import DbtCliInvocation, DbtCliResource, dbt_assets

from orchestration import manifest
from orchestration.defs.resources import OWNERS, WAREHOUSE_POOL, dbt_project
from orchestration.defs.runs import working_for
from orchestration.settings import Settings

if TYPE_CHECKING:
    from orchestration.lake.damage import Damaged

DECLARED = {
    "watched": "Exchanges and assets of the universe, less what an exchange does not list.",
    "capabilities": "What each exchange serves of each dataset, and why it does not serve the rest.",
    "completeness_epochs": "What each exchange's liquidations are worth, and since when.",
    "context_series": "The series of context, who publishes them, and for how many days a value is carried.",
    "build": "The as-of clock of the build and the score's warm-up.",
}


@cache
def dbt_models() -> dg.AssetsDefinition:
    """Every model as an asset and every test as a check, read from the manifest, which is made where it is out of date.

    Raises RuntimeError if dbt can't parse the project.
    """
    project = dbt_project()
    manifest.parse(Settings.from_environment().home)

    @dbt_assets(manifest=_parsed(project.manifest_path), name="dbt_models", project=project, pool=WAREHOUSE_POOL)
    def models(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator:
        with working_for(context.op_execution_context):
            yield from _build(context, dbt)

    return models.map_asset_specs(_where_it_is_read)


def _where_it_is_read(spec: dg.AssetSpec) -> dg.AssetSpec:
    """A mart with the table that users read, which is the published one, not that of the build."""
    _, schema, table = spec.metadata["dagster/table_name"].split(".")
    if schema != "main":
        return spec
    return spec.merge_attributes(metadata={"dagster/table_name": f"warehouse.{schema}.{table}"})


def _parsed(path: Path) -> dict:
    """The manifest with every test's description also in its meta, where Dagster looks for that of a check."""
    parsed = json.loads(path.read_text())
    for node in parsed["nodes"].values():
        if node["resource_type"] == "test":
            node["meta"] = node["meta"] | {"description": node["description"]}
    return parsed


def _build(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator:
    from orchestration.lake import facts, inputs, publish

    settings = Settings.from_environment()
    facts.prepare(settings.home)
    publish.forget_build(settings.home, _fingerprints(context.instance))
    _tell(context, facts.set_aside(settings.home, settings.now()))
    inputs.write_inputs(settings.home, settings.universe, settings.now())
    os.environ["MARKET_STRESS_HOME"] = str(settings.home)  # absolute: dbt runs in another folder
    Thread(target=import_module, args=["great_expectations"], daemon=True).start()  # seconds, while dbt works
    invocation, events = _run(context, dbt, settings.home)
    if not invocation.is_successful() and (damaged := facts.set_aside(settings.home, settings.now(), whole=True)):
        _tell(context, damaged)  # only whoever reads all of a file finds that its middle is damaged
        invocation, events = _run(context, dbt, settings.home)
    rows = publish.row_counts(settings.home)
    sha256 = publish.fingerprint(settings.home / publish.BUILD) if rows else ""
    for event in events:
        if isinstance(event, dg.Output):
            table = context.asset_key_for_output(event.output_name).path[-1]
            counted = {"dagster/row_count": rows[table]} if table in rows else {}
            event = event.with_metadata({**event.metadata, **counted, "build_sha256": sha256})
        yield event
    if not invocation.is_successful():
        failed = [result["unique_id"] for result in _results(invocation) if result["status"] in ("error", "fail")]
        raise dg.Failure(f"dbt build failed: {', '.join(failed) or 'see its log'}", allow_retries=False)


def _run(context: dg.AssetExecutionContext, dbt: DbtCliResource, home: Path) -> tuple[DbtCliInvocation, list]:
    """One dbt build and its events: rows can only be counted once dbt has let go of the file."""
    invocation = dbt.cli(
        ["build", "--exclude-resource-type", "unit_test"],
        context=context,
        raise_on_error=False,
        target_path=manifest.target(
            home
        ),  # one for all builds, as the pool lets only one run: it keeps what was parsed
    )
    return invocation, list(invocation.stream())


def _tell(context: dg.AssetExecutionContext, damaged: "list[Damaged]") -> None:
    for one in damaged:
        told = {"file": str(one.path), "damaged": f"{one} and set aside"}
        context.log_event(dg.AssetObservation(["raw", one.dataset], metadata=told))


def _fingerprints(instance: dg.DagsterInstance) -> set[str]:
    """What dbt left behind whenever a model was last built."""
    events = [instance.get_latest_materialization_event(key) for key in dbt_models().keys]
    built = [event.asset_materialization for event in events if event and event.asset_materialization]
    return {str(it.metadata["build_sha256"].value) for it in built if "build_sha256" in it.metadata}


def _results(invocation: DbtCliInvocation) -> list[dict]:
    try:
        return invocation.get_artifact("run_results.json")["results"]
    except FileNotFoundError:
        return []


@dg.definitions
def warehouse() -> dg.Definitions:
    """The models, and what is declared rather than observed."""
    declared = [
        dg.AssetSpec(["universe", name], description=text, group_name="raw", kinds={"parquet"}, owners=OWNERS)
        for name, text in DECLARED.items()
    ]
    return dg.Definitions(assets=[dbt_models(), *declared])
