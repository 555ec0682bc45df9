"""Dagster's own SQLite storage, writing a range of partitions in one transaction instead of several per partition, and
leaving nothing of a run that is removed.

A backfill of a year means a thousand partition events for each exchange; one by one they took longer than the fetch.
dagster.yaml names this class; everything else is Dagster's.
"""

import fcntl
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import rmtree
from typing import Self

from dagster import DagsterEventType
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData

PARTITION_EVENTS = {DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_MATERIALIZATION_PLANNED}


class BatchedEventLog(SqliteEventLogStorage):
    """`SqliteEventLogStorage` whose batches of partition events are batches, and which forgets a run whole."""

    def delete_events(self, run_id: str) -> None:
        """Deletes what a run recorded, with the results of its checks, its file and its logs, which Dagster leaves."""
        super().delete_events(run_id)
        with self.index_connection() as connection:
            of_run = AssetCheckExecutionsTable.c.run_id == run_id
            connection.execute(AssetCheckExecutionsTable.delete().where(of_run))
        for file in Path(self._base_dir).glob(f"{run_id}.db*"):
            file.unlink(missing_ok=True)
        rmtree(Path(self._base_dir).parents[1] / "storage" / run_id, ignore_errors=True)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Stores events as `store_event` would one by one: the same statements in two transactions."""
        if {event.dagster_event_type for event in events} - PARTITION_EVENTS or len({e.run_id for e in events}) != 1:
            super().store_event_batch(events)
            return
        inserts = [self.prepare_insert_event(event) for event in events]
        with self.run_connection(events[0].run_id) as connection:
            for insert in inserts:
                connection.execute(insert)
        with self.index_transaction() as connection:
            event_ids = [connection.execute(insert).lastrowid for insert in inserts]
            self._store_asset_event_tags(connection, events, event_ids)
            newest = {event.get_dagster_event().asset_key: position for position, event in enumerate(events)}
            for position in newest.values():
                self._store_asset_event(connection, events[position], event_ids[position])


class Storage(DagsterSqliteStorage):
    """`DagsterSqliteStorage` with the batched event log."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        # In a new home several processes would create the same tables at once.
        with (Path(base_dir) / ".creating").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            super().__init__(base_dir, inst_data)
        self._event_log_storage = BatchedEventLog(self._event_log_storage._base_dir)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, object]) -> Self:
        return cls.from_local(str(config_value["base_dir"]), inst_data)
