"""Golden rows: native rows of an exchange beside the contract rows that they must become, one JSON file per case.

`tests/exchanges/<ccxt id>/<case>.json` holds `dataset`, `why` (the arithmetic in words), `source`, `native` (rows as
the exchange sends them), `expected` (rows of the dataset's contract without exchange and symbol; moments as text) and

- of instruments: `assets` (what is asked for) and `native_ids` (how the exchange calls what is listed, in that order);
- of every other dataset: `instrument`, its symbol, contract size (in coins) and, if that has changed, `versions`:
  pairs of the time from which a size holds and the size;
- `refused_at_the_border`: how many of the rows the contract refuses, where that isn't 0.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from orchestration.exchanges import reader

FOLDER = Path(__file__).parent / "exchanges"
ROUNDING = 1e-15  # relative: what one multiplication of doubles may lose


@dataclass(frozen=True)
class Golden:
    """One file: the exchange that it belongs to, its case and what it holds."""

    exchange: str
    case: str
    holds: dict

    def __str__(self) -> str:
        return f"{self.exchange}-{self.case}"

    def read(self, rows: list | None = None) -> pd.DataFrame:
        """What the exchange's reader makes of these native rows, by default those of the file."""
        rows, module = self.holds["native"] if rows is None else rows, reader(self.exchange)
        if self.holds["dataset"] == "instruments":
            return module.instruments(rows, self.holds["assets"])
        readers = {"liquidations": module.liquidations} if hasattr(module, "liquidations") else {}
        for endpoint in module.ENDPOINTS:
            readers |= endpoint.datasets
        instrument = {"exchange": self.exchange, **self.holds["instrument"]}
        versions = [(pd.Timestamp(since), size) for since, size in instrument.get("versions", ())]
        return readers[self.holds["dataset"]](rows, instrument | {"versions": versions})

    def assert_read(self) -> None:
        """The reader makes exactly the expected rows, in this order."""
        frame = self.read()
        assert set(frame["exchange"]) <= {self.exchange}
        if self.holds["dataset"] != "instruments":
            assert set(frame.pop("symbol")) <= {self.holds["instrument"]["symbol"]}
        got = frame.drop(columns=["exchange", "payload"]).to_dict("records")
        assert len(got) == len(self.holds["expected"])
        for row, expected in zip(got, self.holds["expected"], strict=True):
            assert set(row) == set(expected)
            for column, value in expected.items():
                assert is_same(row[column], value), f"{column}: {row[column]!r} instead of {value!r}"


def golden(exchange: str, folder: Path | None = None) -> list[Golden]:
    """The golden files of an exchange, by name."""
    files = sorted((folder or FOLDER / exchange).glob("*.json"))
    return [Golden(exchange, file.stem, json.loads(file.read_text())) for file in files]


def is_same(got: object, expected: object) -> bool:
    """Whether a cell is what the file says: null is NULL, text is text or a moment, figures are equal but rounding."""
    if expected is None:
        return bool(pd.isna(got))
    if isinstance(got, pd.Timestamp):
        return got == pd.Timestamp(expected)
    if isinstance(expected, str):
        return got == expected
    return math.isclose(got, expected, rel_tol=ROUNDING)
