"""What dbt reads besides raw facts: the watch list, what exchanges declare, and the terms of a build.

Here belongs what is declared, written down before every build. What was observed lies in `facts`.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pandas as pd

from orchestration import universe
from orchestration.context.sources import SOURCES
from orchestration.exchanges import declared
from orchestration.lake.facts import read_raw
from orchestration.lake.files import write_parquet
from orchestration.lake.instruments import read_versions


def write_inputs(home: Path, watch: universe.Universe, now: datetime) -> None:
    """Writes universe/<table>.parquet for each of what dbt reads of it, as of the last full hour at `now`."""
    import pyarrow

    unlisted = read_raw(home, "coverage", "dataset = 'instruments' and state = 'unavailable'")
    listed = {exchange: read_versions(home, exchange, watch.watched_assets) for exchange in watch.exchanges}
    build = {"as_of": [pd.Timestamp(now).floor("h")], "warm_up_days": pd.array([watch.score.warm_up_days], "int32")}
    tables = {
        "watched": watched(watch, listed, set(zip(unlisted["exchange"], unlisted["symbol"], strict=True))),
        "capabilities": capabilities(),
        "completeness_epochs": completeness_epochs(),
        "context_series": context_series(),
        "build": pd.DataFrame(build),
    }
    for name, frame in tables.items():
        write_parquet(pyarrow.Table.from_pandas(frame, preserve_index=False), home / "universe" / f"{name}.parquet")


def watched(
    watch: universe.Universe, listed: Mapping[str, pd.DataFrame], unlisted: set[tuple[str, str]]
) -> pd.DataFrame:
    """exchange, asset, symbol of every contract that counts.

    Those are all that an exchange was seen to list of an asset (`listed`, rows of instruments by exchange: 1000PEPE
    beside PEPE, ended ones too); where nothing was seen, the usual one unless it is known not to be listed (`unlisted`,
    exchange and symbol). And what the universe names.
    """
    rows: dict[tuple[str, str], str] = {}
    for exchange in watch.exchanges:
        seen = dict(zip(listed[exchange]["symbol"], listed[exchange]["asset"], strict=True))
        expected = {universe.expected_symbol(asset): asset for asset in watch.assets if asset not in seen.values()}
        expected |= dict(watch.named(exchange))
        seen |= {
            symbol: asset
            for symbol, asset in expected.items()
            if (exchange, symbol) not in unlisted and symbol not in seen
        }
        rows |= {(exchange, symbol): asset for symbol, asset in seen.items()}
    found = [(exchange, asset, symbol) for (exchange, symbol), asset in rows.items()]
    return pd.DataFrame(found, columns=["exchange", "asset", "symbol"])


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


def context_series() -> pd.DataFrame:
    """source, series, unit, carried_days: the series of context, and for how many days a value of each is carried."""
    rows = [(source.name, source.series, source.unit, source.carried_days) for source in SOURCES.values()]
    return pd.DataFrame(rows, columns=["source", "series", "unit", "carried_days"])
