"""What a person sees in the UI: everything loads, is described, grouped and owned, and every dbt test is a check."""

import json
from datetime import UTC, datetime

import dagster as dg
import pandas as pd
import pytest
from dagster_dbt import DbtCliResource

from orchestration import universe
from orchestration.context.sources import SOURCES
from orchestration.definitions import defs
from orchestration.defs.context import context
from orchestration.defs.ingest import ALLOWED_TAG, EXCHANGE_TAG, TICK_TAG, ingestion, raw_key
from orchestration.defs.quality import gate_checks
from orchestration.defs.resources import Dbt, dbt_project
from orchestration.defs.warehouse import dbt_models
from orchestration.exchanges import declared
from orchestration.lake import facts

pytestmark = pytest.mark.slow

AREAS = {"context", "staging", "spine", "facts", "coverage", "liquidations", "open_interest", "market", "stress"}


@pytest.fixture(scope="module")
def definitions():
    return defs()


@pytest.fixture(scope="module")
def manifest() -> dict:
    return json.loads(dbt_project().manifest_path.read_text())


def test_every_asset_is_described_grouped_owned_and_has_kinds(definitions):
    for spec in definitions.resolve_all_asset_specs():
        name = spec.key.to_user_string()
        assert spec.description, name
        assert spec.group_name in {"raw", *AREAS, "published", *declared()}, name
        assert spec.owners or spec.key.path[0] == "universe", name
        assert spec.kinds, name


def test_every_dbt_test_is_a_check_that_the_gate_reads(manifest):
    tests = [node for node in manifest["nodes"].values() if node["resource_type"] == "test"]
    assert tests
    assert {node["name"] for node in tests} <= {key.name for key in dbt_models().check_keys}
    assert set(dbt_models().check_keys) < set(gate_checks())
    assert all(spec.description for spec in dbt_models().check_specs)


def test_storage_of_a_mart_is_the_table_that_users_read(definitions):
    stored = {
        spec.key.path[-1]: spec.metadata.get("dagster/table_name") for spec in definitions.resolve_all_asset_specs()
    }
    assert stored["market_hourly"] == "warehouse.main.market_hourly"
    assert stored["market_stress"] == "warehouse.main.market_stress"
    assert stored["int_panel_hourly"] == "build.intermediate.int_panel_hourly"


def test_every_model_lies_in_the_area_that_may_read_it(manifest):
    """Marts are for everybody, other models for the warehouse, and a private one for its own area alone."""
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model":
            layer, area = (*node["fqn"][1:-1], "staging")[:2]
            assert node["group"] == area, node["name"]
            allowed = {"marts": {"public"}, "intermediate": {"protected", "private"}, "staging": {"protected"}}[layer]
            assert node["access"] in allowed, node["name"]


def test_raw_assets_are_what_an_exchange_serves_partitioned_by_day_and_backfilled_in_one_run(definitions):
    graph = definitions.resolve_asset_graph()
    for exchange, declaration in declared().items():
        keys = {key for key in graph.get_all_asset_keys() if key.path[:2] == ["raw", exchange]}
        assert {key.path[2] for key in keys} == {name for name, feed in declaration.feeds.items() if feed.served}
        for node in map(graph.get, keys):
            assert isinstance(node.partitions_def, dg.TimeWindowPartitionsDefinition)
            assert node.backfill_policy.max_partitions_per_run is None
            assert node.pools == {exchange}


def test_what_dbt_reads_depends_on_all_that_writes_it(definitions):
    graph = definitions.resolve_asset_graph()
    totals = graph.get(dg.AssetKey(["raw", "liquidation_totals"]))
    assert totals.parent_keys == {dg.AssetKey(["raw", "gate", "liquidation_totals"])}
    assert dg.AssetKey(["raw", "okx", "liquidations"]) in graph.get(dg.AssetKey(["raw", "coverage"])).parent_keys


def test_partitions_end_with_the_day_of_the_clock(monkeypatch, tmp_path):
    monkeypatch.setenv("MARKET_STRESS_HOME", str(tmp_path))
    monkeypatch.setenv("MARKET_STRESS_NOW", "2026-02-12T10:05:00Z")
    days = ingestion().get_assets_def(raw_key("gate", "candles")).partitions_def
    assert (days.get_first_partition_key(), days.get_last_partition_key()) == ("2019-09-01", "2026-02-12")


def test_schedule_asks_every_exchange_for_today_and_for_what_is_missing_since_the_first_receipt(monkeypatch, tmp_path):
    facts.prepare(tmp_path)
    receipt = {"exchange": "bybit", "dataset": "candles", "symbol": "BTC/USDT:USDT", "feed": "rest", "reason": None}
    hours = {"start_at": datetime(2026, 2, 8, 4, tzinfo=UTC), "end_at": datetime(2026, 2, 8, 5, tzinfo=UTC)}
    receipts = pd.DataFrame([{**receipt, **hours, "state": "complete", "payload": None, "origin": "live"}])
    facts.write(tmp_path, "coverage", receipts, "rest", datetime(2026, 2, 8, 5, tzinfo=UTC))
    monkeypatch.setenv("MARKET_STRESS_HOME", str(tmp_path))
    monkeypatch.setenv("MARKET_STRESS_NOW", "2026-02-12T10:05:00Z")
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 2, 12, 10, 5, tzinfo=UTC))
    requests = ingestion().get_schedule_def("ingest_hourly").evaluate_tick(context).run_requests
    ranges = [(tags["dagster/asset_partition_range_start"], tags["dagster/asset_partition_range_end"])
              for tags in (request.tags for request in requests)]  # fmt: skip
    assert ranges == [("2026-02-08", "2026-02-12")] * 4
    assert [{key.path[1] for key in request.asset_selection} for request in requests] == [
        {exchange} for exchange in universe.EXCHANGES
    ]


def test_context_is_an_asset_per_source_partitioned_by_day_and_backfilled_in_one_run(definitions):
    graph = definitions.resolve_asset_graph()
    keys = {raw_key(source, "context") for source in SOURCES}
    assert graph.get(dg.AssetKey(["raw", "context"])).parent_keys == keys
    for node in map(graph.get, keys):
        assert isinstance(node.partitions_def, dg.TimeWindowPartitionsDefinition)
        assert node.backfill_policy.max_partitions_per_run is None
        assert node.metadata["dagster/column_schema"].columns[0].name == "source"


@pytest.mark.parametrize(
    ("answers", "since"),
    [
        ({}, "2026-01-29"),  # nobody ever asked: a fortnight before today
        ({"alternative": "2026-02-12", "fred": "2026-02-12", "ecb": "2026-02-12"}, "2026-01-29"),
        ({"alternative": "2026-02-12", "fred": "2026-01-31", "ecb": "2026-02-12"}, "2026-01-17"),  # before its hole
    ],
)
def test_context_is_asked_for_since_a_fortnight_before_the_last_whole_answer(monkeypatch, tmp_path, answers, since):
    facts.prepare(tmp_path)
    midnight = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        {"exchange": source, "dataset": "context", "symbol": SOURCES[source].series, "start_at": midnight,
         "end_at": datetime.fromisoformat(f"{end}T00:00:00+00:00"), "feed": "rest", "state": "complete",
         "reason": None, "payload": None, "origin": "live"}
        for source, end in answers.items()
    ]  # fmt: skip
    facts.write(tmp_path, "coverage", pd.DataFrame(rows), "rest", midnight) if rows else None
    monkeypatch.setenv("MARKET_STRESS_HOME", str(tmp_path))
    monkeypatch.setenv("MARKET_STRESS_NOW", "2026-02-12T15:10:00Z")
    schedule = context().get_schedule_def("context_every_day")
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    tick = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 2, 12, 15, 10, tzinfo=UTC))
    (request,) = schedule.evaluate_tick(tick).run_requests
    ends = [request.tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end")]
    assert ends == [since, "2026-02-12"]


def test_ticks_missed_while_asleep_are_one_tick(definitions):
    """Dagster catches up tick by tick only where a schedule has a set of partitions of its own."""
    from dagster._core.remote_representation.external_data import ScheduleSnap

    repository = definitions.get_repository_def()
    snap = ScheduleSnap.from_def(repository.get_schedule_def("ingest_hourly"), repository)
    assert snap.partition_set_name is None


@pytest.fixture
def ticking(definitions):
    """A function (instance, cursor) -> what the sensor says then: a request, or a skip's reason; and its new cursor."""
    sensor = definitions.get_sensor_def("refresh_after_ingest")

    def evaluate(instance, cursor=None):
        tick = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor))
        for request in tick.run_requests:
            assert request.tags.pop("dagster/sensor_name") == "refresh_after_ingest"
            assert request.tags.pop("dagster/max_runtime") == "7200"
        return (*tick.run_requests, tick.skip_message)[0], tick.cursor

    return evaluate


@pytest.fixture
def ingest_run(definitions):
    """A function (instance, exchange, hour, status, allowed seconds) -> a run of the schedule."""
    job = definitions.resolve_job_def("ingest")

    def create(instance, exchange, hour, status="STARTED", allowed_seconds=600.0):
        tags = {
            TICK_TAG: f"2026-02-12T{hour:02}:05:00+00:00",
            EXCHANGE_TAG: exchange,
            ALLOWED_TAG: f"{allowed_seconds}",
            "dagster/schedule_name": "ingest_hourly",
        }
        return instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus(status))

    return create


def test_refresh_waits_for_the_last_ingest_of_its_tick_and_runs_once(ticking, ingest_run):
    with dg.DagsterInstance.ephemeral() as instance:
        assert ticking(instance)[0] == "no scheduled ingest has run yet"
        ingest_run(instance, "gate", 10, "FAILURE")
        running = ingest_run(instance, "okx", 10)
        assert ticking(instance)[0] == "ingest of 2026-02-12T10:05:00+00:00 is still running"
        instance.report_run_failed(running)
        request, cursor = ticking(instance)
        assert (request.run_key, request.tags) == ("2026-02-12T10:05:00+00:00", {})
        assert ticking(instance, cursor)[0] == "2026-02-12T10:05:00+00:00 is refreshed"


def test_refresh_goes_without_a_run_that_is_overdue_says_so_and_comes_once_more_when_it_has_ended(ticking, ingest_run):
    overdue_at_once = -1000.0
    with dg.DagsterInstance.ephemeral() as instance:
        ingest_run(instance, "gate", 10, "SUCCESS")
        late = ingest_run(instance, "okx", 10, allowed_seconds=overdue_at_once)
        name = f"okx (run {late.run_id[:8]})"
        request, cursor = ticking(instance)
        assert request.run_key == "2026-02-12T10:05:00+00:00"
        assert request.tags == {"market_stress/without": name}
        assert ticking(instance, cursor) == (
            f"2026-02-12T10:05:00+00:00 is refreshed without {name}: once more when it ends", cursor,
        )  # fmt: skip
        instance.report_run_failed(late)
        request, cursor = ticking(instance, cursor)
        assert request.run_key == f"2026-02-12T10:05:00+00:00|{late.run_id}"
        assert request.tags == {"market_stress/after_late": name}
        assert ticking(instance, cursor)[0] == "2026-02-12T10:05:00+00:00 is refreshed"


def test_run_of_an_earlier_tick_holds_up_no_later_one_and_is_followed_by_a_refresh(ticking, ingest_run):
    with dg.DagsterInstance.ephemeral() as instance:
        long = ingest_run(instance, "okx", 10)
        ingest_run(instance, "gate", 10, "SUCCESS")
        assert "still running" in ticking(instance)[0]
        ingest_run(instance, "gate", 11, "SUCCESS")
        request, cursor = ticking(instance)
        assert request.run_key == "2026-02-12T11:05:00+00:00"
        assert request.tags == {"market_stress/without": f"okx (run {long.run_id[:8]})"}
        instance.report_run_failed(long)
        assert ticking(instance, cursor)[0].run_key == f"2026-02-12T11:05:00+00:00|{long.run_id}"


def test_tick_that_has_ended_is_refreshed_though_the_next_one_runs_already(ticking, ingest_run):
    """Else a schedule of every minute, or a slow machine, would never be refreshed."""
    with dg.DagsterInstance.ephemeral() as instance:
        ingest_run(instance, "gate", 10, "SUCCESS")
        ingest_run(instance, "gate", 11)
        request, cursor = ticking(instance)
        assert (request.run_key, request.tags) == ("2026-02-12T10:05:00+00:00", {})
        assert ticking(instance, cursor)[0] == "ingest of 2026-02-12T11:05:00+00:00 is still running"


def test_one_refresh_at_a_time_and_then_the_newest_tick_alone(definitions, ticking, ingest_run):
    job, of_sensor = definitions.resolve_job_def("refresh"), {"dagster/sensor_name": "refresh_after_ingest"}
    with dg.DagsterInstance.ephemeral() as instance:
        for hour in (10, 11, 12):
            ingest_run(instance, "gate", hour, "SUCCESS")
        refresh = instance.create_run_for_job(job, tags=of_sensor, status=dg.DagsterRunStatus.STARTED)
        assert ticking(instance)[0] == "the refresh before is still running"
        instance.report_run_failed(refresh)
        assert ticking(instance)[0].run_key == "2026-02-12T12:05:00+00:00"


def test_scheduled_runs_have_their_time_and_the_daemon_ends_them_an_hour_after_it(monkeypatch, tmp_path):
    monkeypatch.setenv("MARKET_STRESS_HOME", str(tmp_path))
    monkeypatch.setenv("MARKET_STRESS_NOW", "2026-02-12T10:05:00Z")
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 2, 12, 10, 5, tzinfo=UTC))
    for request in ingestion().get_schedule_def("ingest_hourly").evaluate_tick(context).run_requests:
        allowed = int(request.tags[ALLOWED_TAG])
        assert 600 < allowed < 1500
        assert int(request.tags["dagster/max_runtime"]) == allowed + 3600


def test_universe_says_when_ingest_is_scheduled_in_utc(monkeypatch, tmp_path):
    (tmp_path / "universe.yml").write_text("schedule: '* * * * *'\n")
    assert ingestion().get_schedule_def("ingest_hourly").cron_schedule == "5 * * * *"
    monkeypatch.setenv("MARKET_STRESS_UNIVERSE", str(tmp_path / "universe.yml"))
    schedule = ingestion().get_schedule_def("ingest_hourly")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("* * * * *", "UTC")


def test_jobs_schedule_and_sensor_are_there(definitions):
    repository = definitions.get_repository_def()
    assert {"ingest", "refresh", "import_archive", "fetch_context"} <= {job.name for job in repository.get_all_jobs()}
    assert {schedule.name for schedule in repository.schedule_defs} == {"context_every_day", "ingest_hourly"}
    assert [sensor.name for sensor in repository.sensor_defs] == ["refresh_after_ingest"]


def test_private_members_that_we_override_are_still_dagsters():
    """A spelling that Dagster no longer knows would be overridden in vain: dbt would be asked for its version again."""
    for name in ("_cli_version", "_initialize_dbt_core_adapter"):
        assert name in vars(Dbt)
        assert hasattr(DbtCliResource, name)
