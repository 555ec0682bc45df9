"""Context: what surrounds the market, one asset per source, partitioned by day; their job and schedule.

Here belongs when it is fetched. What each source gives stands in `context`, what becomes of an answer in `ingest`. A
source that fails does so alone, and nothing waits for it: what lacks is NULL in the warehouse, with its reason.
"""

from datetime import UTC, date, datetime, timedelta

import dagster as dg

from orchestration.context.sources import SOURCES, Source
from orchestration.defs.ingest import daily_partitions, evidence, range_tags, raw_key, raw_spec
from orchestration.defs.runs import working_for
from orchestration.settings import Settings

ASKED_AGAIN = timedelta(days=14)  # the ECB and FRED revise what they have just published


def _raw_context(source: Source, days: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """What one source gives: one request, one step, one rate limit."""
    spec = raw_spec(
        raw_key(source.name, "context"),
        description=f"{source.title}. Daily, without weight in the score.",
        group_name="context",
        kinds={"python", "parquet"},
        partitions_def=days,
    )

    @dg.multi_asset(
        name=f"raw_context_{source.name}",
        specs=[spec],
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=source.name,
    )
    def raw(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        from orchestration.ingest import fetch_context

        settings = Settings.from_environment()
        asked = sorted(datetime.fromisoformat(day).replace(tzinfo=UTC) for day in context.partition_keys)
        with working_for(context.op_execution_context):
            end = asked[-1] + timedelta(days=1)
            outcome = fetch_context(settings.home, source, asked[0], end, settings.now(), settings.exchange_url)
        if outcome.failures:
            raise dg.Failure("; ".join(outcome.failures), allow_retries=False)
        return dg.MaterializeResult(asset_key=spec.key, metadata=evidence(settings.home, "context", outcome))

    return raw


def context_job() -> dg.JobDefinition:
    """The job of context alone: its steps need nothing of dbt."""
    return context().resolve_job_def("fetch_context")


@dg.definitions
def context() -> dg.Definitions:
    """The assets of context, the job and schedule that fetch them."""
    settings = Settings.from_environment()
    days = daily_partitions(settings)
    raw = [_raw_context(source, days) for source in SOURCES.values()]
    job = dg.define_asset_job(
        "fetch_context",
        selection=dg.AssetSelection.assets(*raw),
        partitions_def=days,
        executor_def=dg.in_process_executor,  # three small requests
        description="Fetches fear and greed, VIX and the euro-area CISS over a range of days.",
    )
    stopped = settings.fixed_now is not None

    @dg.schedule(
        name="context_every_day",
        job=job,
        cron_schedule="10 15 * * *",  # FRED has the close of the day before at 14:40 UTC, the ECB its Monday's update
        default_status=dg.DefaultScheduleStatus.STOPPED if stopped else dg.DefaultScheduleStatus.RUNNING,
    )
    def context_every_day(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        """From a fortnight before the last whole answer on, or before today: one small request per source.

        So nothing is missing after a sleep, and what was revised meanwhile becomes a revision.
        """
        tick = context.scheduled_execution_time.astimezone(UTC).isoformat()
        settings = Settings.from_environment()
        return dg.RunRequest(run_key=tick, tags=range_tags(_due_since(settings), settings.now().date()))

    return dg.Definitions(assets=raw, jobs=[job], schedules=[context_every_day])


def _due_since(settings: Settings) -> date:
    from orchestration.lake import facts

    facts.prepare(settings.home)
    receipts = facts.read_raw(settings.home, "coverage", "dataset = 'context' and state in ('complete', 'partial')")
    answered = receipts.groupby("exchange")["end_at"].max().reindex(list(SOURCES))
    whole = [settings.now() if answered.isna().any() else answered.min().to_pydatetime()]
    return min(settings.now(), *whole).date() - ASKED_AGAIN
