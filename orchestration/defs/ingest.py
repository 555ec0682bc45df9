"""Raw assets: facts as the exchanges gave them, one multi-asset per exchange, partitioned by day; and their job.

Here belongs which run fetches what, and the import of own archives. How an exchange is asked lives in `exchanges`, what
becomes of an answer in `ingest`.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from orchestration import forking, planning, universe
from orchestration.context.sources import SOURCES
from orchestration.defs.resources import OWNERS
from orchestration.defs.runs import LAUNCHER_TAG, UNFINISHED, age, remove_old_runs, working_for
from orchestration.exchanges import declared
from orchestration.settings import Settings

if TYPE_CHECKING:
    from orchestration.ingest import Outcome, Progress

SCHEDULE = "ingest_hourly"
TICK_TAG = "market_stress/tick"
EXCHANGE_TAG = "market_stress/exchange"
ALLOWED_TAG = "market_stress/allowed_seconds"  # how long the run's exchange may take, from the run's creation on
START_SECONDS = 120.0  # until a run has begun to ask, and after its exchange's time to leave receipts
SLOT_SECONDS = 3600.0  # that a run may have to wait for another one of its exchange, before the daemon ends it
FIRST_DAY = "2019-09-01"

DESCRIPTIONS = {
    "candles": "Closed bars of one hour.",
    "open_interest": "Open positions of one side, by the hour.",
    "funding_rates": "Settled funding payments.",
    "liquidation_totals": "The exchange's own hourly sums of liquidations.",
    "liquidations": "Single liquidations.",
    "instruments": "Perpetual contracts as the exchange lists them, a snapshot per fetch.",
    "context": "Daily observations of what surrounds the market, without weight in the score.",
    "coverage": "Receipts of every fetch: which hours were really observed, and why the others were not.",
}


class Watched(dg.Config):
    """What to fetch of the universe; without `assets` all of them.

    With `only_missing` nothing but what no receipt answers, or what is due once more, whichever days that are.
    """

    assets: list[str] = Field(default_factory=list)
    only_missing: bool = False


class Archive(dg.Config):
    """Files to import, by dataset."""

    files: dict[str, list[str]]


@dg.configured(dg.multi_or_in_process_executor, config_schema={"in_process": dg.Field(bool, default_value=False)})
def executor(config: dict) -> dict:
    """Exchanges side by side, in processes forked from a server that has loaded what they need, or one after the other.

    Fetching mostly waits for rate limits, so there may be more steps than cores. One exchange alone needs no server.
    """
    if config["in_process"]:
        return {"in_process": {}}
    return {
        "multiprocess": {
            "max_concurrent": max(4, os.cpu_count() or 1),
            "start_method": {"forkserver": {"preload_modules": list(forking.PRELOADED)}},
        }
    }


IN_PROCESS = {"execution": {"config": {"in_process": True}}}


def served(exchange: str) -> tuple[str, ...]:
    """The datasets that an exchange serves over REST."""
    return ("instruments", *(dataset for group in declared()[exchange].groups for dataset in group))


def raw_key(exchange: str, dataset: str) -> dg.AssetKey:
    """The key of what one exchange, or source of context, serves of a dataset."""
    return dg.AssetKey(["raw", exchange, dataset])


def range_tags(first: date, last: date) -> dict[str, str]:
    """The tags by which a run covers the days from the first to the last, as the UI's backfill sets them."""
    return {"dagster/asset_partition_range_start": f"{first}", "dagster/asset_partition_range_end": f"{last}"}


def daily_partitions(settings: Settings) -> dg.DailyPartitionsDefinition:
    """The days of raw assets, today's among them, by the as-of clock."""
    tomorrow = f"{settings.now().date() + timedelta(days=1)}" if settings.fixed_now is not None else None
    return dg.DailyPartitionsDefinition(FIRST_DAY, end_date=tomorrow, end_offset=1)


def progress_folder(home: Path, launcher: str) -> Path:
    """Where the steps of a launcher's run say how far they are: `<exchange>.json`."""
    return home / "dagster" / "progress" / launcher


def _raw_assets(exchange: str, days: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """All that an exchange serves: one connection, one rate limit, one step."""

    @dg.multi_asset(
        name=f"raw_{exchange}",
        specs=[_served_spec(exchange, dataset, days) for dataset in served(exchange)],
        can_subset=True,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=exchange,
    )
    def raw(context: dg.AssetExecutionContext, config: Watched) -> Iterator[dg.MaterializeResult]:
        settings = Settings.from_environment()
        with working_for(context.op_execution_context):
            yield from _fetch(context, settings, exchange, config)

    return raw


def _fetch(
    context: dg.AssetExecutionContext, settings: Settings, exchange: str, config: Watched
) -> Iterator[dg.MaterializeResult]:
    from orchestration.exchanges.client import open_client
    from orchestration.ingest import Fetch, fetch_range

    selected = {key.path[-1] for key in context.selected_asset_keys}
    days = sorted(datetime.fromisoformat(day).replace(tzinfo=UTC) for day in context.partition_keys)
    fetch = Fetch(
        client=open_client(exchange, settings.exchange_url),
        home=settings.home,
        datasets=tuple(selected - {"instruments"}),
        assets=tuple(config.assets or settings.universe.watched_assets),
        watched=settings.universe.watched_assets,
        contracts=settings.universe.contracts.get(exchange, ()),
        start=days[0],
        end=days[-1] + timedelta(days=1),
        now=settings.now(),
        show=_progress_writer(settings.home, context.run.tags.get(LAUNCHER_TAG), exchange),
    )
    failures: dict[str, list[str]] = {}
    kept: dict[str, dict] = {}  # of what failed in part
    for dataset, outcome in fetch_range(fetch, config.only_missing).items():
        if outcome.failures:
            failures[dataset] = outcome.failures
            kept[f"raw/{exchange}/{dataset}"] = _counts(outcome)
        for warning in outcome.warnings:
            context.log.warning(warning)
        if dataset in selected and not outcome.failures:  # what arrived of the others is kept, but they are not done
            key, told = raw_key(exchange, dataset), evidence(settings.home, dataset, outcome)
            if not config.only_missing:
                yield dg.MaterializeResult(asset_key=key, metadata=told)
            for day in _days(outcome, settings) if config.only_missing else ():
                context.log_event(dg.AssetMaterialization(key, partition=day, metadata=told))
    if failures:
        reasons = dict.fromkeys(reason for reasons in failures.values() for reason in reasons)
        said = {"failures": dg.MetadataValue.json(failures), "kept": dg.MetadataValue.json(kept)}
        raise dg.Failure("; ".join(reasons), metadata=said, allow_retries=False)


def _days(outcome: "Outcome", settings: Settings) -> list[str]:
    """The partitions of which something was asked for: of the run's range they may be some, today always."""
    days = {settings.now().date()}
    for start, end in outcome.asked:
        last = (end - timedelta(microseconds=1)).date()
        days |= {start.date() + timedelta(days=day) for day in range((last - start.date()).days + 1)}
    return [f"{day}" for day in sorted(days)]


def _progress_writer(home: Path, launcher: str | None, exchange: str) -> "Callable[[Progress], None]":
    """Writes how far a fetch is to where its launcher looks: a callback can't cross from one process to another."""
    from orchestration.lake.files import write_text

    if launcher is None:  # a run of the UI: nobody looks
        return lambda progress: None
    file = progress_folder(home, launcher) / f"{exchange}.json"
    done: dict[str, float] = {}

    def show(progress: "Progress") -> None:
        done.update(dict.fromkeys(progress.datasets, progress.done))
        at = {"hours": sum(done.values()), "what": f"{progress.datasets[0]} {progress.symbol}"}
        write_text(json.dumps(at), file)

    return show


def evidence(home: Path, dataset: str, outcome: "Outcome") -> dict:
    """What became of a dataset, as metadata of its asset: rows, files, quarantine, what was asked and not observed."""
    counts = _counts(outcome)
    asked = [f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}" for start, end in outcome.asked]
    quarantined = {"quarantine": dg.MetadataValue.path(str(home / "quarantine" / dataset))}
    return {
        **counts,
        "dagster/partition_row_count": sum(count for name, count in counts.items() if name != "rows_quarantined"),
        "files": dg.MetadataValue.path(str(home / "raw" / dataset)),
        **(quarantined if outcome.quarantined else {}),
        **({"warnings": "; ".join(outcome.warnings)} if outcome.warnings else {}),
        **({"asked": dg.MetadataValue.json(asked)} if asked else {}),
        **({"not_observed": dg.MetadataValue.json(outcome.notes)} if outcome.notes else {}),
    }


def _counts(outcome: "Outcome") -> dict[str, int]:
    written = outcome.written
    return {
        "rows_new": written.new,
        "rows_changed": written.changed,
        "rows_unchanged": written.unchanged,
        "rows_quarantined": outcome.quarantined,
    }


def _served_spec(exchange: str, dataset: str, days: dg.PartitionsDefinition) -> dg.AssetSpec:
    feed = declared()[exchange].feeds[dataset]
    return raw_spec(
        raw_key(exchange, dataset),
        description=f"{DESCRIPTIONS[dataset]} From {feed.endpoint}: {feed.note}.",
        group_name=exchange,
        kinds={"ccxt", "parquet"},
        partitions_def=days,
        skippable=True,
    )


def _source_spec(dataset: str) -> dg.AssetSpec:
    """What dbt reads: the files of a dataset, whichever fetch or import wrote them."""
    writers = [
        raw_key(exchange, part)
        for exchange in declared()
        for part in served(exchange)
        if part == dataset or dataset == "coverage"
    ]
    if dataset in {"context", "coverage"}:
        writers += [raw_key(source, "context") for source in SOURCES]
    return raw_spec(
        dg.AssetKey(["raw", dataset]),
        description=f"{DESCRIPTIONS[dataset]} Whoever gave them, fetched or imported.",
        group_name="raw",
        kinds={"parquet"},
        deps=writers,
    )


def raw_spec(key: dg.AssetKey, **attributes: Any) -> dg.AssetSpec:
    """A raw asset with the columns of its dataset's contract; the key ends with the dataset."""
    from orchestration.contracts import contract

    columns = [
        dg.TableColumn(column["name"], column["physicalType"], description=column["description"])
        for column in contract(key.path[-1]).properties
    ]
    metadata = {"dagster/column_schema": dg.TableSchema(columns=columns)}
    return dg.AssetSpec(key, owners=OWNERS, metadata=metadata, **attributes)


@dg.op(description="Takes own archives through the same border as a fetch.")
def import_files(context: dg.OpExecutionContext, config: Archive) -> None:
    from orchestration.ingest import import_file
    from orchestration.lake import facts

    settings = Settings.from_environment()
    with working_for(context):
        facts.prepare(settings.home)
        for one in facts.set_aside(settings.home, settings.now()):
            told = {"file": str(one.path), "damaged": f"{one} and set aside"}
            context.log_event(dg.AssetObservation(["raw", one.dataset], metadata=told))
        for dataset, files in config.files.items():
            for file in files:
                outcome = import_file(settings.home, dataset, file, settings.now())
                told = {"dataset": dataset, "file": file, **evidence(settings.home, dataset, outcome)}
                context.log_event(dg.AssetObservation(["raw", dataset], metadata=told))


@dg.job(
    description="Imports own archives (Parquet or CSV in the contract's columns).", executor_def=dg.in_process_executor
)
def import_archive() -> None:
    import_files()


@dg.definitions
def ingestion() -> dg.Definitions:
    """Raw assets, what dbt reads of them, the job and schedule that fetch them."""
    settings = Settings.from_environment()
    is_clock_fixed = settings.fixed_now is not None
    days = daily_partitions(settings)
    raw = [_raw_assets(exchange, days) for exchange in declared()]
    job = dg.define_asset_job(
        "ingest",
        selection=dg.AssetSelection.assets(*raw),
        partitions_def=days,
        description="Fetches what exchanges serve over a range of days, exchanges side by side, in one run.",
    )

    @dg.schedule(
        name=SCHEDULE,
        job=job,
        cron_schedule=settings.universe.schedule,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED if is_clock_fixed else dg.DefaultScheduleStatus.RUNNING,
    )
    def ingest_hourly(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        """One run per exchange, for today and whatever of the days before no receipt answers or is due once more.

        However many ticks a sleep has missed, Dagster gives the last of them alone; and an exchange whose last run has
        not ended yet is left to it. Records of runs that are older than `keep_runs_days` are removed before.
        """
        unfinished = set()
        if context.instance_ref:
            unfinished = _unfinished(context.instance)
            context.log.info(_tidied(context.instance, Settings.from_environment()))
        yield from _hourly_requests(context.scheduled_execution_time.astimezone(UTC).isoformat(), unfinished)

    return dg.Definitions(
        assets=[*raw, *(_source_spec(dataset) for dataset in universe.RAW_DATASETS)],
        jobs=[job, import_archive],
        schedules=[ingest_hourly],
        executor=executor,
    )


def _hourly_requests(tick: str, unfinished: set[str]) -> Iterator[dg.RunRequest]:
    from orchestration.ingest import plan

    settings = Settings.from_environment()
    now = settings.now()
    for exchange in settings.universe.exchanges:
        if exchange in unfinished:
            continue
        spans = plan(settings.home, exchange, settings.universe.watched_assets, now)
        first = min([now.date(), *(max(span.start.date(), date.fromisoformat(FIRST_DAY)) for span in spans)])
        config = {"ops": {f"raw_{exchange}": {"config": {"only_missing": True}}}}
        allowed = planning.allowed_seconds(exchange, spans, now)
        yield dg.RunRequest(
            run_key=f"{tick}|{exchange}",
            asset_selection=[raw_key(exchange, dataset) for dataset in served(exchange)],
            tags={
                TICK_TAG: tick,
                EXCHANGE_TAG: exchange,
                ALLOWED_TAG: f"{allowed:.0f}",
                "dagster/max_runtime": f"{allowed + SLOT_SECONDS:.0f}",
                **range_tags(first, now.date()),
            },
            run_config=IN_PROCESS | config,
        )


def unfinished_runs(instance: dg.DagsterInstance) -> Sequence[dg.RunRecord]:
    """Scheduled ingest runs that have not ended."""
    of_schedule = dg.RunsFilter(tags={"dagster/schedule_name": SCHEDULE}, statuses=UNFINISHED)
    return [record for record in instance.get_run_records(of_schedule) if TICK_TAG in record.dagster_run.tags]


def is_overdue(record: dg.RunRecord) -> bool:
    """Whether a scheduled run has had more than the time of its exchange."""
    allowed = float(record.dagster_run.tags.get(ALLOWED_TAG, planning.BASE_SECONDS))
    return age(record) > timedelta(seconds=allowed + START_SECONDS)


def _tidied(instance: dg.DagsterInstance, settings: Settings) -> str:
    """Removes old records of runs, and says what there is."""
    days = settings.universe.keep_runs_days
    removed = remove_old_runs(instance, days)
    size = sum(file.stat().st_size for file in (settings.home / "dagster").rglob("*") if file.is_file())
    return f"records of runs: {removed} removed that were older than {days} days, {size / 1e6:,.1f} MB kept"


def _unfinished(instance: dg.DagsterInstance) -> set[str]:
    """The exchanges whose last scheduled run has not ended."""
    return {record.dagster_run.tags[EXCHANGE_TAG] for record in unfinished_runs(instance)}
