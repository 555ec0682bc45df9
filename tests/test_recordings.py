"""Real recordings through everything, by the command line: the golden figures of their README, to the cent.

Part of `make test-all`. Skipped where the recordings are absent: they lie beside the checkout, never in it.
"""

from datetime import UTC, datetime

import duckdb
import pytest
from recordings import RECORDINGS, needs_recordings

pytestmark = [pytest.mark.thorough, needs_recordings]

# Long and short USD of 2024-08-05, of its week and of July 2024; hours of July that were observed.
LIQUIDATIONS = {
    "BTC": (51_962_439.30, 30_847_700.90, 88_153_140.39, 89_547_360.98, 271_298_792.76, 198_929_584.25, 744),
    "ETH": (29_737_168.13, 32_276_723.82, 62_316_218.43, 61_568_455.55, 225_661_381.75, 125_284_808.60, 744),
    "SOL": (13_232_468.97, 8_846_181.76, 30_614_712.43, 24_094_428.80, 67_072_203.21, 56_913_311.62, 742),
}
# Coins at the start and the end of 2024-08-05; Gate's contract is a tenth of a millionth to a coin, so to the contract.
OPEN_INTEREST_BASE = {
    "BTC": (88_101.558, 75_213.426),
    "ETH": (908_525.834, 777_022.129),
    "SOL": (5_010_682, 4_389_815),
}


def test_the_crash_of_august_2024(crash_home):
    with duckdb.connect(crash_home / "warehouse.duckdb", read_only=True) as warehouse:

        def sums(grain: str, day: str, asset: str, figures: str = "long_usd, short_usd") -> tuple:
            return warehouse.execute(
                f"select {figures} from liquidations_{grain} "
                f"where exchange = 'gate' and asset = '{asset}' and period_start_date = date '{day}'"
            ).fetchone()

        for asset, golden in LIQUIDATIONS.items():
            told = (*sums("daily", "2024-08-05", asset), *sums("weekly", "2024-08-05", asset))
            told += sums("monthly", "2024-07-01", asset)
            assert tuple(round(float(figure), 2) for figure in told) == golden[:6]
            observed = sums("monthly", "2024-07-01", asset, "observed_ratio")[0]
            assert round(observed * 744) == golden[6]
        for asset, golden in OPEN_INTEREST_BASE.items():
            told = warehouse.execute(
                "select open_base, close_base from open_interest_daily "
                f"where exchange = 'gate' and asset = '{asset}' and period_start_date = date '2024-08-05'"
            ).fetchone()
            assert [float(figure) for figure in told] == pytest.approx(golden, abs=1)
        usd = warehouse.execute(
            "select open_usd, close_usd from open_interest_daily "
            "where exchange = 'gate' and asset = 'BTC' and period_start_date = date '2024-08-05'"
        ).fetchone()
        assert [round(float(figure)) for figure in usd] == [5_122_621_039, 4_061_758_166]


def test_a_year_of_three_exchanges(walked):
    """Candles and settlements as the exchanges gave them in 2025: none missing, none differing, none doubled."""
    now, first, after = datetime(2026, 3, 7, tzinfo=UTC), "2025-03-07", "2026-03-07"
    exchanges = ("binance", "bybit", "okx")
    home = walked(
        "perps-2025", now, "BTC, ETH, SOL, DOGE, HYPE",
        "--start", first, "--end", after, *(word for name in exchanges for word in ("--exchange", name)),
    )  # fmt: skip
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for dataset, time, figures in (("candles", "opened_at", "close"), ("funding_rates", "funded_at", "rate")):
            columns = f"exchange, symbol, {time}, {figures}"
            taped = (
                f"select {columns} from read_parquet('{RECORDINGS}/perps-2025/{dataset}.parquet') "
                f"where exchange in {exchanges} and {time} >= timestamptz '{first}' and {time} < timestamptz '{after}'"
            )
            kept = f"select {columns} from read_parquet('{home}/raw/{dataset}/**/*.parquet')"
            if dataset == "funding_rates":  # okx tells of about three months
                taped += " and (exchange <> 'okx' or funded_at >= (select min(funded_at) from kept))"
            connection.execute(f"create or replace temporary view kept as {kept}")
            missing = connection.execute(f"({taped}) except all from kept").fetchall()
            added = connection.execute(f"from kept except all ({taped})").fetchall()
            assert (missing, added) == ([], [])
            assert connection.execute("select count(*) from kept").fetchone()[0] > 5_000
