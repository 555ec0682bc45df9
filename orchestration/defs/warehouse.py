"""The models: everything inside the warehouse, built by dbt and by nothing else."""

from collections.abc import Iterator
from importlib import import_module
from threading import Thread

import dagster as dg
from dagster_dbt import DbtCliResource, dbt_assets

from orchestration import lake, manifest
from orchestration.defs.resources import OWNERS, WAREHOUSE_POOL, dbt_project, pool_slot
from orchestration.settings import Settings

manifest.parse(Settings.from_environment().home)

TOLD = {
    "watched": "Exchanges and assets of the universe, less what an exchange does not list.",
    "feeds": "What each exchange serves of each dataset, and why it does not serve the rest.",
    "feed_epochs": "What each liquidation feed is worth, and since when.",
    "settings": "The as-of clock of the build and the score's warm-up.",
}
told = [
    dg.AssetSpec(["universe", name], description=text, group_name="raw", kinds={"parquet"}, owners=OWNERS)
    for name, text in TOLD.items()
]


@dbt_assets(manifest=dbt_project.manifest_path, name="dbt_models", project=dbt_project)
def dbt_models(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator:
    settings = Settings.from_environment()
    with pool_slot(context.op_execution_context, WAREHOUSE_POOL):
        lake.prepare(settings.home)
        lake.tell_dbt(settings.home, settings.universe, settings.now())
        command = ["build", "--exclude-resource-type", "unit_test"]
        target = dbt_project.target_path  # one for all builds, as the pool lets only one run: it keeps what was parsed
        Thread(target=import_module, args=["great_expectations"], daemon=True).start()  # seconds, while dbt works
        invocation = dbt.cli(command, context=context, raise_on_error=False, target_path=target)
        events = list(invocation.stream())  # rows can only be counted once dbt has let go of the file
        rows = lake.row_counts(settings.home)
    for event in events:
        table = context.asset_key_for_output(event.output_name).path[-1] if isinstance(event, dg.Output) else None
        if table in rows:
            event = event.with_metadata({**event.metadata, "dagster/row_count": rows[table]})
        yield event
    if not invocation.is_successful():
        failed = [result["unique_id"] for result in _results(invocation) if result["status"] in ("error", "fail")]
        raise dg.Failure(f"dbt build failed: {', '.join(failed) or 'see its log'}", allow_retries=False)


def _results(invocation) -> list[dict]:
    try:
        return invocation.get_artifact("run_results.json")["results"]
    except FileNotFoundError:
        return []
