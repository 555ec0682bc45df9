"""The batched event log against Dagster's own: the same records, however they were stored."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.runs.schema import RunsTable
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

from orchestration import home as homes
from orchestration.defs import runs
from orchestration.defs.storage import BatchedEventLog, Storage

pytestmark = pytest.mark.slow

DAYS = dg.DailyPartitionsDefinition("2026-02-01", end_date="2026-02-09")
RANGE = {"dagster/asset_partition_range_start": "2026-02-02", "dagster/asset_partition_range_end": "2026-02-06"}
KEYS = [dg.AssetKey(["raw", "gate", name]) for name in ("candles", "open_interest")]


@dg.multi_asset(
    specs=[dg.AssetSpec(key, partitions_def=DAYS) for key in KEYS], backfill_policy=dg.BackfillPolicy.single_run()
)
def raw(context):
    for key in KEYS:
        yield dg.MaterializeResult(asset_key=key, metadata={"rows_new": 24})


@dg.job
def empty():
    pass


@pytest.fixture(params=["ours", "dagster's"])
def instance(request, monkeypatch, tmp_path):
    for name, value in homes.prepare(tmp_path).items():
        monkeypatch.setenv(name, value)
    if request.param == "dagster's":
        settings = tmp_path / "dagster" / "dagster.yaml"
        settings.write_text(settings.read_text().partition("storage:")[0])
    with dg.DagsterInstance.get() as instance:
        is_ours = request.param == "ours"
        assert isinstance(instance.event_log_storage, BatchedEventLog) == is_ours
        batches = []
        store = BatchedEventLog.store_event_batch
        monkeypatch.setattr(
            BatchedEventLog,
            "store_event_batch",
            lambda self, events: (batches.append(len(events)), store(self, events)),
        )
        yield instance
        assert not batches or (max(batches) > 1) == is_ours


def test_range_of_partitions_is_recorded_as_dagster_would(instance):
    """Both storages are held to one description, so they can't differ from each other either."""
    ended = dg.materialize([raw], instance=instance, tags=RANGE)
    assert ended.success
    expected = {f"2026-02-0{day}" for day in range(2, 7)}
    for key in KEYS:
        assert instance.get_materialized_partitions(key) == expected
        records = instance.fetch_materializations(key, limit=100).records
        assert sorted(record.partition_key for record in records) == sorted(expected)
        assert {record.asset_materialization.metadata["rows_new"].value for record in records} == {24}
        planned = instance.event_log_storage.get_latest_storage_id_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
        )
        assert set(planned) == expected
        latest = instance.get_latest_materialization_event(key)
        assert latest.run_id == ended.run_id
        assert instance.get_asset_records([key])[0].asset_entry.last_materialization.run_id == ended.run_id
    in_run = [entry.dagster_event for entry in instance.all_logs(ended.run_id) if entry.dagster_event]
    assert sum(event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION for event in in_run) == 10


@dg.asset_check(asset=KEYS[0])
def is_whole():
    return dg.AssetCheckResult(passed=True)


def days_ago(instance, ended, days: int) -> None:
    """Makes a run older than it is."""
    created = datetime.now(UTC) - timedelta(days=days)
    with instance.run_storage.connect() as connection:
        of_run = RunsTable.c.run_id == ended.run_id
        connection.execute(RunsTable.update().where(of_run).values(create_timestamp=created.replace(tzinfo=None)))


@pytest.mark.parametrize("instance", ["ours"], indirect=True)
def test_run_that_is_removed_leaves_nothing(instance, tmp_path):
    ended = dg.materialize([raw, is_whole], instance=instance, tags=RANGE)
    (tmp_path / "dagster" / "storage" / ended.run_id / "compute_logs").mkdir(parents=True, exist_ok=True)
    names = {path.name for path in (tmp_path / "dagster").rglob(f"{ended.run_id}*")}
    assert names == {ended.run_id, f"{ended.run_id}.db"}
    instance.delete_run(ended.run_id)
    assert list((tmp_path / "dagster").rglob(f"{ended.run_id}*")) == []
    for file in (tmp_path / "dagster").rglob("*.db"):
        with closing(sqlite3.connect(file)) as connection:
            tables = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
            for table in tables:
                if "run_id" in [column[1] for column in connection.execute(f"pragma table_info({table})")]:
                    held = connection.execute(f"select count(*) from {table} where run_id = ?", [ended.run_id])
                    assert held.fetchone() == (0,), table


@pytest.mark.parametrize("instance", ["ours"], indirect=True)
def test_old_runs_are_removed_but_for_the_last_of_each_job_and_the_last_that_succeeded(instance):
    days = (30, 20, 16, 15.5, 13)
    ran = {age: dg.materialize([raw], instance=instance, tags=RANGE) for age in days}
    for age, ended in ran.items():
        days_ago(instance, ended, age)
    kept = {run.run_id for run in instance.get_runs()}
    assert runs.remove_old_runs(instance, 40) == 0
    assert runs.remove_old_runs(instance, 14) == 4
    assert {run.run_id for run in instance.get_runs()} == {ran[13].run_id}
    days_ago(instance, ran[13], 100)
    assert runs.remove_old_runs(instance, 14) == 0  # the last one, and the gate may ask for what it recorded
    failed = instance.create_run_for_job(empty, status=dg.DagsterRunStatus.FAILURE)
    assert kept & {run.run_id for run in instance.get_runs()} == {ran[13].run_id}
    assert failed.run_id in {run.run_id for run in instance.get_runs()}


@pytest.mark.parametrize("instance", ["ours"], indirect=True)
def test_a_run_that_has_not_ended_is_never_removed(instance):
    for status in ("NOT_STARTED", "STARTED", "CANCELING", "SUCCESS"):
        created = instance.create_run_for_job(empty, status=dg.DagsterRunStatus(status))
        days_ago(instance, created, 50)
    assert runs.remove_old_runs(instance, 14) == 0


@pytest.mark.parametrize("instance", ["ours"], indirect=True)
def test_commands_remove_what_the_universe_no_longer_keeps(instance, monkeypatch, tmp_path):
    (tmp_path / "universe.yml").write_text("keep_runs_days: 3\n")
    ran = [instance.create_run_for_job(empty, status=dg.DagsterRunStatus.SUCCESS) for _ in range(2)]
    days_ago(instance, ran[0], 5)
    with runs.launching(instance):
        assert len(instance.get_runs()) == 2
    monkeypatch.setenv("MARKET_STRESS_UNIVERSE", str(tmp_path / "universe.yml"))
    with runs.launching(instance):
        assert [run.run_id for run in instance.get_runs()] == [ran[1].run_id]


@pytest.mark.parametrize("instance", ["ours"], indirect=True)
def test_removing_is_bounded_so_that_nobody_waits_for_it(instance, monkeypatch):
    monkeypatch.setattr(runs, "MOST_REMOVED", 3)
    for _ in range(6):
        days_ago(instance, instance.create_run_for_job(empty, status=dg.DagsterRunStatus.SUCCESS), 50)
    assert [runs.remove_old_runs(instance, 14) for _ in range(3)] == [3, 2, 0]


def test_private_members_that_the_batch_uses_are_still_dagsters():
    of_batch = ("prepare_insert_event", "_store_asset_event_tags", "_store_asset_event", "run_connection")
    for name in (*of_batch, "delete_events", "index_connection"):
        assert hasattr(SqliteEventLogStorage, name), name
    assert issubclass(Storage, DagsterSqliteStorage)
