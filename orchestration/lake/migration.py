"""Raw facts of an earlier version get the columns that their contracts have since gained.

Here belongs what such columns hold in rows that were written without them. It runs before any command that fetches,
imports or builds; what it did not reach in a process that was killed, the next run does.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from orchestration import universe
from orchestration.contracts import contract
from orchestration.lake import damage, facts
from orchestration.lake.files import connect, literal, pattern, write_parquet, write_text

FORMAT = "2"  # of raw facts; 1 knew no `origin`, no `period_hours` and no versions of instruments
DEMO_ORIGIN = "simulated:deleveraging-2026-02"  # the one scenario that format 1 knew, in homes with a file SIMULATED


def is_needed(home: Path) -> bool:
    """Whether raw facts of an earlier format lie in a home; an empty home gets the present one."""
    mark = _mark(home)
    if not mark.exists() and not any(_files(home)):
        write_text(FORMAT, mark)
    return not mark.exists() or mark.read_text() != FORMAT


def migrate(home: Path) -> int:
    """Rewrites every file of raw facts that lacks a column, superseded rows too; returns how many these were.

    `period_hours` is 1 and every instrument's only version valid from the beginning. Rows of a home that was marked as
    simulated say so themselves from then on, and the mark goes.
    """
    simulated = home / "SIMULATED"
    origin = DEMO_ORIGIN if simulated.exists() else "live"
    exchanges = {folder.name.removeprefix("exchange=") for folder in (home / "raw").glob("*/exchange=*")}
    with facts.turn(home, sorted(exchanges)), ThreadPoolExecutor(4) as pool:  # fsync waits for the disk, not for us
        migrated = sum(pool.map(lambda file: _complete(home, file, origin), list(_files(home))))
        _give_events_to_first_feed(home)
    write_text(FORMAT, _mark(home))
    simulated.unlink(missing_ok=True)
    return migrated


def _give_events_to_first_feed(home: Path) -> None:
    """Imported events that REST brought too lie under `rest` (see `facts.FEEDS_IN_ORDER`).

    Format 1 kept an event under whichever feed came first and counted all of them; so what lies in hours of which REST
    has a receipt is given to it, which leaves every sum as it was.
    """
    of_rest = "dataset = 'liquidations' and state = 'complete' and feed = 'rest'"
    receipts = facts.read_raw(home, "coverage", of_rest)
    for file in (home / "raw" / "liquidations").glob("*/*/import.parquet"):
        if damage.unreadable(file, whole=True):
            continue
        connection = connect()
        connection.register("receipts", receipts)
        rows = connection.execute(f"""
            select imported.* replace (
                case
                    when exists (
                        select 1 from receipts where receipts.exchange = imported.exchange
                            and receipts.symbol = imported.symbol
                            and imported.occurred_at >= receipts.start_at and imported.occurred_at < receipts.end_at
                    ) then 'rest' else imported.feed
                end as feed
            )
            from read_parquet({literal(pattern(file))}, hive_partitioning = false) as imported
        """).to_arrow_table()
        if "rest" in rows.column("feed").to_pylist():
            write_parquet(rows.cast(contract("liquidations").arrow_schema), file)


def _mark(home: Path) -> Path:
    return home / "raw" / "FORMAT"


def _files(home: Path) -> Iterator[Path]:
    return (path for path in (home / "raw").rglob("[!.]*.parquet") if path.is_file())  # superseded/ has such folders


def _complete(home: Path, file: Path, origin: str) -> bool:
    """Gives a file the columns of its contract that it lacks; whether it lacked any."""
    import pyarrow
    import pyarrow.parquet

    parts = file.relative_to(home / "raw").parts
    dataset = parts[1] if parts[0] == "superseded" else parts[0]
    if dataset not in universe.RAW_DATASETS:
        return False
    if damage.unreadable(file, whole=True):  # the run that follows sets it aside
        return False
    terms = contract(dataset)
    table = pyarrow.parquet.read_table(file)
    lacking = [field for field in terms.arrow_schema if field.name not in table.column_names]
    held = {**terms.defaults, "origin": origin}
    for field in lacking:
        table = table.append_column(field, pyarrow.array([held.get(field.name)] * len(table)).cast(field.type))
    if lacking:
        more = [name for name in table.column_names if name not in terms.arrow_schema.names]  # superseded_at
        write_parquet(table.select([*terms.arrow_schema.names, *more]), file)
    return bool(lacking)
