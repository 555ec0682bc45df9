"""What every run needs, loaded once: the command line's fork server imports this module and runs are forked from it."""

from importlib import import_module

from orchestration import manifest
from orchestration.settings import Settings

settings = Settings.from_environment()
settings.export_home()
parsing = manifest.start_parsing(settings.home)
for heavy in ("ccxt", "pandera.pandas", "pyarrow.parquet", "dagster", "dagster_dbt"):
    import_module(heavy)
if parsing:
    parsing.wait()
import_module("orchestration.defs.launch").loaded()
