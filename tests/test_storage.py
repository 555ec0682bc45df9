"""The batched event log against Dagster's own: the same records, however they were stored."""

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

from orchestration import home as homes
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
        assert (max(batches, default=0) > 1) == is_ours


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


def test_private_members_that_the_batch_uses_are_still_dagsters():
    for name in ("prepare_insert_event", "_store_asset_event_tags", "_store_asset_event", "run_connection"):
        assert hasattr(SqliteEventLogStorage, name), name
    assert issubclass(Storage, DagsterSqliteStorage)
