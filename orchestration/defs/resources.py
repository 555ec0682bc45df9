"""What assets share: dbt, owners and the pool around the warehouse. Here belongs nothing that knows data."""

from collections.abc import Sequence
from importlib.metadata import version

import dagster as dg
from dagster_dbt import DbtCliResource, DbtProject
from packaging.version import Version

from orchestration import manifest
from orchestration.settings import Settings

WAREHOUSE_POOL = "warehouse"
OWNERS = ["team:market-stress"]


class Dbt(DbtCliResource):
    """dbt as one process of its own: to ask for its version takes seconds, its adapter in ours would hold the file."""

    @property
    def _cli_version(self) -> Version:
        return Version(version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> None:  # type: ignore[override] # Dagster goes without
        return None


def dbt_project() -> DbtProject:
    """The project as it is parsed for this home."""
    target = manifest.target(Settings.from_environment().home)
    return DbtProject(manifest.PROJECT, profiles_dir=manifest.PROJECT, target_path=target)


@dg.definitions
def resources() -> dg.Definitions:
    project, executable = str(manifest.PROJECT), str(manifest.DBT)
    return dg.Definitions(resources={"dbt": Dbt(project_dir=project, profiles_dir=project, dbt_executable=executable)})
