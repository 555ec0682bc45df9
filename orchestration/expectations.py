"""Great Expectations at the gate: what must be true of whole tables before the score may read them.

Here belong the suites, as plain data, and their evaluation. What a row must look like at the border is `contracts`'
matter, and dbt tests what its own models promise; the suites look for figures that can't be right, across columns, rows
and tables. Severity error is for false figures and closes the gate; what is missing is at most a warning.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.data_context import EphemeralDataContext

HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
CONTEXT_MOST = {"fear_and_greed": 100, "vix": 200, "ciss_euro_area": 1}
COMPLETENESS = ["complete", "totals", "sampled", "missing"]


Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Expectation:
    """One line of a suite; `says` reads true when good, `kind` and `arguments` are Great Expectations' own."""

    says: str
    severity: Severity
    kind: str
    arguments: dict


@dataclass(frozen=True)
class Suite:
    """What is expected of one table; `reads` are the columns that it needs, `_derive` adds the others it speaks of."""

    reads: tuple[str, ...]
    expectations: tuple[Expectation, ...]


@dataclass(frozen=True)
class Verdict:
    """`passed`: nothing of severity error failed. `failures`: table, expectation, severity, observed of all that did.

    `evidence`: rows and numbers of expectations by table, fit for JSON. `data_docs`: the folder with index.html.
    """

    passed: bool
    failures: list[dict[str, str]]
    evidence: dict[str, dict[str, int]]
    data_docs: Path


def _between(
    severity: Severity, column: str, low: float | None, high: float | None = None, mostly: float = 1, says: str = ""
) -> Expectation:
    limits = [f"{bound} {limit}" for bound, limit in (("at least", low), ("at most", high)) if limit is not None]
    arguments = {"column": column, "min_value": low, "max_value": high, "mostly": mostly}
    return Expectation(
        says or f"{column} is {' and '.join(limits)}", severity, "ExpectColumnValuesToBeBetween", arguments
    )


def _positive(column: str) -> Expectation:
    arguments = {"column": column, "min_value": 0, "strict_min": True}
    return Expectation(f"{column} is above 0", "error", "ExpectColumnValuesToBeBetween", arguments)


def _unique(*columns: str) -> Expectation:
    says = f"{' and '.join(columns)} occur once"
    return Expectation(says, "error", "ExpectCompoundColumnsToBeUnique", {"column_list": list(columns)})


def _one_of(column: str, values: list) -> Expectation:
    says = f"{column} is one of {', '.join(map(str, values))}"
    return Expectation(says, "error", "ExpectColumnValuesToBeInSet", {"column": column, "value_set": values})


def _not_below(severity: Severity, column: str, other: str) -> Expectation:
    arguments = {"column_A": column, "column_B": other, "or_equal": True, "ignore_row_if": "either_value_is_missing"}
    says = f"{column} is not below {other}"
    return Expectation(says, severity, "ExpectColumnPairValuesAToBeGreaterThanB", arguments)


def _mostly_known(column: str, mostly: float = 0.8) -> Expectation:
    says = f"{column} is known in {mostly:.0%} of the rows"
    return Expectation(says, "warning", "ExpectColumnValuesToNotBeNull", {"column": column, "mostly": mostly})


def _recent(column: str) -> Expectation:
    says = "its latest row is as late as the latest hour of market_hourly"
    return Expectation(says, "error", "ExpectColumnMinToBeBetween", {"column": column, "max_value": 0})


SUITES = {
    "stress_measures_hourly": Suite(
        reads=(
            "as_of", "asset", "downside_24h_ratio", "downside_28d_ratio", "volatility_24h", "open_interest_share",
        ),
        expectations=(
            _unique("as_of", "asset"),
            _recent("hours_behind"),
            _between("error", "seconds_past_hour", 0, 0, says="as_of lies on the hour"),
            _between("error", "downside_24h_ratio", None, 1),
            _between("error", "downside_28d_ratio", 0, 1),
            _between("error", "volatility_24h", 0),
            _between("warning", "volatility_24h", 0, 1, mostly=0.999),
            _between("error", "open_interest_share", 0, 1),
            _between("error", "shares_sum", 0, 1.000001, says="the assets' shares of an hour don't exceed the whole"),
            _mostly_known("downside_24h_ratio"),
            _mostly_known("volatility_24h"),
        ),
    ),
    "int_stress_instruments_hourly": Suite(
        reads=(
            "as_of", "instrument", "long_usd", "completeness", "open_interest_usd", "open_interest_24h_ago_usd",
            "closed_24h_usd", "closed_28d_usd", "start_28d_usd", "funding_rate_annualised",
        ),
        expectations=(
            _unique("as_of", "instrument"),
            _recent("hours_behind"),
            _between("error", "seconds_past_hour", 0, 0, says="as_of lies on the hour"),
            _between("error", "long_usd", 0),
            _between("warning", "turnover", 0, 1, mostly=0.9999, says="an hour doesn't liquidate more than there is"),
            _one_of("completeness", COMPLETENESS[:-1]),
            _between("error", "open_interest_usd", 0),
            _between("error", "open_interest_24h_ago_usd", 0),
            _between("error", "start_28d_usd", 0),
            # Positions of then can't be closed more than once; over 24 h at a risen price they may be worth more.
            _between("error", "closed_28d_ratio", None, 1.000001),
            _between("warning", "closed_24h_ratio", None, 1, mostly=0.9999),
            _between("warning", "funding_rate_annualised", -50, 50, mostly=0.999),
            _mostly_known("long_usd"),
            _mostly_known("open_interest_usd"),
            _mostly_known("funding_rate_annualised"),
        ),
    ),
    "market_hourly": Suite(
        reads=(
            "as_of", "asset", "price", "return_24h_ratio", "return_7d_ratio", "long_usd_24h", "short_usd_24h",
            "long_usd_7d", "short_usd_7d", "long_usd_30d", "short_usd_30d", "worst_hour_usd_24h", "observed_ratio_24h",
            "observed_ratio_7d", "observed_ratio_30d", "open_interest_usd", "open_interest_change_24h_ratio",
            "open_interest_change_7d_ratio", "open_interest_change_28d_ratio", "open_interest_change_30d_ratio",
        ),
        expectations=(
            _unique("as_of", "asset"),
            _positive("price"),
            _between("error", "return_24h_ratio", -1),
            _between("error", "return_7d_ratio", -1),
            _between("warning", "return_24h_ratio", -0.6, 1.5, mostly=0.999),
            *(_between("error", f"long_usd_{span}", 0) for span in ("24h", "7d", "30d")),
            *(_between("error", f"short_usd_{span}", 0) for span in ("24h", "7d", "30d")),
            # What is missing counts in none of the windows, so the longer one never sums to less.
            *(_not_below("error", f"{side}_usd_7d", f"{side}_usd_24h") for side in ("long", "short")),
            *(_not_below("error", f"{side}_usd_30d", f"{side}_usd_7d") for side in ("long", "short")),
            _between("error", "worst_hour_share", 0, 1.000001, says="the worst hour of 24 h isn't worse than the 24 h"),
            *(_between("error", f"observed_ratio_{span}", 0, 1) for span in ("24h", "7d", "30d")),
            _between("error", "open_interest_usd", 0),
            *(_between("error", f"open_interest_change_{span}_ratio", -1) for span in ("24h", "7d", "28d", "30d")),
            _between("warning", "open_interest_change_24h_ratio", -0.6, 1.5, mostly=0.999),
            _between("warning", "hours_since_previous", 1, 1, says="no hour between first and last is left out"),
            _mostly_known("open_interest_usd"),
        ),
    ),
    "market_daily": Suite(
        reads=(
            "period_start_date", "asset", "long_usd", "short_usd", "total_usd", "open_interest_usd",
            "open_interest_base", "price_open", "price_close", "return_ratio", "realised_volatility",
            "funding_rate_annualised", "observed_ratio", "is_complete",
        ),
        expectations=(
            _unique("period_start_date", "asset"),
            _recent("days_behind"),
            *(_between("error", column, 0) for column in ("long_usd", "short_usd", "total_usd", "open_interest_usd")),
            *(_positive(column) for column in ("price_open", "price_close")),
            _between("error", "return_ratio", -1),
            _between("warning", "return_ratio", -0.6, 1.5),
            _between("warning", "return_gap", -0.05, 0.05, mostly=0.99, says="the return is that of the prices shown"),
            _between("error", "realised_volatility", 0),
            _between("warning", "funding_rate_annualised", -20, 20, mostly=0.99),
            _between("error", "observed_ratio", 0, 1),
            # Ten times off is a unit taken for another (contracts, coins, USD); a few percent are different prices.
            _between("error", "implied_price_ratio", 0.1, 10, says="open interest in USD is coins times the price"),
            _between("warning", "implied_price_ratio", 0.95, 1.05, says="open interest is valued near the price"),
            _between("warning", "turnover", 0, 1, says="liquidations of a day don't exceed open interest"),
            _mostly_known("total_usd"),
            _mostly_known("open_interest_usd"),
            _mostly_known("funding_rate_annualised"),
            _between("warning", "observed_ratio", 0.5, 1, mostly=0.8, says="at least half of the hours were observed"),
        ),
    ),
    "liquidations_daily": Suite(
        reads=(
            "period_start_date", "exchange", "asset", "long_usd", "short_usd", "total_usd", "largest_usd",
            "worst_hour_usd", "completeness", "observed_ratio",
        ),
        expectations=(
            _unique("period_start_date", "exchange", "asset"),
            _recent("days_behind"),
            *(_between("error", f"{name}_usd", 0) for name in ("long", "short", "total", "largest", "worst_hour")),
            _not_below("error", "total_usd", "worst_hour_usd"),
            _not_below("error", "worst_hour_usd", "largest_usd"),
            _one_of("completeness", COMPLETENESS),
            _between("error", "observed_ratio", 0, 1),
            _between("warning", "exchange_share", 0, 0.98, mostly=0.9, says="no exchange is the whole market"),
            _between("warning", "side_agreement", 0.5, 1, says="the side that loses is liquidated more"),
        ),
    ),
    "open_interest_daily": Suite(
        reads=(
            "period_start_date", "exchange", "asset", "open_usd", "high_usd", "low_usd", "close_usd", "close_base",
            "position_effect_usd", "observed_ratio",
        ),
        expectations=(
            _unique("period_start_date", "exchange", "asset"),
            _recent("days_behind"),
            *(_between("error", f"{name}_usd", 0) for name in ("open", "high", "low", "close")),
            _not_below("error", "high_usd", "low_usd"),
            _not_below("warning", "high_usd", "close_usd"),
            _not_below("warning", "close_usd", "low_usd"),
            _between("error", "observed_ratio", 0, 1),
            _between("error", "implied_price_ratio", 0.1, 10, says="USD over coins is a price as on other exchanges"),
            _between("warning", "implied_price_ratio", 0.95, 1.05, says="USD over coins is nearly the others' price"),
            _between("warning", "exchange_share", 0, 0.98, mostly=0.9, says="no exchange is the whole market"),
            _between("warning", "position_ratio", -0.5, 1, 0.99, says="positions don't halve or double in a day"),
        ),
    ),
    "context_daily": Suite(
        reads=("date", "series", "value", "observed_date"),
        expectations=(
            _unique("date", "series"),
            _recent("days_behind"),
            _between("error", "days_carried", 0, 9, says="what is asked for is carried at most nine days"),
            _between("error", "place_in_range", 0, 1, says="a value lies between the least and most of its series"),
        ),
    ),
}  # fmt: skip


def evaluate(frames: dict[str, pd.DataFrame], data_docs: Path) -> Verdict:
    """Judges the marts in `frames` (name to frame; USD as float or Decimal) by SUITES, with a site in `data_docs`.

    A table or column that isn't there is a failure of severity error, a table without rows isn't judged. Imports Great
    Expectations, which takes several seconds; nothing leaves the machine.
    """
    failures, evidence, readable = [], {}, {}
    for table, suite in SUITES.items():
        frame = frames.get(table, pd.DataFrame())
        evidence[table] = {"rows": len(frame), "expectations": len(suite.expectations), "failed": 0}
        absent = [column for column in suite.reads if column not in frame.columns]
        if absent:
            failures.append(_failure(table, "has all columns", "error", f"lacks {', '.join(absent)}"))
            evidence[table]["failed"] = 1
        elif len(frame):
            readable[table] = _typed(frame[list(suite.reads)])
    judged = {table: _derive(table, frame, readable) for table, frame in readable.items()}
    for table, results in _run(judged, data_docs).items():
        lines = {line.says: line for line in SUITES[table].expectations}
        for says, observed in results:
            failures.append(_failure(table, says, lines[says].severity, observed))
        evidence[table]["failed"] = len(results)
    passed = all(failure["severity"] != "error" for failure in failures)
    return Verdict(passed, failures, evidence, data_docs)


def _failure(table: str, expectation: str, severity: str, observed: str) -> dict[str, str]:
    return {"table": table, "expectation": expectation, "severity": severity, "observed": observed}


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Decimal columns as floats; nothing else in these tables is of type object but texts and flags."""
    figures = [name for name in frame.columns if name.endswith(("_usd", "_base")) or "_usd_" in name]
    return frame.reset_index(drop=True).astype(dict.fromkeys(figures, "float64"))


def _derive(table: str, frame: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """`frame` with the columns that only the suite speaks of; NULL where something they need is missing."""
    latest_at = tables["market_hourly"]["as_of"].max() if "market_hourly" in tables else None
    if "as_of" in frame:
        frame["hours_behind"] = 0 if latest_at is None else (latest_at - frame["as_of"]) / HOUR
    elif table == "context_daily":  # an open day has a row, too
        frame["days_behind"] = 0 if latest_at is None else (latest_at.floor("D") - pd.to_datetime(frame["date"])) / DAY
    else:
        dates = pd.to_datetime(frame["period_start_date"])
        frame["days_behind"] = 0 if latest_at is None else ((latest_at - HOUR).floor("D") - dates) / DAY
    if table.endswith(("stress_measures_hourly", "stress_instruments_hourly")):
        frame["seconds_past_hour"] = (frame["as_of"] - frame["as_of"].dt.floor("h")).dt.total_seconds()
    if table == "int_stress_instruments_hourly":
        start = frame["open_interest_24h_ago_usd"].where(frame["open_interest_24h_ago_usd"] > 0)
        frame["turnover"], frame["closed_24h_ratio"] = frame["long_usd"] / start, frame["closed_24h_usd"] / start
        frame["closed_28d_ratio"] = frame["closed_28d_usd"] / frame["start_28d_usd"].where(frame["start_28d_usd"] > 0)
    elif table == "stress_measures_hourly":
        frame["shares_sum"] = frame.groupby("as_of")["open_interest_share"].transform("sum")
    elif table == "market_hourly":
        frame["worst_hour_share"] = frame["worst_hour_usd_24h"] / (frame["long_usd_24h"] + frame["short_usd_24h"])
        frame["hours_since_previous"] = frame.sort_values("as_of").groupby("asset")["as_of"].diff() / HOUR
    elif table == "market_daily":
        value = frame["open_interest_base"] * frame["price_close"]
        # Where an exchange is missing, its coins and its USD need not be missing alike.
        frame["implied_price_ratio"] = (frame["open_interest_usd"] / value).where(
            frame["is_complete"].eq(True) & (value > 0)
        )
        frame["return_gap"] = frame["price_close"] / frame["price_open"] - 1 - frame["return_ratio"]
        frame["turnover"] = frame["total_usd"] / frame["open_interest_usd"].where(frame["open_interest_usd"] > 0)
    elif table == "context_daily":
        is_asked_for = ~frame["series"].str.startswith("holder:")
        carried = (pd.to_datetime(frame["date"]) - pd.to_datetime(frame["observed_date"])) / DAY
        frame["days_carried"] = carried.where(is_asked_for)
        frame["place_in_range"] = frame["value"] / frame["series"].map(CONTEXT_MOST)
    elif table == "liquidations_daily":
        frame["exchange_share"] = _exchange_share(frame, "total_usd")
        frame["side_agreement"] = _side_agreement(frame, tables.get("market_daily"))
    elif table == "open_interest_daily":
        price = frame["close_usd"] / frame["close_base"].where(frame["close_base"] > 0)
        others = price.groupby([frame["period_start_date"], frame["asset"]])
        frame["implied_price_ratio"] = (price / others.transform("median")).where(others.transform("count") >= 3)
        frame["exchange_share"] = _exchange_share(frame, "close_usd")
        frame["position_ratio"] = frame["position_effect_usd"] / frame["open_usd"].where(frame["open_usd"] > 0)
    return frame


def _exchange_share(frame: pd.DataFrame, measure: str) -> pd.Series:
    """Each exchange's share of an asset's day, where at least three exchanges have a figure."""
    market = frame.groupby(["period_start_date", "asset"])[measure]
    return (frame[measure] / market.transform("sum")).where(market.transform("count") >= 3)


def _side_agreement(frame: pd.DataFrame, market: pd.DataFrame | None) -> pd.Series:
    """By exchange: on how many of the days that moved the price by 3 % the side that lost was liquidated more.

    Far below a half means that the exchange's sides are taken for each other. NULL with fewer than ten such days.
    """
    if market is None:
        return pd.Series(float("nan"), index=frame.index)
    key = ["period_start_date", "asset"]
    returns = frame[key].merge(market.drop_duplicates(key)[[*key, "return_ratio"]], on=key, how="left")["return_ratio"]
    excess = frame["long_usd"] - frame["short_usd"]
    agrees = (excess * returns < 0).astype("float64").where((returns.abs() >= 0.03) & excess.ne(0) & excess.notna())
    by_exchange = agrees.groupby(frame["exchange"])
    return by_exchange.transform("mean").where(by_exchange.transform("count") >= 10)


def _run(judged: dict[str, pd.DataFrame], data_docs: Path) -> dict[str, list[tuple[str, str]]]:
    """Runs the suites and writes the site; by table what failed: the expectation's sentence and what was observed."""
    import great_expectations as gx
    from great_expectations import expectations as library

    draft = data_docs.with_name(f"{data_docs.name}.draft").absolute()
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    context = _context(draft)
    source, run = context.data_sources.add_pandas("marts"), gx.RunIdentifier(run_name="gate")
    failed = {}
    for table, frame in judged.items():
        lines = [
            getattr(library, line.kind)(
                **line.arguments,
                severity={"error": "critical", "warning": "warning"}[line.severity],
                description=line.says,
            )
            for line in SUITES[table].expectations
        ]
        suite = context.suites.add(gx.ExpectationSuite(table, expectations=lines))
        batch = source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("whole table")
        definition = context.validation_definitions.add(gx.ValidationDefinition(name=table, data=batch, suite=suite))
        results = definition.run(batch_parameters={"dataframe": frame}, run_id=run).results
        failed[table] = [_failed(result) for result in results if not result.success]
    context.build_data_docs()
    # The site before is replaced as a whole, so that pages of earlier runs don't pile up.
    shutil.rmtree(data_docs, ignore_errors=True)
    draft.rename(data_docs)
    return failed


def _context(pages: Path) -> "EphemeralDataContext":
    """Great Expectations without files, telemetry and progress bars, whose only site is written to `pages`."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    for name in context.get_site_names():
        context.delete_data_docs_site(name)
    site = {
        "class_name": "SiteBuilder",
        "show_how_to_buttons": False,
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(pages)},
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }
    context.add_data_docs_site("market_stress", site)  # type: ignore[arg-type] # its type lacks show_how_to_buttons
    return context


def _failed(result: "ExpectationValidationResult") -> tuple[str, str]:
    """The sentence of an expectation that failed, and what Great Expectations saw, in one line."""
    expectation = result.expectation_config
    if expectation is None or expectation.description is None:
        raise ValueError(f"Great Expectations judged what no suite holds: {result}")
    return expectation.description, _observed(expectation.type, result)


def _observed(kind: str, result: "ExpectationValidationResult") -> str:
    seen = result.result or {}
    if "unexpected_count" in seen:
        counts = f"{seen['unexpected_count']:,} of {seen['element_count']:,} rows"
        if kind == "expect_column_values_to_not_be_null":
            return f"{counts} are missing"
        examples = [_shown(value) for value in seen.get("partial_unexpected_list", [])[:3]]
        return f"{counts}, such as {'; '.join(examples)}" if examples else counts
    if "observed_value" in seen:
        return f"observed {_shown(seen['observed_value'])}"
    return " ".join(str(result.exception_info).split())[:200]


def _shown(value: object) -> str:
    if isinstance(value, dict | tuple | list):
        return " and ".join(_shown(part) for part in (value.values() if isinstance(value, dict) else value))
    return f"{value:,.6g}" if isinstance(value, int | float) else str(value)
