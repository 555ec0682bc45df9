"""The border: data_contracts/*.yml (ODCS v3) as pandera schemas; what breaks one is quarantined with its reason.

Here belongs what a row must look like to be let in. Where rows are kept is `lake`'s matter; the meaning of tables
inside the warehouse is described and tested in dbt.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import yaml

from orchestration.exchanges.client import ORIGIN

if TYPE_CHECKING:
    import pandera.pandas as pa
    import pyarrow

FOLDER = Path(__file__).parents[1] / "data_contracts"
LAKE_COLUMNS = ("feed", "ingested_at", "revision", "origin", "payload")


@dataclass(frozen=True)
class Contract:
    """One border contract: `columns` in order, `key`, `time` (the column that says when, if any) and its rules.

    Raw rows lie in a file per value of the key's first column and, where `is_kept_by_day`, per day of `time`.
    """

    name: str
    description: str
    properties: tuple[dict, ...]
    rules: tuple[dict, ...]
    time: str | None
    is_kept_by_day: bool

    @property
    def columns(self) -> list[str]:
        return [column["name"] for column in self.properties]

    @property
    def key(self) -> list[str]:
        keyed = [column for column in self.properties if column.get("primaryKey")]
        return [column["name"] for column in sorted(keyed, key=lambda column: column["primaryKeyPosition"])]

    @property
    def defaults(self) -> dict[str, object]:
        """What a column holds where whoever brings rows doesn't know it."""
        told = {column["name"]: _custom(column) for column in self.properties}
        return {name: custom["default"] for name, custom in told.items() if "default" in custom}

    @property
    def measures(self) -> list[str]:
        return [name for name in self.columns if name not in self.key]

    @cached_property
    def arrow_schema(self) -> "pyarrow.Schema":
        """The Parquet schema of the dataset: the contract's columns, then the lake's."""
        import pyarrow

        types = {"string": pyarrow.string(), "number": pyarrow.float64(), "timestamp": pyarrow.timestamp("us", "UTC")}
        types["date"] = pyarrow.date32()
        fields = [
            (column["name"], types[column["logicalType"]]) for column in self.properties if column["name"] != "feed"
        ]
        lake = [pyarrow.string(), types["timestamp"], pyarrow.int32(), pyarrow.string(), pyarrow.string()]
        return pyarrow.schema(fields + list(zip(LAKE_COLUMNS, lake, strict=True)))

    @cached_property
    def schema(self) -> "pa.DataFrameSchema":
        """The pandera schema that the YAML describes."""
        import pandera.pandas as pa

        return pa.DataFrameSchema(
            {
                column["name"]: pa.Column(nullable=not column["required"], checks=_checks(column))
                for column in self.properties
            },
            checks=[
                pa.Check(lambda frame, rule=rule["implementation"]: frame.eval(rule), name=rule["name"], ignore_na=True)
                for rule in self.rules
            ],
            unique=self.key,
            report_duplicates="exclude_first",
        )


@cache
def contract(dataset: str) -> Contract:
    """The contract of a raw dataset (data_contracts/raw_<dataset>.yml) or of a published table (<table>.yml)."""
    raw = FOLDER / f"raw_{dataset}.yml"
    document = yaml.safe_load((raw if raw.exists() else FOLDER / f"{dataset}.yml").read_text())
    table = document["schema"][0]
    custom = _custom(table)
    time, is_kept_by_day = custom.get("time"), custom.get("kept", "by day") == "by day"
    rules = tuple(table.get("quality", []))
    return Contract(
        dataset, table["description"], tuple(table["properties"]), rules, time, time is not None and is_kept_by_day
    )


def _custom(element: dict) -> dict:
    return {item["property"]: item["value"] for item in element.get("customProperties", [])}


def validate(frame: pd.DataFrame, dataset: str, now: datetime) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Splits rows at the border into (good, quarantined).

    `frame` has the contract's columns and optionally `origin`, `payload` and `fault` (why a row can't be right); good
    rows come back typed, in the contract's order with the first two last. A column that has a default may be absent.
    Quarantined rows come back as they came, with a column `reason`. A row from after `now` is refused.
    Raises ValueError with one line if a required column is missing or an unknown one is there.
    """
    terms = contract(dataset)
    check_columns(frame, dataset)
    frame = frame.reset_index(drop=True)
    absent = {name: value for name, value in terms.defaults.items() if name not in frame.columns}
    raw = frame.assign(**absent).reindex(columns=[*terms.columns, "origin", "payload"])
    typed, reasons = _typed(raw, terms)
    reasons += _breaches(typed, terms)
    if "fault" in frame:
        reasons += [(index, text) for index, text in frame["fault"].dropna().items()]
    if terms.time:
        late = typed.index[typed[terms.time] > pd.Timestamp(now)]
        reasons += [(index, f"{terms.time} lies after {now:%Y-%m-%dT%H:%M:%SZ}") for index in late]
    if not reasons:
        return typed, frame.iloc[:0].assign(reason="")
    why = pd.DataFrame(reasons, columns=["index", "reason"]).drop_duplicates().groupby("index")["reason"].agg("; ".join)
    return typed.drop(index=why.index), frame.loc[why.index].assign(reason=why)


def check_columns(frame: pd.DataFrame, dataset: str) -> None:
    """Raises ValueError with one line if a required column of the contract is missing or an unknown one is there."""
    terms = contract(dataset)
    required = {column["name"] for column in terms.properties if column["required"]} - terms.defaults.keys()
    missing = [name for name in terms.columns if name in required and name not in frame.columns]
    unknown = [name for name in frame.columns if name not in {*terms.columns, *LAKE_COLUMNS, "fault"}]
    if missing or unknown:
        faults = (("lacks", missing), ("does not know", unknown))
        said = " and ".join(f"{fault} {', '.join(names)}" for fault, names in faults if names)
        raise ValueError(f"contract {terms.name} {said}: its columns are {', '.join(terms.columns)}")


def check_published(table: str, rows: pd.DataFrame) -> None:
    """Raises ValueError that names the first breach if rows of a published table break its contract."""
    breaches = _breaches(rows, contract(table))
    if breaches:
        row, reason = breaches[0]
        raise ValueError(f"{table} breaks its contract in {len(breaches)} places; row {row}: {reason}")


def _typed(raw: pd.DataFrame, terms: Contract) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """Columns in their contract's types; a value that is lost on the way is a reason, not a silent NULL."""
    typed, reasons = raw.astype({"origin": "string", "payload": "string"}), []
    for index in raw.index[~typed["origin"].fillna("live").str.fullmatch(ORIGIN)]:
        said = str(raw.at[index, "origin"])[:60]
        reasons.append((index, f"origin: {said!r} is neither live nor simulated:<tape> nor replayed:<tape>"))
    for column in terms.properties:
        name, kind = column["name"], column["logicalType"]
        if kind == "number":
            typed[name] = pd.to_numeric(raw[name], errors="coerce").astype("float64")
            typed[name] = typed[name].mask(typed[name].abs() == float("inf"))
        elif kind == "timestamp":
            typed[name] = pd.to_datetime(raw[name], errors="coerce", utc=True).astype("datetime64[us, UTC]")
        elif kind == "date":  # a day, as text or date, and nothing else
            days = pd.to_datetime(raw[name].astype("string"), format="%Y-%m-%d", errors="coerce", utc=True)
            typed[name] = days.astype("datetime64[us, UTC]")
        else:
            typed[name] = raw[name].astype("string")
        lost = raw.index[raw[name].notna() & typed[name].isna()]
        reasons += [(index, f"{name}: {str(raw.at[index, name])[:60]!r} is no {kind}") for index in lost]
    return typed, reasons


def _breaches(typed: pd.DataFrame, terms: Contract) -> list[tuple[int, str]]:
    from pandera.errors import SchemaErrors

    try:
        terms.schema.validate(typed, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases.dropna(subset="index").to_dict("records")
        return [(int(case["index"]), _sentence(case)) for case in cases]
    return []


def _sentence(case: dict) -> str:
    if case["check"] == "not_nullable":
        return f"{case['column']}: is missing"
    if case["schema_context"] == "Column":
        return f"{case['column']}: {case['failure_case']} breaks {case['check']}"
    return "duplicate key" if "unique" in str(case["check"]) else str(case["check"])


def _checks(column: dict) -> list:
    import pandera.pandas as pa

    options = column.get("logicalTypeOptions", {})
    checks = []
    if "minimum" in options:
        checks.append(pa.Check.ge(options["minimum"]))
    if "maximum" in options:
        checks.append(pa.Check.le(options["maximum"]))
    if "exclusiveMinimum" in options:
        checks.append(pa.Check.gt(options["exclusiveMinimum"]))
    if "pattern" in options:
        checks.append(pa.Check.str_matches(options["pattern"]))
    checks += [pa.Check.isin(rule["arguments"]["validValues"]) for rule in column.get("quality", [])]
    return checks
