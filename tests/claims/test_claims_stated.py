"""A file of claims is read as it states them, or refused by line and column."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marts import csv_file, row

from orchestration import claims

SEED = Path(__file__).parents[2] / "dbt_project" / "seeds" / "claims.csv"
SCOPES = {"market_hourly": ["ALL", "BTC"], "holders_hourly": ["Strategy"]}


def only(path, **changes):
    (claim,) = claims.read(csv_file(path / "claims.csv", row(**changes)), SCOPES)
    return claim


@pytest.mark.parametrize(
    ("value", "relation", "tolerance", "expected"),
    [
        ("-4.4", "equals", "", (-4.45, -4.35)),  # half the last digit stated
        ("26", "equals", "", (25.5, 26.5)),
        ("2.160", "equals", "", (2.1595, 2.1605)),
        ("4.4e3", "equals", "", (4350, 4450)),
        ("about 2.16", "equals", "", (2.1384, 2.1816)),  # 1 % of the value
        ("~ -26", "equals", "", (-26.26, -25.74)),
        ("237", "equals", "5", (232, 242)),
        ("75000", "holds", "", (75000, float("inf"))),
        ("4.4", "exceeds", "", (4.4, 5.5)),
        ("-4", "exceeds", "", (-5, -4)),  # a fall by more
        ("-5", "at_most", "", (float("-inf"), -4.5)),
        ("5", "at_least", "0", (5, float("inf"))),
    ],
)
def test_what_bears_a_claim_out_follows_from_its_digits_and_its_relation(
    tmp_path, value, relation, tolerance, expected
):
    claim = only(tmp_path, value=value, relation=relation, tolerance=tolerance)
    assert claim.range == pytest.approx(expected, rel=1e-8)


@given(value=st.decimals(-10_000, 10_000, places=3), relation=st.sampled_from(["at_least", "at_most", "holds"]))
def test_a_one_sided_claim_is_borne_out_by_everything_on_its_side(tmp_path_factory, value, relation):
    low, high = only(tmp_path_factory.mktemp("claims"), value=str(value), relation=relation).range
    assert (low, high)[relation != "at_most"] in (float("inf"), float("-inf"))
    assert low <= float(value) <= high


def test_scope_and_window_may_be_left_out_where_they_are_not_needed(tmp_path):
    assert only(tmp_path, scope="").readings == ("BTC", "ALL")
    assert only(tmp_path, scope="unstated").readings == ("BTC", "ALL")
    assert only(tmp_path, metric="price", unit="usd", window="", scope="").readings == ("BTC",)
    assert only(tmp_path, metric="vix", unit="points", window="", scope="").readings == ("vix",)
    assert only(tmp_path, metric="unrealised_loss", window="", scope="STRATEGY").scope == "Strategy"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"claim": ""}, "claim: is empty"),
        ({"metric": "liquidation"}, "metric: unknown metric 'liquidation'"),
        ({"scope": "DOGE"}, "scope: unknown scope 'DOGE', known are ALL, BTC"),
        ({"metric": "unrealised_loss", "window": "", "scope": ""}, "scope: unrealised_loss needs one"),
        ({"metric": "unrealised_loss", "window": "", "scope": "BTC"}, "scope: unknown scope 'BTC', known are Strategy"),
        ({"metric": "vix", "unit": "points", "window": ""}, "scope: unknown scope 'BTC', known are vix"),
        ({"window": "28d"}, "window: unknown window '28d', known are 24h, 7d, 30d"),
        ({"window": ""}, "window: unknown window ''"),
        ({"unit": "percent"}, "unit: unknown unit 'percent', known are usd"),
        ({"relation": "is"}, "relation: unknown relation 'is'"),
        ({"value": "many"}, "value: 'many' is no number"),
        ({"value": "nan"}, "value: 'nan' is no number"),
        ({"value": "1_000"}, "value: '1_000' is no number"),
        ({"tolerance": "-1"}, "tolerance: '-1' is no number"),
        ({"as_of": "yesterday"}, "as_of: 'yesterday' is no date"),
        ({"as_of": ""}, "as_of: '' is no date"),
        ({"pair": "z"}, "pair: 'z' is no claim"),
        ({"claim": "first"}, "claim: 'first' is there already"),
    ],
)
def test_a_fault_is_named_by_line_and_column(tmp_path, changes, named):
    file = csv_file(tmp_path / "mine.csv", row(claim="first"), row(**changes))
    with pytest.raises(ValueError, match=r"^mine\.csv, line 3, ") as refused:
        claims.read(file, SCOPES)
    assert named in str(refused.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "line 1: column 'claim' is missing"),
        ("claim,metric,unit,relation,as_of\n", "line 1: column 'value' is missing"),
        ("claim,metric,unit,relation,value,as_of,note\n", "line 1: column 'note' is unknown"),
        ("claim,metric,unit,relation,value,value,as_of\n", "line 1: column 'value' is there twice"),
        ("claim,metric,unit,relation,value,as_of\n", "holds no claim"),
        ("claim,metric,unit,relation,value,as_of\na,vix,points,equals,1,2026-02-12,7\n", "line 2: has more fields"),
        ("claim,metric,unit,relation,value,as_of\na,vix\n", "line 2, unit: unknown unit ''"),
        ('claim,metric,unit,relation,value,as_of\n"a,vix\n', "is no CSV"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path, text, named):
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(ValueError, match=r"^mine\.csv") as refused:
        claims.read(tmp_path / "mine.csv", SCOPES)
    assert named in str(refused.value)


def test_what_is_no_text_and_what_is_no_file_is_refused(tmp_path):
    (tmp_path / "mine.csv").write_bytes(b"PAR1\xff\xfe")
    with pytest.raises(ValueError, match=r"mine\.csv, line 1: is no CSV in UTF-8"):
        claims.read(tmp_path / "mine.csv", SCOPES)
    with pytest.raises(FileNotFoundError, match="is no file"):
        claims.read(tmp_path, SCOPES)


def test_the_seed_holds_all_ten_claims_of_both_articles():
    read = claims.read(SEED)
    assert {claim.claim[:2] for claim in read} == {f"{number:02}" for number in range(1, 11)}
    assert {(claim.source[0], f"{claim.as_of:%Y-%m-%dT%H}") for claim in read} == {
        ("A", "2026-02-11T23"),
        ("B", "2026-02-12T00"),
    }
