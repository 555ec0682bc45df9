"""The marts of the demo and of a real crash against the same figures computed from the tape alone (`recomputation`).

Every column is compared: one that the recomputation lacks fails its mart's test. Part of `make test-all`. The crash is
skipped where the recordings are absent.
"""

from pathlib import Path

import pytest
from recomputation import recomputed
from recordings import RECORDINGS

pytestmark = pytest.mark.thorough

GRAINS = {"daily": "day", "weekly": "week", "monthly": "month"}
MARTS = [
    "liquidations_hourly",
    *(f"{mart}_{grain}" for mart in ("liquidations", "open_interest", "market") for grain in GRAINS),
    "market_hourly",
]
KEYS = ("period_start_date", "hour_at", "as_of", "exchange", "asset")
# Liquidations are equal to the last digit. What products of DOUBLE lie behind is equal to the cent, coins to what one
# such product may lose.
FACTS = ("long_usd", "short_usd", "total_usd", "largest_usd", "worst_hour_usd")
DIFFERS = {"DOUBLE": "abs(ours - theirs) > 1e-9 * abs(theirs) + 1e-15", "USD": "abs(ours - theirs) >= 0.005"}
DIFFERS |= {"COINS": "abs(ours - theirs) > 1e-15 * abs(theirs)::double + 1e-12", "EXACT": "ours <> theirs"}


@pytest.fixture(scope="module")
def demo(demo_home):
    # OKX tells of 95 days of settlements; what else REST forgets is imported.
    reached = {"funding_rates": "exchange <> 'okx' or funded_at >= timestamptz '2025-11-09 00:00:00+00'"}
    tape, assets = demo_home / "tapes" / "deleveraging-2026-02", ["BTC", "ETH", "SOL", "XRP", "BNB"]
    return _beside(demo_home, recomputed(tape, "2026-02-12", "2025-04-18", assets, reached))


@pytest.fixture(scope="module")
def crash(crash_home):
    datasets = ("instruments", "liquidation_totals", "open_interest", "candles")
    reached = dict.fromkeys(datasets, "exchange = 'gate'")
    tape = RECORDINGS / "crash-2024-08"
    return _beside(crash_home, recomputed(tape, "2024-08-19 21:00", "2024-06-19", ["BTC", "ETH", "SOL"], reached))


def _beside(home: Path, marts):
    marts.execute(f"attach '{home}/warehouse.duckdb' as warehouse (read_only)")
    return marts


@pytest.mark.parametrize("mart", MARTS)
@pytest.mark.parametrize("tape", ["demo", "crash"])
def test_a_mart_equals_what_the_tape_alone_gives(request, tape, mart):
    marts = request.getfixturevalue(tape)
    name, grain = mart.rsplit("_", 1)
    if grain in GRAINS:
        theirs = f"(select * exclude grain from {name}_periods where grain = '{GRAINS[grain]}')"
    else:
        theirs = mart
    kinds = {column: kind for column, kind, *_ in marts.sql(f"describe warehouse.{mart}").fetchall()}
    columns = marts.sql(f"from {theirs} as theirs limit 0").columns
    assert set(columns) == set(kinds)
    keys = ", ".join(column for column in columns if column in KEYS)
    missing = f"select {keys} from {theirs} except all select {keys} from warehouse.{mart}"
    added = f"select {keys} from warehouse.{mart} except all select {keys} from {theirs}"
    assert (marts.sql(missing).fetchall(), marts.sql(added).fetchall()) == ([], [])
    different = {}
    for column in (column for column in columns if column not in KEYS):
        pairs = (
            f"select {keys}, mart.{column} as ours, tape.{column} as theirs "
            f"from warehouse.{mart} as mart join {theirs} as tape using ({keys})"
        )
        rows = marts.sql(f"from ({pairs}) where ours is null <> (theirs is null) or {_differs(column, kinds[column])}")
        if found := rows.order(keys).limit(3).fetchall():
            different[column] = len(rows), [tuple(map(str, row)) for row in found]
    assert different == {}


def _differs(column: str, kind: str) -> str:
    """Condition on `ours` and `theirs`, the figures of a column."""
    if kind.startswith("DECIMAL") and not column.startswith(FACTS):
        kind = "COINS" if column.endswith("base") else "USD"
    if kind.endswith("[]"):
        return "list_sort(ours) <> list_sort(theirs::text[])"
    if kind == "VARCHAR":
        return "ours <> theirs::text"
    return DIFFERS.get(kind, DIFFERS["EXACT"])
