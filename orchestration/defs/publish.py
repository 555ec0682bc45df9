"""What leaves the house: the score behind the gate, the published warehouse, the brief, and the job that makes them.

Here belongs when they are made, and what Dagster shows of them. The gate itself stands in `quality`, the score in
`score`, the swap of files in `lake.publish`, what people read in `brief`.
"""

import json

import dagster as dg

from orchestration.defs.ingest import EXCHANGE_TAG, SCHEDULE, TICK_TAG, is_overdue, unfinished_runs
from orchestration.defs.quality import INPUTS, built_by, closed_by, meets_expectations
from orchestration.defs.resources import OWNERS, WAREHOUSE_POOL
from orchestration.defs.runs import UNFINISHED, working_for
from orchestration.defs.warehouse import dbt_models
from orchestration.settings import Settings

WITH_CONTRACT = ("context_daily", "holders_hourly")  # marts whose columns are promised outside dbt, too
WITHOUT_TAG = "market_stress/without"  # of a refresh: the overdue ingest runs that it did not wait for
LATE_TAG = "market_stress/after_late"  # of a refresh: the overdue ingest runs that have ended since the one before

LONGEST_REFRESH_SECONDS = 7200  # then the daemon ends it, and the next one may come


@dg.asset(
    deps=[dg.AssetKey(table.split(".")) for table in INPUTS],
    group_name="published",
    kinds={"python", "duckdb"},
    owners=OWNERS,
    pool=WAREHOUSE_POOL,
    metadata={"dagster/table_name": "warehouse.main.market_stress"},
)
def market_stress(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The market-stress score by as-of hour and asset, and with it the published warehouse.

    Refuses while the gate is closed; the last good warehouse then stays in place.
    """
    from orchestration import claims, contracts, score
    from orchestration.lake.files import connect
    from orchestration.lake.publish import copied_build, has_pending_changes, publish
    from orchestration.score.stabilisation import stabilisation
    from orchestration.score.without import score_without

    settings = Settings.from_environment()
    universe = settings.universe
    with working_for(context.op_execution_context), copied_build(settings.home) as (copy, sha256):
        with connect(copy, read_only=True) as build:
            reasons = closed_by(context.instance, *built_by(build), sha256)
            if has_pending_changes(settings.home):
                reasons.insert(0, "build.duckdb.wal holds a change that dbt did not make: run `market-stress refresh`")
            if reasons:
                lines = "\n".join(f"- {reason}" for reason in reasons)
                raise dg.Failure(
                    f"The gate is closed: {reasons[0]}" + (f" (and {len(reasons) - 1} more)" if reasons[1:] else ""),
                    metadata={"reasons": dg.MetadataValue.md(lines)},
                    allow_retries=False,
                )
            for name in WITH_CONTRACT:
                contracts.check_published(name, build.execute(f"select * from {name}").df())
            of_prices, instruments = (build.execute(f"select * from {table}").df() for table in INPUTS[:2])
            prices = build.execute("select as_of, asset, price from market_hourly").df()
            liquidations = build.execute(
                "select hour_at, exchange, asset, total_usd, is_observed from liquidations_hourly"
            ).df()
            checks = claims.check(build, claims.seeded(build))
        scores = score.market_stress(of_prices, instruments, universe.score.warm_up_days)
        tables = {
            "market_stress": scores,
            "score_without": score_without(instruments, universe.score.warm_up_days),
            "stabilisation": stabilisation(
                prices, liquidations, instruments, universe.support_levels, universe.stabilisation
            ),
            "claim_checks": checks,
        }
        for name, rows in tables.items():
            contracts.check_published(name, rows)
        warehouse = publish(settings.home, copy, tables, universe.keep_published_days, settings.now())
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(scores),
            "dagster/column_schema": _column_schema(),
            "warehouse": dg.MetadataValue.path(str(warehouse)),
            "chart": _chart(settings, "score"),
            "claims": dg.MetadataValue.json(checks["verdict"].value_counts().to_dict()),
        }
    )


@dg.asset(deps=[market_stress], group_name="published", kinds={"python", "html"}, owners=OWNERS)
def brief(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The brief: the figures that articles talk about, each with its table, query, as-of hour and completeness."""
    from orchestration.brief import headline, write_brief

    settings = Settings.from_environment()
    folder = settings.home / "reports" / "latest"
    warehouse = settings.home / "warehouse.duckdb"
    written = write_brief(warehouse, folder, written_at=settings.now())
    return dg.MaterializeResult(
        metadata={
            "brief": dg.MetadataValue.path(str(folder / "brief.html")),
            "headline": dg.MetadataValue.md("\n".join(f"- {name}: {value}" for name, value in headline(written))),
            "liquidations": _chart(settings, "liquidations"),
            "open_interest": _chart(settings, "open_interest"),
        }
    )


def _chart(settings: Settings, name: str) -> dg.MetadataValue:
    from base64 import b64encode

    from orchestration.brief import chart_png

    picture = chart_png(settings.home / "warehouse.duckdb", name)
    return dg.MetadataValue.md(f"![{name}](data:image/png;base64,{b64encode(picture).decode()})")


def _column_schema() -> dg.TableSchema:
    from orchestration import contracts

    return dg.TableSchema(
        columns=[
            dg.TableColumn(column["name"], column["physicalType"], description=column["description"])
            for column in contracts.contract("market_stress").properties
        ]
    )


@dg.definitions
def publishing() -> dg.Definitions:
    """The job that makes what leaves the house, and the sensor that starts it."""
    job = dg.define_asset_job(
        "refresh",
        selection=dg.AssetSelection.assets(dbt_models(), market_stress, brief)
        | dg.AssetSelection.checks(meets_expectations),
        executor_def=dg.in_process_executor,  # one step after the other, and what one has imported serves the next
        description="dbt, checks, gate, market_stress, publish, report: works with what has landed.",
    )
    is_clock_fixed = Settings.from_environment().fixed_now is not None

    @dg.sensor(
        job=job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.STOPPED if is_clock_fixed else dg.DefaultSensorStatus.RUNNING,
    )
    def refresh_after_ingest(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """One refresh per tick of the schedule, once its ingest runs have ended, whether or not an exchange failed.

        Of ticks that ended while another refresh ran, the newest alone is refreshed. A run that has overrun the time of
        its exchange is not waited for: the refresh goes without it and says so, and when it does end, one more follows.
        The cursor holds the tick last refreshed, and which runs it went without.
        """
        return _next_refresh(context)

    return dg.Definitions(
        assets=[market_stress, brief], asset_checks=[meets_expectations], jobs=[job], sensors=[refresh_after_ingest]
    )


def _next_refresh(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    scheduled = dg.RunsFilter(tags={"dagster/schedule_name": SCHEDULE})
    ticks = {run.tags[TICK_TAG] for run in context.instance.get_runs(scheduled, limit=50) if TICK_TAG in run.tags}
    if not ticks:
        return dg.SkipReason("no scheduled ingest has run yet")
    before = dg.RunsFilter(tags={"dagster/sensor_name": "refresh_after_ingest"}, statuses=UNFINISHED)
    if context.instance.get_runs(before, limit=1):
        return dg.SkipReason("the refresh before is still running")
    unfinished = unfinished_runs(context.instance)
    waited_for = {it.dagster_run.tags[TICK_TAG] for it in unfinished if not is_overdue(it)}
    refreshed = {"tick": "", "without": {}, **json.loads(context.cursor or "{}")}
    tick = max(ticks - waited_for, default="")
    if tick > refreshed["tick"]:
        left = [it.dagster_run for it in unfinished if it.dagster_run.tags[TICK_TAG] <= tick]
        return _refresh(context, tick, tick, left, {})
    running = {it.dagster_run.run_id: it.dagster_run for it in unfinished}
    ended = {run_id: name for run_id, name in refreshed["without"].items() if run_id not in running}
    if ended:
        left = [running[run_id] for run_id in refreshed["without"] if run_id in running]
        return _refresh(context, refreshed["tick"], "|".join([refreshed["tick"], *sorted(ended)]), left, ended)
    if max(ticks) in waited_for:
        return dg.SkipReason(f"ingest of {max(ticks)} is still running")
    names = ", ".join(f"{name} (run {run_id[:8]})" for run_id, name in refreshed["without"].items())
    return dg.SkipReason(f"{tick} is refreshed" + (f" without {names}: once more when it ends" if names else ""))


def _refresh(
    context: dg.SensorEvaluationContext, tick: str, key: str, without: list[dg.DagsterRun], late: dict[str, str]
) -> dg.RunRequest:
    """A refresh `without` runs that haven't ended, after those that came `late`: both are named in its tags."""
    left = {run.run_id: run.tags[EXCHANGE_TAG] for run in without}
    context.update_cursor(json.dumps({"tick": tick, "without": left}))
    tags = {"dagster/max_runtime": f"{LONGEST_REFRESH_SECONDS}"}
    for tag, runs in ((WITHOUT_TAG, left), (LATE_TAG, late)):
        if runs:
            tags[tag] = ", ".join(f"{exchange} (run {run_id[:8]})" for run_id, exchange in runs.items())
    if left:
        context.log.warning(f"refreshing {tick} without {tags[WITHOUT_TAG]}, which has not ended in its time")
    return dg.RunRequest(run_key=key, tags=tags)
