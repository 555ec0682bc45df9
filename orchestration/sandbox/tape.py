"""A tape: a folder of Parquet files with what exchanges recorded, read once and asked by time.

Here belong reading and the rule of what can be seen at a moment; no wire format. Times are milliseconds (UTC).
"""

import re
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby, pairwise
from pathlib import Path

import duckdb
import numpy as np

from orchestration.context.sources import SOURCES, Source
from orchestration.lake.files import pattern

HOUR = 3_600_000
DAY = 24 * HOUR

SERIES = {  # dataset: (its time, its figures, in the order in which rows hold them)
    "candles": ("opened_at", ("open", "high", "low", "close", "volume_base")),
    "open_interest": ("observed_at", ("open_interest_contracts", "open_interest_base", "open_interest_usd")),
    "funding_rates": ("funded_at", ("rate", "interval_hours")),
    "liquidation_totals": ("period_start_at", ("long_usd", "short_usd", "long_base", "short_base")),
    "liquidations": ("occurred_at", ("is_long", "price", "quantity_base")),
    "context": ("observed_date", ("value", "known_at_ms")),
}
RECORDED = {  # context as it was recorded: file, who published it, the column of its values; `date` is that of its days
    "fear_greed.csv": ("alternative", "fng"),
    "vix.csv": ("fred", "vix"),
}
PRICES = ("open", "high", "low", "close", "price")


@dataclass(frozen=True)
class Instrument:
    """A linear perpetual. `ticker` is what the exchange calls its coin, 1000PEPE of `multiplier` 1000.

    `sizes` are pairs of the moment (ms) from which a contract has a size, and the size in units of the ticker, None
    where it isn't known; the first holds before, too. `listed_at` (ms) is its first stamp on the tape, `ends_at` (ms)
    its end, from which on it isn't listed but still answered for; both may be unknown.
    """

    exchange: str
    symbol: str
    asset: str
    quote: str
    settle: str
    sizes: tuple[tuple[int, float | None], ...] = ((0, None),)
    multiplier: float = 1
    ends_at: int | None = None
    listed_at: int | None = None

    @property
    def ticker(self) -> str:
        return self.symbol.partition("/")[0]

    def contract_size(self, at: int) -> float | None:
        """The size that was valid at a moment (ms)."""
        held = [size for since, size in self.sizes if since <= at]
        return held[-1] if held else self.sizes[0][1]


class Tape:
    """The datasets of a folder, in memory. Raises ValueError where the folder holds none or a file can't be read.

    `origin` says what rows of it are: `simulated:<name>` where its own rows say so, else `replayed:<folder>`.
    """

    def __init__(self, folder: Path):
        files = {name: folder / f"{name}.parquet" for name in ("instruments", *SERIES)}
        files = {name: path for name, path in files.items() if path.is_file()}
        recorded = {name: folder / name for name in RECORDED if (folder / name).is_file()}
        if not files | recorded:
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
        for name, path in recorded.items():
            source = SOURCES[RECORDED[name][0]]
            if ("context", source.name, source.series) not in self.series:
                self.series["context", source.name, source.series] = _recorded(source, path, RECORDED[name][1])
        starts: dict[tuple[str, str], int] = {}
        for (_, exchange, symbol), columns in self.series.items():
            first = int(columns[0][0])
            starts[exchange, symbol] = min(first, starts.get((exchange, symbol), first))
        if listed is None:  # not recorded: what has figures is listed, with a contract size that nobody knows
            named = [(*key, *key[1].replace(":", "/").split("/"), 0, None, 1, None) for key in sorted(starts)]
            listed = [row for row in named if len(row) == 9]
        self.instruments: list[Instrument] = []
        for (exchange, symbol, asset, quote, settle), rows in groupby(listed, lambda row: row[:5]):
            versions = [row[5:] for row in rows]
            sizes = tuple((since, size) for since, size, _, _ in versions)
            terms = (asset, quote, settle, sizes, *versions[-1][2:], starts.get((exchange, symbol)))
            self.instruments.append(Instrument(exchange, symbol, *terms))
        for instrument in self.instruments:
            self._count_in_tickers(instrument)

    def shift_to(self, now: int) -> None:
        """Moves all stamps by whole days, so that the tape's last one is the first at or after `now` (ms).

        Days, hours and settlements stay where they are in a day. What then lies after now comes up as the clock runs.
        """
        by_the_hour = {name for name, (time, _) in SERIES.items() if time.endswith("_at")}  # days may be told ahead
        lasts = [int(columns[0][-1]) for (dataset, *_), columns in self.series.items() if dataset in by_the_hour]
        last = max(lasts, default=now)
        shift = -((last - now) // DAY) * DAY
        for (dataset, *_), columns in self.series.items():
            for place, name in enumerate(("time_ms", *SERIES[dataset][1])):
                if name.endswith("_ms"):
                    columns[place] = columns[place] + shift
        self.instruments = [_shifted(instrument, shift) for instrument in self.instruments]

    def _count_in_tickers(self, instrument: Instrument) -> None:
        """A tape holds coins; exchanges answer in units of the ticker, at the price of one."""
        for (dataset, *contract), columns in self.series.items():
            if contract == [instrument.exchange, instrument.symbol] and instrument.multiplier != 1:
                for place, name in enumerate(SERIES[dataset][1], start=1):
                    if name.endswith("_base"):
                        columns[place] = columns[place] / instrument.multiplier
                    elif name in PRICES:
                        columns[place] = columns[place] * instrument.multiplier


class Market:
    """One exchange of a tape as it looks at `now` (ms): nothing later can be seen through it."""

    def __init__(self, tape: Tape, exchange: str, now: int):
        self.tape, self.exchange, self.now = tape, exchange, now

    def instruments(self) -> list[Instrument]:
        """What is answered for at `now`: what is listed, and what has ended."""
        ours = (instrument for instrument in self.tape.instruments if instrument.exchange == self.exchange)
        return [instrument for instrument in ours if instrument.listed_at is None or instrument.listed_at <= self.now]

    def listed(self) -> list[Instrument]:
        """What is listed at `now`."""
        return [one for one in self.instruments() if one.ends_at is None or one.ends_at > self.now]

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

    def context(self, series: str) -> list[tuple[date, float]]:
        """Days and values of a context series that its source has published by now, ascending."""
        rows = self.rows("context", series)
        return [(day_of(at), value) for at, value, known_at in rows if known_at is None or known_at <= self.now]

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


def _shifted(instrument: Instrument, shift: int) -> Instrument:
    moved = {name: at + shift for name in ("listed_at", "ends_at") if (at := getattr(instrument, name)) is not None}
    sizes = tuple((since + shift if since else since, size) for since, size in instrument.sizes)  # 0 is always
    return replace(instrument, sizes=sizes, **moved)


def _columns(connection: duckdb.DuckDBPyConnection, path: Path) -> set[str]:
    return {row[0] for row in connection.execute("describe from read_parquet($1)", [pattern(path)]).fetchall()}


def _simulated(connection: duckdb.DuckDBPyConnection, path: Path) -> str | None:
    """The origin of the file's rows if they say that they are simulated."""
    if "origin" not in _columns(connection, path):
        return None
    query = "select max(origin) from read_parquet($1) where origin like 'simulated:%'"
    row = connection.execute(query, [pattern(path)]).fetchone()
    return row[0] if row else None


def _instruments(connection: duckdb.DuckDBPyConnection, path: Path) -> list[tuple]:
    """Versions of instruments: five names, valid_from (ms), contract_size, multiplier, ends_at (ms)."""
    held = _columns(connection, path)
    terms = [
        "coalesce(epoch_ms(valid_from), 0)" if "valid_from" in held else "0",
        "nullif(cast(contract_size as double), 'nan')" if "contract_size" in held else "null",
        "coalesce(cast(multiplier as double), 1)" if "multiplier" in held else "1.0",
        "epoch_ms(ends_at)" if "ends_at" in held else "null",
    ]
    linear = "contract_kind = 'linear'" if "contract_kind" in held else "quote = settle"
    columns = f"exchange, symbol, asset, quote, settle, {', '.join(terms)}"
    query = f"select {columns} from read_parquet($1) where {linear} order by all"
    return connection.execute(query, [pattern(path)]).fetchall()


def _series(connection: duckdb.DuckDBPyConnection, dataset: str, path: Path) -> dict[tuple[str, str, str], list]:
    """(dataset, exchange, symbol) -> its time and figures as arrays, ascending; NaN where a figure is missing."""
    held = _columns(connection, path)
    at, figures = SERIES[dataset]
    source = {"is_long": "position_side = 'long'"} if "position_side" in held else {}
    source |= {"known_at_ms": "epoch_ms(known_at)"} if "known_at" in held else {}
    source |= {name: name for name in held}
    exchange, symbol = ("source", "series") if dataset == "context" else ("exchange", "symbol")
    select = [f"epoch_ms(cast({at} as timestamptz)) as at"]
    select += [f"coalesce(cast({source.get(name, 'null')} as double), 'nan') as {name}" for name in figures]
    table = connection.execute(
        f"select {exchange} as exchange, {symbol} as symbol, {', '.join(select)} from read_parquet($1) "
        f"where {at} is not null order by all",
        [pattern(path)],
    )
    arrays = table.fetchnumpy()
    keys = list(zip(arrays["exchange"].tolist(), arrays["symbol"].tolist(), strict=True))
    starts = [row for row in range(len(keys)) if row == 0 or keys[row] != keys[row - 1]]
    columns = [np.asarray(arrays[name]) for name in ("at", *figures)]
    return {
        (dataset, *keys[start]): [column[start:end].copy() for column in columns]
        for start, end in zip(starts, [*starts[1:], len(keys)], strict=True)
    }


def _recorded(source: Source, path: Path, column: str) -> list[np.ndarray]:
    """Days and values of a recorded CSV, and when each could be known."""
    figures = f"cast(date as date), cast({column} as double)"
    query = f"select {figures} from read_csv($1) where {column} is not null order by 1"
    try:
        with duckdb.connect() as connection:
            rows = connection.execute(query, [str(path)]).fetchall()
    except duckdb.Error as error:
        raise ValueError(f"{path} has no columns date and {column}: {str(error).splitlines()[0]}") from error
    stamps = [[day_ms(day), value, day_ms(source.known_on(day))] for day, value in rows]
    return list(np.array(stamps, dtype=float).reshape(-1, 3).T)


def day_ms(day: date) -> int:
    """The start of a UTC day in milliseconds."""
    return (day - date(1970, 1, 1)).days * DAY


def day_of(ms: float) -> date:
    """The UTC day of a moment in milliseconds."""
    return date(1970, 1, 1) + timedelta(days=int(ms // DAY))
