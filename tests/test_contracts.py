"""The border: what is let in, what is quarantined, and why."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from orchestration import contracts, universe
from orchestration.context.sources import SOURCES

NOW = datetime(2026, 2, 12, tzinfo=UTC)
MARTS = contracts.FOLDER.parent / "dbt_project" / "models" / "marts"
FILES = sorted(contracts.FOLDER.glob("*.yml"))


def liquidation(**changes) -> dict:
    return {
        "exchange": "okx", "symbol": "BTC/USDT:USDT", "event_id": "a", "occurred_at": "2026-02-11T10:00:00Z",
        "position_side": "long", "price": 67_000.0, "price_kind": "bankruptcy", "quantity_base": 0.5,
        "notional_usd": 33_500.0, **changes,
    }  # fmt: skip


def reasons(*rows: dict) -> list[str]:
    _, refused = contracts.validate(pd.DataFrame(rows), "liquidations", NOW)
    return refused["reason"].tolist()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_contract_is_valid_odcs(file: Path):
    document = OpenDataContractStandard.from_file(str(file))
    assert document.apiVersion.startswith("v3")
    assert all(column.description for column in document.schema_[0].properties)


def test_every_raw_dataset_and_published_frame_has_a_contract():
    published = {"claim_checks", "context_daily", "holders_hourly", "market_stress", "score_without", "stabilisation"}
    assert {f"raw_{dataset}" for dataset in universe.RAW_DATASETS} | published == {file.stem for file in FILES}


@pytest.mark.parametrize("table", ["context_daily", "holders_hourly"])
def test_contract_of_a_mart_has_its_columns_and_types(table):
    models = yaml.safe_load((MARTS / "context" / "_context__models.yml").read_text())["models"]
    columns = next(model["columns"] for model in models if model["name"] == table)
    promised = {its["name"]: its["physicalType"].lower() for its in contracts.contract(table).properties}
    assert promised == {column["name"]: column["data_type"].replace(", ", ",") for column in columns}


def test_good_rows_come_back_typed_and_in_order():
    good, refused = contracts.validate(pd.DataFrame([liquidation()]), "liquidations", NOW)
    assert refused.empty
    assert good.columns.tolist() == [*contracts.contract("liquidations").columns, "origin", "payload"]
    assert str(good["occurred_at"].dtype) == "datetime64[us, UTC]"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"position_side": "buy"}, "position_side: buy breaks isin"),
        ({"price": -1.0}, "price: -1.0 breaks greater_than(0)"),
        ({"price": "cheap"}, "price: 'cheap' is no number"),
        ({"price": float("inf")}, "price: 'inf' is no number"),
        ({"occurred_at": "yesterday"}, "occurred_at: 'yesterday' is no timestamp"),
        ({"occurred_at": None}, "occurred_at: is missing"),
        ({"occurred_at": "2026-02-12T00:00:01Z"}, "occurred_at lies after 2026-02-12T00:00:00Z"),
        ({"symbol": "BTCUSDT"}, "symbol: BTCUSDT breaks str_matches"),
        ({"notional_usd": 67.45e6}, "notional_is_price_times_quantity"),
    ],
)
def test_a_breach_is_quarantined_with_its_reason_and_the_rest_is_kept(change, reason):
    rows = pd.DataFrame([liquidation(event_id="good"), liquidation(**change)])
    good, refused = contracts.validate(rows, "liquidations", NOW)
    assert good["event_id"].tolist() == ["good"]
    assert reason in refused["reason"].tolist()[0]


def test_second_row_of_a_key_is_refused():
    assert reasons(liquidation(), liquidation(price=66_000.0, notional_usd=33_000.0)) == ["duplicate key"]


def test_unknown_and_missing_columns_are_bad_input():
    with pytest.raises(ValueError, match="lacks price and does not know prize"):
        contracts.validate(pd.DataFrame([liquidation()]).rename(columns={"price": "prize"}), "liquidations", NOW)


def test_open_interest_needs_one_of_its_measures():
    row = {"exchange": "bybit", "symbol": "BTC/USDT:USDT", "observed_at": "2026-02-11T10:00Z"}
    _, refused = contracts.validate(pd.DataFrame([row]), "open_interest", NOW)
    assert refused["reason"].tolist() == ["has_a_measure"]


def test_context_is_of_the_sources_and_series_that_are_declared():
    valid = {its["name"]: its["quality"][0]["arguments"]["validValues"]
             for its in contracts.contract("context").properties if "quality" in its}  # fmt: skip
    assert valid["source"] == list(SOURCES)
    assert valid["series"] == [source.series for source in SOURCES.values()]
    assert set(valid["unit"]) == {source.unit for source in SOURCES.values()}


def test_context_of_a_file_passes_the_same_border():
    row = {"source": "fred", "series": "vix", "unit": "percent", "known_at": "2026-02-11T00:00Z"}
    days = [{**row, "observed_date": day, "value": 17.79} for day in ("2026-02-10", "2026-02-10T12:00", "2026-02-13")]
    good, refused = contracts.validate(pd.DataFrame(days), "context", NOW)
    assert good["observed_date"].tolist() == [pd.Timestamp("2026-02-10", tz="UTC")]
    assert refused["reason"].str.split(";").str[0].tolist() == [
        "observed_date: '2026-02-10T12:00' is no date", "is_not_known_before_it_is_observed",
    ]  # fmt: skip
