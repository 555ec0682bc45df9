"""Frames by day that the charts draw: the last days, what a query says of each, and bars that stand on one another.

Here belongs nothing that knows a figure or a colour.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

CHART_DAYS = 90


def last_days(as_of: datetime) -> "pd.DataFrame":
    """day, start_at, end_at (UTC) of the last days; the day at hand ends at the as-of hour."""
    import pandas as pd

    last = pd.Timestamp(as_of - timedelta(hours=1)).floor("D")
    starts = pd.date_range(end=last, periods=CHART_DAYS, freq="D")
    ends = (starts + pd.Timedelta(days=1)).to_series().clip(upper=pd.Timestamp(as_of))
    return pd.DataFrame({"day": starts, "start_at": starts, "end_at": ends.array})


def by_day(connection: "duckdb.DuckDBPyConnection", as_of: datetime, query: str) -> "pd.DataFrame":
    """`last_days` with the columns of a query by period_start_date; NaN where it has no row."""
    import pandas as pd

    rows = connection.execute(query).df()
    rows["day"] = pd.to_datetime(rows.pop("period_start_date")).dt.tz_localize("UTC").astype("datetime64[us, UTC]")
    days = last_days(as_of)
    return days.assign(day=days["day"].astype("datetime64[us, UTC]")).merge(rows, on="day", how="left")


def stacked(bars: "pd.DataFrame", amount: str) -> "pd.DataFrame":
    """low and high of every bar when those of a day stand on one another, negative ones hanging from zero."""
    high = bars.groupby(["start_at", bars[amount] < 0])[amount].cumsum()
    return bars.assign(high=high, low=high - bars[amount])
