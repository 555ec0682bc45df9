"""What a person sees in the UI: everything loads, is described, grouped and owned, and every dbt test is a check."""

import json
from datetime import UTC, datetime

import dagster as dg
import pytest

from orchestration import universe
from orchestration.definitions import defs
from orchestration.defs.ingest import TICK_TAG, ingest_hourly
from orchestration.defs.publish import refresh_after_ingest
from orchestration.defs.quality import GATE_CHECKS
from orchestration.defs.resources import dbt_project
from orchestration.defs.warehouse import dbt_models

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def definitions():
    return defs()


@pytest.fixture(scope="module")
def manifest() -> dict:
    return json.loads(dbt_project.manifest_path.read_text())


def test_every_asset_is_described_grouped_owned_and_has_kinds(definitions):
    for spec in definitions.resolve_all_asset_specs():
        name = spec.key.to_user_string()
        assert spec.description, name
        assert spec.group_name in {"raw", "staging", "intermediate", "marts", "published"}, name
        assert spec.owners or spec.key.path[0] == "universe", name
        assert spec.kinds, name


def test_every_dbt_test_is_a_check_that_the_gate_reads(manifest):
    tests = [node for node in manifest["nodes"].values() if node["resource_type"] == "test"]
    assert tests
    assert {node["name"] for node in tests} <= {key.name for key in dbt_models.check_keys}
    assert set(dbt_models.check_keys) < set(GATE_CHECKS)


def test_every_model_and_mart_column_is_described(manifest):
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model":
            assert node["description"], node["name"]
            if "marts" in node["fqn"]:
                undescribed = [column for column, terms in node["columns"].items() if not terms["description"]]
                assert not undescribed, node["name"]


def test_raw_assets_are_partitioned_by_exchange_and_day_and_backfilled_in_one_run(definitions):
    graph = definitions.resolve_asset_graph()
    for dataset in set(universe.DATASETS) - {"instruments"}:
        node = graph.get(next(key for key in graph.get_all_asset_keys() if key.path == ["raw", dataset]))
        assert set(node.partitions_def.partition_dimension_names) == {"exchange", "day"}
        assert node.backfill_policy.max_partitions_per_run is None


def test_schedule_asks_every_exchange_for_today_and_for_yesterday_until_it_is_observed(monkeypatch, tmp_path):
    monkeypatch.setenv("MARKET_STRESS_HOME", str(tmp_path))
    monkeypatch.setenv("MARKET_STRESS_NOW", "2026-02-12T10:05:00Z")
    context = dg.build_schedule_context(scheduled_execution_time=datetime(2026, 2, 12, 10, 5, tzinfo=UTC))
    requests = ingest_hourly.evaluate_tick(context).run_requests
    ranges = [(tags["dagster/asset_partition_range_start"], tags["dagster/asset_partition_range_end"])
              for tags in (request.tags for request in requests)]  # fmt: skip
    assert ranges == [(f"2026-02-11|{exchange}", f"2026-02-12|{exchange}") for exchange in universe.EXCHANGES]


def test_refresh_waits_for_the_last_ingest_of_its_tick_and_runs_once(definitions):
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance)
        assert refresh_after_ingest.evaluate_tick(context).run_requests == []
        job = definitions.resolve_job_def("ingest")
        for status in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED):
            running = instance.create_run_for_job(job, tags={TICK_TAG: "2026-02-12T10:05:00+00:00"}, status=status)
        assert refresh_after_ingest.evaluate_tick(context).run_requests == []
        instance.report_run_failed(running)
        keys = [request.run_key for request in refresh_after_ingest.evaluate_tick(context).run_requests]
        assert keys == ["2026-02-12T10:05:00+00:00"]


def test_jobs_schedule_and_sensor_are_there(definitions):
    repository = definitions.get_repository_def()
    assert {"ingest", "refresh", "import_archive"} <= {job.name for job in repository.get_all_jobs()}
    assert [schedule.name for schedule in repository.schedule_defs] == ["ingest_hourly"]
    assert [sensor.name for sensor in repository.sensor_defs] == ["refresh_after_ingest"]
