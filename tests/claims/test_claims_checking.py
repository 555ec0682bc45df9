"""Metrics asked of small marts: figures, what they are worth, and what is said where a table or a row is absent."""

import pytest
from marts import CONTEXT_DAILY, HOLDERS_HOURLY, csv_file, row, warehouse

from orchestration import claims, contracts


@pytest.fixture
def check(tmp_path):
    """A function (row, ..., more=scripts) -> the rows of claim_checks, as records."""

    def checked(*rows, more=()):
        with warehouse(":memory:", *more) as marts:
            told = claims.read(csv_file(tmp_path / "claims.csv", *rows), claims.scopes(marts))
            checks = claims.check(marts, told)
            contracts.check_published("claim_checks", checks)
            assert list(checks.columns) == contracts.contract("claim_checks").columns
            for one in checks.itertuples():
                if one.figure == one.figure:
                    assert float(marts.execute(one.query).fetchone()[0]) == one.figure
        return checks.to_dict("records")

    return checked


def test_a_sum_is_compared_as_reported(check):
    (told,) = check(row())
    assert told["verdict"] == "supported"
    assert (told["figure"], told["observed_ratio"], told["is_lower_bound"]) == (237.0, 1.0, True)
    assert (told["value"], told["tolerance"]) == (237.0, pytest.approx(2.37))


def test_a_sum_is_bounded_by_those_that_report_fully(check):
    """Gate reports 24 h x 3 M on half of the open interest: 3 x 144 M = 432 M at most; earlier hours don't count."""
    both = {"metric": "liquidations", "value": "500"}
    (beyond,) = check(row(**both))
    assert beyond["verdict"] == "contradicted"
    assert "72 million USD on 50 %" in beyond["reason"]
    assert "432 million USD, below the claim" in beyond["reason"]
    assert check(row(**both | {"value": "400"}))[0]["verdict"] == "not_checkable"
    assert check(row(**both | {"value": "400e6", "unit": "usd"}))[0]["verdict"] == "not_checkable"
    assert check(row(**both | {"value": "300"}))[0]["verdict"] == "contradicted"
    nobody = [
        "update liquidations_hourly set is_lower_bound = true",
        "update market_hourly set full_reporting_ratio = 0",
    ]
    (told,) = check(row(**both | {"value": "500"}), more=nobody)
    assert told["verdict"] == "not_checkable"


def test_a_window_that_was_not_observed_is_not_checkable(check):
    (told,) = check(row(window="7d", value="1500"))
    assert told["verdict"] == "not_checkable"
    assert "only 90.0 % was observed" in told["reason"]


def test_a_claim_without_a_scope_is_ambiguous_where_its_readings_contradict(check):
    (told,) = check(row(scope=""))
    assert (told["verdict"], told["scope"], told["figure"]) == ("scope_ambiguous", "unstated", 237.0)
    assert "711 million USD" in told["reason"]
    assert check(row(scope="ALL"))[0]["verdict"] == "contradicted"
    assert check(row(scope="", value="900"))[0]["verdict"] != "scope_ambiguous"


def test_only_the_row_in_usd_is_inconsistent_with_its_pair(check):
    """-4.4 % and -26 B imply 573 B; there were 31 B. -1.4 B of ALL imply 31 B."""
    ratio = row(claim="ratio", pair="usd", metric="open_interest_change", scope="ALL", unit="percent", value="-4.4")
    usd = row(
        claim="usd", pair="ratio", metric="open_interest_change_usd", scope="ALL", unit="billion_usd", value="about -26"
    )
    told = check(ratio, usd)
    assert [one["verdict"] for one in told] == ["supported", "inconsistent_pair"]
    assert "start of 573.03 billion USD to 609.2" in told[1]["reason"]
    assert check(ratio, usd | {"value": "-1.4"})[1]["verdict"] == "supported"
    assert check(ratio, usd | {"value": "-2.6"})[1]["verdict"] == "contradicted"  # 57 to 61 B: within three times ours
    assert check(usd | {"pair": ""})[0]["verdict"] == "contradicted"


def test_a_level_that_held_earlier_is_stale(check):
    level = row(metric="price", window="now", unit="usd", relation="holds", value="75000")
    (told,) = check(level)
    assert told["verdict"] == "stale"
    assert f"{told['implied_as_of']:%Y-%m-%d %H:%M}" == "2026-02-10 23:00"
    assert "from 2026-02-10 22:00 to 2026-02-10 23:00 UTC" in told["reason"]
    assert check(level | {"value": "77000"})[0]["verdict"] == "contradicted"
    assert check(level | {"value": "67450"})[0]["verdict"] == "supported"
    late = ["update market_hourly set as_of = as_of - interval 30 day where price > 70000"]
    assert check(level, more=late)[0]["verdict"] == "contradicted"  # 31 days before


def test_a_holders_loss_is_stale_once_it_has_grown(check):
    loss = row(metric="unrealised_loss", scope="Strategy", window="", value="900", relation="exceeds")
    (told,) = check(loss, more=[HOLDERS_HOURLY])
    assert (told["verdict"], told["figure"]) == ("stale", 1353.0)  # 60,000 x (90,000 - 67,450)
    assert f"{told['implied_as_of']:%Y-%m-%d %H:%M}" == "2026-02-10 23:00"
    assert check(loss | {"value": "1353"}, more=[HOLDERS_HOURLY])[0]["verdict"] == "supported"
    (quiet,) = check(loss | {"scope": "Quiet"}, more=[HOLDERS_HOURLY])
    assert (quiet["verdict"], quiet["reason"]) == ("not_checkable", "no average cost is announced")
    (absent,) = check(loss)
    assert (absent["verdict"], absent["reason"]) == ("not_checkable", "the warehouse has no table holders_hourly")


def test_context_is_what_was_known_at_the_hour(check):
    series = {"scope": "", "window": "", "unit": "points"}
    vix = row(metric="vix", value="21.5", **series)
    ciss, fear = (
        row(claim="b", metric="ciss_euro_area", value="0.3", **series),
        row(claim="c", metric="fear_and_greed", value="9", **series),
    )
    told = check(vix, ciss, fear, more=[CONTEXT_DAILY])
    assert (told[0]["verdict"], told[0]["figure"]) == ("supported", 21.5)  # the close of the 12th is not known yet
    assert (told[1]["verdict"], told[1]["reason"]) == ("not_checkable", "older than 9 days")
    assert told[2]["verdict"] == "not_checkable"  # a week old
    assert "no table context_daily" in check(vix)[0]["reason"]


def test_a_fall_is_told_with_its_peak_and_panel(check):
    fall = row(metric="open_interest_fall_from_peak", scope="ALL", window="all", unit="percent", value="about 34")
    (told,) = check(fall, more=["update market_hourly set open_interest_observed_ratio = 1"])
    assert told["verdict"] == "contradicted"
    assert "highest so far at 2025-10-07 07:00 UTC, panel of 2 contracts on gate, okx" in told["reason"]


def test_what_floating_point_adds_decides_nothing(check):
    """-0.0137 is -1.3699999999999999 %."""
    fall = row(metric="price_change", unit="percent", value="-1.37", relation="at_most", tolerance="0")
    assert check(fall)[0]["verdict"] == "supported"


def test_a_change_is_as_observed_as_its_lesser_end(check):
    change = row(metric="open_interest_change", unit="percent", value="-4.4")
    lacking = ["update market_hourly set panel = ['gate:a'] where as_of < timestamp '2026-02-12'"]
    assert check(change)[0]["observed_ratio"] == 1
    assert (check(change, more=lacking)[0]["observed_ratio"], check(change, more=lacking)[0]["verdict"]) == (
        0.5,
        "not_checkable",
    )


def test_an_hour_that_the_warehouse_does_not_hold_is_not_checkable(check):
    for moment in ("2027-01-01", "2020-01-01T05:00:00+02:00"):
        (told,) = check(row(as_of=moment))
        assert told["verdict"] == "not_checkable"
        assert "no row of BTC at this hour" in told["reason"]
    assert check(row(as_of="2026-02-12T00:59:59Z"))[0]["verdict"] == "supported"  # the last hour that was over


def test_coins_have_no_common_price(check):
    (told,) = check(row(metric="price", scope="ALL", window="", unit="usd", value="67450"))
    assert told["verdict"] == "not_checkable"


def test_a_warehouse_of_an_earlier_version_names_the_way_out(check, tmp_path):
    with pytest.raises(ValueError, match="run `market-stress refresh`"):
        check(row(), more=["alter table market_hourly drop column is_lower_bound_24h"])
    with warehouse() as marts, pytest.raises(ValueError, match="run `market-stress refresh`"):
        claims.published(marts)
