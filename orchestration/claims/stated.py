"""A claim as a row of a CSV file states it: what it says, how exactly, and which figures would bear it out.

Here belongs reading, and refusing with the line and the column. What can be claimed at all stands in `metrics`.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.claims.metrics import METRICS, NOW, UNITS, Metric
from orchestration.settings import parse_moment

if TYPE_CHECKING:
    import duckdb

REQUIRED = ("claim", "metric", "unit", "relation", "value", "as_of")
COLUMNS = ("claim", "pair", "metric", "scope", "window", "unit", "relation", "value", "tolerance", "as_of", "source")
RELATIONS = ("equals", "at_least", "at_most", "exceeds", "holds")
UNSTATED = "unstated"  # the scope of a claim that names none
EXCEEDING = 1.25  # what exceeds a figure by more was not claimed by it
ABOUT = 0.01  # the tolerance of an "about", of the value
NOISE = 1e-9  # of the value: what floating point adds decides nothing
VALUE = re.compile(r"(about |~)?\s*([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d{1,2})?)", re.ASCII)
TOLERANCE = re.compile(r"\d+(\.\d+)?([eE][-+]?\d{1,2})?", re.ASCII)


@dataclass(frozen=True)
class Claim:
    """A figure that somebody stated. `value`, `tolerance` and `rounding` (half the last digit) are in `unit`.

    `pair` is the claim whose ratio goes with this row's USD; `as_of` is aware.
    """

    claim: str
    source: str
    pair: str | None
    metric: str
    scope: str
    window: str
    unit: str
    relation: str
    value: float
    tolerance: float
    rounding: float
    as_of: datetime

    @property
    def readings(self) -> tuple[str, ...]:
        """The scopes that it may mean: its own, or those of its metric where it names none."""
        return METRICS[self.metric].source.readings if self.scope == UNSTATED else (self.scope,)

    @property
    def range(self) -> tuple[float, float]:
        """The least and the most that bear it out, both included."""
        low, high = {
            "equals": (self.value, self.value),
            "at_least": (self.value, float("inf")),
            "at_most": (float("-inf"), self.value),
            "holds": (self.value, float("inf")),
            "exceeds": tuple(sorted((self.value, EXCEEDING * self.value))),
        }[self.relation]
        slack = self.tolerance + NOISE * abs(self.value)
        return low - slack, high + slack


def read(path: Path, scopes: Mapping[str, Sequence[str]] | None) -> list[Claim]:
    """See `orchestration.claims.read`."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file: name a CSV file with the columns {', '.join(COLUMNS)}")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, strict=True)
        try:
            _check_columns(f"{path.name}, line 1", rows.fieldnames or [])
            numbered = [(f"{path.name}, line {rows.line_num}", row) for row in rows]
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{path.name}, line {rows.line_num + 1}: is no CSV in UTF-8: {error}") from None
    return _claims(path.name, numbered, scopes)


def seeded(build: "duckdb.DuckDBPyConnection") -> list[Claim]:
    """See `orchestration.claims.seeded`."""
    answer = build.execute("select * from staging.claims order by claim")
    names = [column[0] for column in answer.description]
    rows = [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
    return _claims("seed claims", [(f"seed claims, claim {row['claim']}", row) for row in rows], None)


def _check_columns(where: str, names: Sequence[str]) -> None:
    faults = [f"column {name!r} is missing" for name in REQUIRED if name not in names]
    faults += [f"column {name!r} is unknown" for name in names if name not in COLUMNS]
    faults += [f"column {name!r} is there twice" for name in names if names.count(name) > 1]
    if faults:
        raise ValueError(f"{where}: {faults[0]}; the columns are {', '.join(COLUMNS)}")


def _claims(name: str, rows: Iterable[tuple[str, dict]], scopes: Mapping[str, Sequence[str]] | None) -> list[Claim]:
    """The claims of (where it stands, row); ValueError names where, and the column, of the first fault."""
    claims: dict[str, Claim] = {}
    places = {}
    for where, row in rows:
        if None in row:
            raise ValueError(f"{where}: has more fields than the heading has columns")
        claim = _claim(where, {column: (row.get(column) or "").strip() for column in COLUMNS}, scopes)
        if claim.claim in claims:
            raise ValueError(f"{where}, claim: {claim.claim!r} is there already: an id names one row")
        claims[claim.claim], places[claim.claim] = claim, where
    if not claims:
        raise ValueError(f"{name} holds no claim")
    for claim in claims.values():
        if claim.pair and claim.pair not in claims:
            raise ValueError(f"{places[claim.claim]}, pair: {claim.pair!r} is no claim of this file")
    return list(claims.values())


def _claim(where: str, row: dict[str, str], scopes: Mapping[str, Sequence[str]] | None) -> Claim:
    if not row["claim"]:
        raise _refused(where, "claim", "is empty: every row needs an id")
    metric = METRICS[_known(where, row, "metric", METRICS)]
    fitting = [unit for unit, (of, *_) in UNITS.items() if of == metric.unit]
    unit, relation = _known(where, row, "unit", fitting), _known(where, row, "relation", RELATIONS)
    window = _known(where, row, "window", metric.windows) if row["window"] or NOW not in metric.windows else NOW
    value, rounding, tolerance = _sizes(where, row)
    try:
        as_of = parse_moment("as_of", row["as_of"])
    except ValueError as error:
        raise ValueError(f"{where}, {error}") from None
    return Claim(
        claim=row["claim"],
        source=row["source"],
        pair=row["pair"] or None,
        metric=row["metric"],
        scope=_scope(where, row, metric, scopes),
        window=window,
        unit=unit,
        relation=relation,
        value=value,
        tolerance=tolerance,
        rounding=rounding,
        as_of=as_of,
    )


def _refused(where: str, column: str, what: str) -> ValueError:
    return ValueError(f"{where}, {column}: {what}")


def _known(where: str, row: dict[str, str], column: str, names: Iterable[str]) -> str:
    if row[column] not in names:
        raise _refused(where, column, f"unknown {column} {row[column]!r}, known are {', '.join(names)}")
    return row[column]


def _scope(where: str, row: dict[str, str], metric: Metric, scopes: Mapping[str, Sequence[str]] | None) -> str:
    """The scope as the warehouse spells it, or UNSTATED."""
    scope, named = row["scope"] or UNSTATED, metric.source.scopes_in(scopes)
    if scope == UNSTATED and not metric.source.readings:
        raise _refused(where, "scope", f"{row['metric']} needs one")
    if scope == UNSTATED or named is None:
        return scope
    spelled = {name.lower(): name for name in named}
    if scope.lower() not in spelled:
        raise _refused(where, "scope", f"unknown scope {scope!r}, known are {', '.join(named)}")
    return spelled[scope.lower()]


def _sizes(where: str, row: dict[str, str]) -> tuple[float, float, float]:
    """Value, half the last digit that it was stated with, and tolerance."""
    stated = VALUE.fullmatch(row["value"])
    if stated is None:
        raise _refused(where, "value", f"{row['value']!r} is no number such as -4.4 or `about 2.16`")
    value = Decimal(stated[2])
    rounding = float(Decimal(5).scaleb(int(value.as_tuple().exponent) - 1))
    if row["tolerance"]:
        if not TOLERANCE.fullmatch(row["tolerance"]):
            what = f"{row['tolerance']!r} is no number such as 0.05, in the unit of the claim"
            raise _refused(where, "tolerance", what)
        return float(value), rounding, float(row["tolerance"])
    if row["relation"] in ("exceeds", "holds"):  # which have a range of their own
        return float(value), rounding, 0.0
    return float(value), rounding, rounding if stated[1] is None else ABOUT * abs(float(value))
