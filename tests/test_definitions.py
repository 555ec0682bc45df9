"""What a person sees in the UI: everything loads, is described, grouped and owned, and every dbt test is a check."""

import json

import pytest

from orchestration import universe
from orchestration.definitions import defs
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


def test_jobs_schedule_and_sensor_are_there(definitions):
    repository = definitions.get_repository_def()
    assert {"ingest", "refresh", "import_archive"} <= {job.name for job in repository.get_all_jobs()}
    assert [schedule.name for schedule in repository.schedule_defs] == ["ingest_hourly"]
    assert [sensor.name for sensor in repository.sensor_defs] == ["refresh_after_ingest"]
