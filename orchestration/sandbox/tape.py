"""A tape: a folder of Parquet files with what exchanges recorded, read once and asked by time.

Here belong reading and the rule of what can be seen at a moment; no wire format. Times are milliseconds (UTC).
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np

HOUR = 3_600_000
DAY = 24 * HOUR

SERIES = {  # dataset: (its time, its figures, in the order in which rows hold them)
    "candles": ("opened_at", ("open", "high", "low", "close", "volume_base")),
    "open_interest": ("observed_at", ("open_interest_contracts", "open_interest_base", "open_interest_usd")),
    "funding_rates": ("funded_at", ("rate", "interval_hours")),
    "liquidation_totals": ("period_start_at", ("long_usd", "short_usd", "long_base", "short_base")),
    "liquidations": ("occurred_at", ("is_long", "price", "quantity_base")),
}


@dataclass(frozen=True)
class Instrument:
    """A linear perpetual; contract_size in coins, listed_at (ms) its first stamp on the tape; both may be unknown."""

    exchange: str
    symbol: str
    asset: str
    quote: str
    settle: str
    contract_size: float | None = None
    listed_at: int | None = None


class Tape:
    """The datasets of a folder, in memory. Raises ValueError where the folder holds none or a file can't be read.

    `origin` says what rows of it are: `simulated:<name>` where its own rows say so, else `replayed:<folder>`.
    """

    def __init__(self, folder: Path):
        files = {name: folder / f"{name}.parquet" for name in ("instruments", *SERIES)}
        files = {name: path for name, path in files.items() if path.is_file()}
        if not files:
            wanted = ", ".join(f"{name}.parquet" for name in ("instruments", *SERIES))
            raise ValueError(f"no tape in {folder}: {f'none of {wanted}' if folder.is_dir() else 'no such folder'}")
        self.series: dict[tuple[str, str, str], list[np.ndarray]] = {}
        listed: list[tuple] | None = None
        name_of_tape = re.sub(r"[^\w.-]", "_", folder.resolve().name)
        self.origin = f"replayed:{name_of_tape}"
        for name, path in files.items():
            try:
                with duckdb.connect() as connection:
                    self.origin = _simulated(connection, path) or self.origin
                    if name == "instruments":
                        listed = _instruments(connection, path)
                    else:
                        self.series |= _series(connection, name, path)
            except duckdb.Error as error:
                raise ValueError(f"{path} isn't the {name} of a tape: {str(error).splitlines()[0]}") from error
        starts: dict[tuple[str, str], int] = {}
        for (_, exchange, symbol), columns in self.series.items():
            first = int(columns[0][0])
            starts[exchange, symbol] = min(first, starts.get((exchange, symbol), first))
        if listed is None:  # not recorded: what has figures is listed, with a contract size that nobody knows
            named = [(*key, *key[1].replace(":", "/").split("/"), None) for key in sorted(starts)]
            listed = [row for row in named if len(row) == 6]
        self.instruments = [
            Instrument(exchange, symbol, asset, quote, settle, size, starts.get((exchange, symbol)))
            for exchange, symbol, asset, quote, settle, size in listed
        ]


class Market:
    """One exchange of a tape as it looks at `now` (ms): nothing later can be seen through it."""

    def __init__(self, tape: Tape, exchange: str, now: int):
        self.tape, self.exchange, self.now = tape, exchange, now

    def instruments(self) -> list[Instrument]:
        """What is listed at `now`."""
        ours = (instrument for instrument in self.tape.instruments if instrument.exchange == self.exchange)
        return [instrument for instrument in ours if instrument.listed_at is None or instrument.listed_at <= self.now]

    def rows(
        self,
        dataset: str,
        symbol: str,
        first: int | None = None,
        last: int | None = None,
        limit: int | None = None,
        newest: bool = False,
    ) -> list[tuple]:
        """Ascending rows (time, *figures of SERIES, None where unknown) with first <= time <= last.

        At most `limit` of them: the latest if `newest`, else the earliest.
        """
        columns = self.tape.series.get((dataset, self.exchange, symbol))
        if columns is None:
            return []
        start = 0 if first is None else int(np.searchsorted(columns[0], first, "left"))
        end = int(np.searchsorted(columns[0], self.now if last is None else min(last, self.now), "right"))
        if limit is not None:
            start, end = (max(start, end - limit), end) if newest else (start, min(end, start + limit))
        at, *figures = (column[start:end].tolist() for column in columns)
        return list(zip(at, *([None if x != x else x for x in column] for column in figures), strict=True))

    def latest(self, dataset: str, symbol: str) -> tuple | None:
        """The last row that can be seen."""
        return next(iter(self.rows(dataset, symbol, limit=1, newest=True)), None)

    def last_price(self, symbol: str) -> float | None:
        """The close of the last bar that is closed at `now`; the running bar's close on the tape lies in the future."""
        bars = self.rows("candles", symbol, last=self.now - HOUR, limit=1, newest=True)
        return bars[0][4] if bars else None

    def funding_interval_hours(self, symbol: str) -> int | None:
        """As the tape says it, else the shortest distance between recent settlements."""
        recent = self.rows("funding_rates", symbol, limit=10, newest=True)
        if recent and recent[-1][2] is not None:
            return round(recent[-1][2])
        gaps = [round((later[0] - earlier[0]) / HOUR) for earlier, later in pairwise(recent)]
        return min(gaps, default=None)


def _columns(connection: duckdb.DuckDBPyConnection, path: Path) -> set[str]:
    return {row[0] for row in connection.execute("describe from read_parquet($1)", [str(path)]).fetchall()}


def _simulated(connection: duckdb.DuckDBPyConnection, path: Path) -> str | None:
    """The origin of the file's rows if they say that they are simulated."""
    if "origin" not in _columns(connection, path):
        return None
    query = "select max(origin) from read_parquet($1) where origin like 'simulated:%'"
    row = connection.execute(query, [str(path)]).fetchone()
    return row[0] if row else None


def _instruments(connection: duckdb.DuckDBPyConnection, path: Path) -> list[tuple]:
    held = _columns(connection, path)
    size = "nullif(cast(contract_size as double), 'nan')" if "contract_size" in held else "null"
    linear = "contract_kind = 'linear'" if "contract_kind" in held else "quote = settle"
    query = f"select exchange, symbol, asset, quote, settle, {size} from read_parquet($1) where {linear} order by all"
    return connection.execute(query, [str(path)]).fetchall()


def _series(connection: duckdb.DuckDBPyConnection, dataset: str, path: Path) -> dict[tuple[str, str, str], list]:
    """(dataset, exchange, symbol) -> its time and figures as arrays, ascending; NaN where a figure is missing."""
    held = _columns(connection, path)
    at, figures = SERIES[dataset]
    source = {"is_long": "position_side = 'long'"} if "position_side" in held else {}
    source |= {name: name for name in held}
    select = [f"epoch_ms({at}) as at"]
    select += [f"coalesce(cast({source.get(name, 'null')} as double), 'nan') as {name}" for name in figures]
    table = connection.execute(
        f"select exchange, symbol, {', '.join(select)} from read_parquet($1) where {at} is not null order by all",
        [str(path)],
    )
    arrays = table.fetchnumpy()
    keys = list(zip(arrays["exchange"].tolist(), arrays["symbol"].tolist(), strict=True))
    starts = [row for row in range(len(keys)) if row == 0 or keys[row] != keys[row - 1]]
    columns = [np.asarray(arrays[name]) for name in ("at", *figures)]
    return {
        (dataset, *keys[start]): [column[start:end].copy() for column in columns]
        for start, end in zip(starts, [*starts[1:], len(keys)], strict=True)
    }
