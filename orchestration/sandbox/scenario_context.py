"""What surrounds the built-in scenario: fear and greed, VIX and CISS, simulated. It is a model, never facts.

Each walks through KNOTS with noise of a seed of its own, so that nothing of the market's tape depends on it: extreme
fear from the day on which the support breaks, a risk-off jump of VIX, a CISS that rises a little later.
"""

from io import StringIO

import numpy as np
import pandas as pd

from orchestration.context.sources import SOURCES

SEED = 20260213
KNOTS = """
day         fear_and_greed   vix  ciss_euro_area
2025-04-01              34  21.0           0.150
2025-04-08              18  45.0           0.330
2025-04-18              33  30.0           0.260
2025-05-22              74  20.0           0.110
2025-07-14              73  17.0           0.060
2025-09-25              44  16.5           0.045
2025-10-06              70  16.5           0.045
2025-10-11              27  21.0           0.060
2025-11-21              12  24.0           0.080
2026-01-05              42  15.5           0.040
2026-01-15              48  15.8           0.038
2026-01-29              28  17.0           0.045
2026-02-02              15  17.5           0.055
2026-02-05              10  22.5           0.070
2026-02-07               6  20.5           0.080
2026-02-12               8  20.0           0.085
"""
NOISE = {"fear_and_greed": 3.0, "vix": 0.05, "ciss_euro_area": 0.06}  # points; shares of the value
DECIMALS = {"fear_and_greed": 0, "vix": 2, "ciss_euro_area": 4}
CLOSED = (  # US markets, on weekdays
    *("2025-04-18", "2025-05-26", "2025-06-19", "2025-07-04", "2025-09-01", "2025-11-27", "2025-12-25"),
    *("2026-01-01", "2026-01-19"),
)


def context() -> pd.DataFrame:
    """Daily observations in the columns of the contract, from some days before the scenario's first one."""
    rng = np.random.default_rng(SEED)
    knots = pd.read_csv(StringIO(KNOTS), sep=r"\s+", parse_dates=["day"], index_col="day")
    days = pd.date_range(knots.index[0], knots.index[-1], freq="D")
    noise = rng.standard_normal((len(days), len(SOURCES)))
    tables = []
    for place, source in enumerate(SOURCES.values()):
        name = source.series
        level = np.interp(days.to_julian_date(), knots.index.to_julian_date(), knots[name])
        spread = NOISE[name] if name == "fear_and_greed" else NOISE[name] * level
        value = np.round(np.maximum(level + spread * noise[:, place], 10.0 ** -DECIMALS[name]), DECIMALS[name])
        table = pd.DataFrame({"observed_date": days.date, "value": value}).assign(
            source=source.name, series=name, unit=source.unit,
            known_at=pd.to_datetime([source.known_on(day) for day in days.date], utc=True).as_unit("us"),
        )  # fmt: skip
        is_open = (days.weekday < 5) & ~((name == "vix") & days.isin(pd.to_datetime(list(CLOSED))))
        tables.append(table if name == "fear_and_greed" else table[is_open])
    return pd.concat(tables, ignore_index=True)[["source", "series", "observed_date", "value", "unit", "known_at"]]
