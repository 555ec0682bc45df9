"""What dbt reads besides raw facts: the watch list, what exchanges declare, and the terms of a build.

Here belongs what is declared, written down before every build. What was observed lies in `facts`.
"""

from datetime import datetime
from pathlib import Path

import pandas as pd

from orchestration import universe
from orchestration.exchanges import declared
from orchestration.lake.facts import raw_glob
from orchestration.lake.files import connect, write_parquet


def write_inputs(home: Path, watch: universe.Universe, now: datetime) -> None:
    """Writes universe/{watched,capabilities,completeness_epochs,build}.parquet, as of the last full hour at `now`."""
    import pyarrow

    lake = connect()
    listed = lake.execute(f"select distinct exchange, asset, symbol from {raw_glob(home, 'instruments')}").fetchall()
    unlisted = lake.execute(
        f"""
        select distinct exchange, symbol from {raw_glob(home, "coverage")}
        where dataset = 'instruments' and state = 'unavailable'
        """
    ).fetchall()
    build = {"as_of": [pd.Timestamp(now).floor("h")], "warm_up_days": pd.array([watch.score.warm_up_days], "int32")}
    tables = {
        "watched": watched(watch, listed, set(unlisted)),
        "capabilities": capabilities(),
        "completeness_epochs": completeness_epochs(),
        "build": pd.DataFrame(build),
    }
    for name, frame in tables.items():
        write_parquet(pyarrow.Table.from_pandas(frame, preserve_index=False), home / "universe" / f"{name}.parquet")


def watched(
    watch: universe.Universe, listed: list[tuple[str, str, str]], unlisted: set[tuple[str, str]]
) -> pd.DataFrame:
    """exchange, asset, symbol: of every watched pair what is or was `listed`, be it under several tickers.

    Where nothing was, the symbol that is expected, unless the exchange is known not to list it.
    """
    rows = []
    for exchange in watch.exchanges:
        for asset in watch.assets:
            symbols = sorted(symbol for its, coin, symbol in listed if (its, coin) == (exchange, asset))
            expected = universe.expected_symbol(asset)
            if not symbols and (exchange, expected) not in unlisted:
                symbols = [expected]
            rows += [(exchange, asset, symbol) for symbol in symbols]
    return pd.DataFrame(rows, columns=["exchange", "asset", "symbol"])


def capabilities() -> pd.DataFrame:
    """exchange, dataset, is_served, note: what every exchange serves over REST, and why it doesn't serve the rest."""
    rows = [
        (exchange, dataset, feed.served, feed.note)
        for exchange, declaration in declared().items()
        for dataset, feed in declaration.feeds.items()
    ]
    return pd.DataFrame(rows, columns=["exchange", "dataset", "is_served", "note"])


def completeness_epochs() -> pd.DataFrame:
    """exchange, dataset, since_at (UTC), completeness: the declared nature of an exchange's liquidations."""
    rows = [
        (exchange, epoch.dataset, epoch.since, epoch.completeness)
        for exchange, declaration in declared().items()
        for epoch in declaration.epochs
    ]
    frame = pd.DataFrame(rows, columns=["exchange", "dataset", "since_at", "completeness"])
    return frame.assign(since_at=pd.to_datetime(frame["since_at"], utc=True))
