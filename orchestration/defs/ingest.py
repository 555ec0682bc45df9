"""Raw assets: facts as the exchanges gave them, partitioned by exchange and day; the job and schedule that fetch them.

Here belongs which run fetches what. How an exchange is asked lives in `exchanges`, what becomes of it in `ingest`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

from orchestration import ingest as facts
from orchestration import lake
from orchestration.defs.resources import OWNERS, Exchanges, pool_slot
from orchestration.exchanges import declared
from orchestration.settings import Settings

TICK_TAG = "market_stress/tick"
FIRST_DAY = "2019-09-01"

exchanges_partition = dg.StaticPartitionsDefinition(list(declared()))


class ExchangeDays(dg.MultiPartitionsDefinition):
    """Exchange x day.

    A run for a range of partitions is told so by two tags. Dagster's backfill of a job adds the tags of the whole
    backfill's first partition to each of its runs, and those would win: every exchange would fetch the first one's day.
    """

    def get_tags_for_partition_key(self, partition_key: str) -> Mapping[str, str]:
        return {"dagster/partition": partition_key}


exchange_days = ExchangeDays(
    {"exchange": exchanges_partition, "day": dg.DailyPartitionsDefinition(FIRST_DAY, end_offset=1)}
)

DESCRIPTIONS = {
    "candles": "Closed bars of one hour.",
    "open_interest": "Open positions of one side, by the hour.",
    "funding_rates": "Settled funding payments.",
    "liquidation_totals": "The exchange's own hourly sums of liquidations; gate only.",
    "liquidations": "Single liquidations; over REST okx only, and a lower bound there.",
    "instruments": "Perpetual contracts as the exchange lists them, a snapshot per run.",
}


class Watched(dg.Config):
    """What to fetch of the universe; without `assets` all of them."""

    assets: list[str] = Field(default_factory=list)


def _spec(dataset: str, partitions: dg.PartitionsDefinition) -> dg.AssetSpec:
    from orchestration.contracts import contract

    columns = [
        dg.TableColumn(column["name"], column["physicalType"], description=column["description"])
        for column in contract(dataset).properties
    ]
    return dg.AssetSpec(
        ["raw", dataset],
        description=DESCRIPTIONS[dataset],
        group_name="raw",
        kinds={"ccxt", "parquet"},
        owners=OWNERS,
        partitions_def=partitions,
        metadata={"dagster/column_schema": dg.TableSchema(columns=columns)},
        skippable=True,
    )


def _raw_assets(name: str, datasets: Sequence[str]) -> dg.AssetsDefinition:
    """The asset (or the assets, where one endpoint answers for both) of datasets that are fetched together."""

    @dg.multi_asset(
        name=name,
        specs=[_spec(dataset, exchange_days) for dataset in datasets],
        can_subset=len(datasets) > 1,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def raw(context: dg.AssetExecutionContext, config: Watched, exchanges: Exchanges) -> Iterator[dg.MaterializeResult]:
        selected = [dataset for dataset in datasets if dg.AssetKey(["raw", dataset]) in context.selected_asset_keys]
        yield from _ingest(context, config, exchanges, selected)

    return raw


def _ingest(
    context: dg.AssetExecutionContext, config: Watched, exchanges: Exchanges, datasets: Sequence[str]
) -> Iterator[dg.MaterializeResult]:
    settings = Settings.from_environment()
    keys = [exchange_days.get_partition_key_from_str(key).keys_by_dimension for key in context.partition_keys]
    start, end = _bounds(min(key["day"] for key in keys), max(key["day"] for key in keys))
    failures = []
    outcomes: dict[str, facts.Outcome] = {}
    for exchange in sorted({key["exchange"] for key in keys}):
        with pool_slot(context.op_execution_context, exchange):
            session = exchanges.session(exchange)
            _snapshot(context, settings, session)
            scope = facts.Scope(exchange, tuple(datasets), tuple(config.assets or settings.universe.assets), start, end)
            for dataset, outcome in facts.fetch_range(session, settings.home, scope, settings.now()).items():
                outcomes[dataset] = outcomes.get(dataset, facts.Outcome()) + outcome
                failures += [f"{exchange} {dataset}: {reason}" for reason in outcome.failures]
    for dataset, outcome in outcomes.items():
        if outcome.failures:
            continue  # what had arrived is kept, but the partitions are not done
        yield dg.MaterializeResult(asset_key=["raw", dataset], metadata=_evidence(settings, dataset, outcome))
    if failures:
        raise dg.Failure(failures[0], metadata={"failures": dg.MetadataValue.json(failures)}, allow_retries=False)


def _snapshot(context: dg.AssetExecutionContext, settings: Settings, session: facts.Session) -> None:
    """Every run keeps the exchange's instruments once, whichever datasets it fetches."""
    if not session.is_snapshot_kept:
        written = facts.keep_instruments(session, settings.home, settings.universe.assets, settings.now())
        if session.listed is not None:
            evidence = {"rows_new": written.new, "rows_changed": written.changed}
            context.log_event(
                dg.AssetMaterialization(["raw", "instruments"], partition=session.exchange, metadata=evidence)
            )


def _bounds(first_day: str, last_day: str) -> tuple[datetime, datetime]:
    start, last = (datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (first_day, last_day))
    return start, last + timedelta(days=1)


def _evidence(settings: Settings, dataset: str, outcome: facts.Outcome) -> dict:
    written = outcome.written
    return {
        "rows_new": written.new,
        "rows_changed": written.changed,
        "rows_unchanged": written.unchanged,
        "rows_quarantined": outcome.quarantined,
        "dagster/partition_row_count": written.new + written.changed + written.unchanged,
        "files": dg.MetadataValue.path(str(settings.home / "raw" / dataset)),
        **(
            {"quarantine": dg.MetadataValue.path(str(settings.home / "quarantine" / dataset))}
            if outcome.quarantined
            else {}
        ),
        **({"not_observed": dg.MetadataValue.json(outcome.notes)} if outcome.notes else {}),
    }


candles = _raw_assets("candles", ["candles"])
open_interest = _raw_assets("open_interest_and_totals", ["open_interest", "liquidation_totals"])
funding_rates = _raw_assets("funding_rates", ["funding_rates"])
liquidations = _raw_assets("liquidations", ["liquidations"])


@dg.multi_asset(name="instruments", specs=[_spec("instruments", exchanges_partition)])
def instruments(context: dg.AssetExecutionContext, exchanges: Exchanges) -> dg.MaterializeResult:
    settings = Settings.from_environment()
    with pool_slot(context.op_execution_context, context.partition_key):
        session = exchanges.session(context.partition_key)
        written = facts.keep_instruments(session, settings.home, settings.universe.assets, settings.now())
    return dg.MaterializeResult(metadata={"rows_new": written.new, "rows_changed": written.changed})


coverage = dg.AssetSpec(
    ["raw", "coverage"],
    description="Receipts of every fetch: which hours were really observed, and why the others were not.",
    group_name="raw",
    kinds={"parquet"},
    owners=OWNERS,
)


class Archive(dg.Config):
    """Files to import, by dataset."""

    files: dict[str, list[str]]


@dg.op(description="Takes own archives through the same border as a fetch.")
def import_files(context: dg.OpExecutionContext, config: Archive) -> None:
    settings = Settings.from_environment()
    lake.prepare(settings.home)
    for dataset, files in config.files.items():
        for file in files:
            outcome = facts.import_file(
                settings.home, dataset, file, settings.now(), lambda pool: pool_slot(context, pool)
            )
            evidence = {"dataset": dataset, "file": file, **_evidence(settings, dataset, outcome)}
            context.log_event(dg.AssetObservation(["raw", dataset], metadata=evidence))


@dg.job(description="Imports own archives (Parquet or CSV in the contract's columns).")
def import_archive() -> None:
    import_files()


def op_of(dataset: str) -> str:
    """The op that fetches a dataset."""
    assets = (candles, open_interest, funding_rates, liquidations)
    return next(asset.op.name for asset in assets if dg.AssetKey(["raw", dataset]) in asset.keys)


ingest = dg.define_asset_job(
    "ingest",
    selection=dg.AssetSelection.assets(candles, open_interest, funding_rates, liquidations),
    partitions_def=exchange_days,
    description="Fetches all datasets of one exchange over a range of days, in one run.",
)


@dg.schedule(
    job=ingest,
    cron_schedule="5 * * * *",
    default_status=dg.DefaultScheduleStatus.STOPPED
    if Settings.from_environment().fixed_now
    else dg.DefaultScheduleStatus.RUNNING,
)
def ingest_hourly(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """One run per exchange: today, and yesterday until it is wholly observed."""
    settings = Settings.from_environment()
    today = settings.now().date()
    tick = context.scheduled_execution_time.astimezone(UTC).isoformat()
    for exchange in settings.universe.exchanges:
        yesterday = today - timedelta(days=1)
        first = today if facts.is_observed(settings.home, exchange, yesterday, settings.universe.assets) else yesterday
        yield dg.RunRequest(
            run_key=f"{tick}|{exchange}", tags={TICK_TAG: tick, **range_tags(exchange, f"{first}", f"{today}")}
        )


def range_tags(exchange: str, first_day: str, last_day: str) -> dict[str, str]:
    """The tags by which a run covers an exchange's days from the first to the last, as the UI's backfill sets them."""
    first, last = (dg.MultiPartitionKey({"exchange": exchange, "day": day}) for day in (first_day, last_day))
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
