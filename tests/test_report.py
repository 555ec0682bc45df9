"""The brief against a small published warehouse made here: every figure by its own query, gaps, escapes, offline."""

import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import duckdb
import pytest

from orchestration import lake, report, stress

AS_OF = datetime(2026, 2, 12, tzinfo=UTC)
WRITTEN_AT = AS_OF + timedelta(minutes=12)

WINDOWS = ("24h", "7d", "28d", "30d")
MARKET_HOURLY = f"""
create table market_hourly as
with hours as (
    select as_of, asset, size, row_number() over (partition by asset order by as_of) as n
    from range({{start}}, {{end}} + interval 1 hour, interval 1 hour) as spine(as_of)
    cross join (values ('ALL', 3.0), ('BTC', 1.5), ('ETH', 1.0), ('{{third}}', 0.5)) as assets(asset, size)
)
select as_of, asset, case when asset <> 'ALL' then 67450.0 * size end as price, -0.0137 as return_24h_ratio,
    -0.08 as return_7d_ratio,
    {", ".join(
        f"cast({{liquidations}} * size * {usd} as decimal(38, 6)) as {side}_usd_{window}"
        for window, amount in (("24h", 237e6), ("7d", 1.44e9), ("30d", 3e9))
        for side, usd in (("long", amount), ("short", amount / 3))
    )},
    cast({{liquidations}} * size * 41e6 * (1 + n % 900 / 900) as decimal(38, 6)) as worst_hour_usd_24h,
    {{observed}} as observed_ratio_24h, {{observed}} as observed_ratio_7d, {{observed}} as observed_ratio_30d,
    cast({{open_interest}} * size * (40e9 - n * 4e6 + 2e9 * sin(n / 40)) as decimal(38, 6)) as open_interest_usd,
    {", ".join(f"{{open_interest}} * -0.044 as open_interest_change_{window}_ratio" for window in WINDOWS)},
    {", ".join(
        f"cast({{open_interest}} * size * -{usd} as decimal(38, 6)) as {effect}_effect_{window}_end_to_end_usd"
        for window, usd in (("24h", 1e9), ("28d", 9e9)) for effect in ("price", "position")
    )},
    size * 30e9 as open_interest_start_24h_usd, size * 30e9 as open_interest_start_28d_usd,
    {{open_interest}} * 0.2 as fall_from_peak_28d_ratio, {{open_interest}} * 0.3 as fall_from_peak_90d_ratio,
    {{open_interest}} * 0.42 as fall_from_peak_all_ratio,
    case when {{open_interest}} = 1 then timestamp '2025-12-06 04:00:00' end as peak_at,
    case when {{open_interest}} = 1 then ['gate:' || asset, 'binance:' || asset] end as panel
from hours
"""  # fmt: skip
MARKET_STRESS = f"""
create table market_stress as
select as_of, asset, {{score}} * 80.0 as score, coalesce({{score}} * 80.0, 0) as score_low,
    coalesce({{score}} * 80.0, 100) as score_high, case when {{score}} = 1 then 'stress' end as regime,
    {", ".join(f"{{score}} * 0.8 as {part}_rank" for part in stress.PARTS)},
    {", ".join(f"{{score}} * 0.8 * {weight} as {part}_contribution" for part, (weight, _) in stress.PARTS.items())},
    180 as warm_up_days, 60.0 as effective_days,
    case when {{score}} is null then 'insufficient_history: {", ".join(stress.PARTS)}' end as reason
from market_hourly
"""
DAILY = """
create table market_daily as
select day::date as period_start_date, asset,
    cast({open_interest} * size * 40e9 as decimal(38, 6)) as open_interest_usd,
    cast({open_interest} * -6e8 as decimal(38, 6)) as change_usd,
    cast({open_interest} * -4e8 as decimal(38, 6)) as price_effect_usd,
    cast({open_interest} * -2e8 as decimal(38, 6)) as position_effect_usd,
    cast({open_interest} * 0 as decimal(38, 6)) as listing_effect_usd,
    cast({open_interest} * 0 as decimal(38, 6)) as coverage_effect_usd
from range({start}, {end}, interval 1 day) as days(day)
cross join (values ('ALL', 3.0), ('BTC', 1.5)) as assets(asset, size);

create table liquidations_daily as
select day::date as period_start_date, exchange, asset,
    case when day <> {gap} and exchange = 'gate' then cast({liquidations} * 4e7 as decimal(38, 6)) end as long_usd,
    case when day <> {gap} and exchange = 'gate' then cast({liquidations} * 1e7 as decimal(38, 6)) end as short_usd,
    case when exchange = 'gate' and day <> {gap} and {liquidations} = 1 then 'sampled' else 'missing' end
        as completeness,
    case when exchange = 'gate' and day <> {gap} then {observed} else 0.0 end as observed_ratio
from range({start}, {end}, interval 1 day) as days(day)
cross join (values ('gate'), ('binance')) as exchanges(exchange)
cross join (values ('BTC'), ('ETH'), ('{third}')) as assets(asset);

create table open_interest_daily as
select period_start_date, exchange, asset, 1.0 as observed_ratio from liquidations_daily;
create table instruments as
select distinct exchange, asset || '/USDT:USDT' as symbol, asset from liquidations_daily;
create table candles as
select exchange, symbol, opened_at, 1.0 as close
from instruments cross join range({start}, {end}, interval 1 hour) as hours(opened_at);
create table funding_rates as
select exchange, symbol, funded_at + interval 7 millisecond as funded_at, 0.0001 as rate, 8.0 as interval_hours
from instruments cross join range({start}, {end}, interval 8 hour) as hours(funded_at);
create table coverage as
select exchange, 'liquidation_totals' as dataset, symbol, {gap} as start_at, {gap} + interval 1 day as end_at,
    'rest' as feed, 'failed' as state, '{why}' as reason
from instruments where exchange = 'gate';
"""
TERMS = {
    "start": report._stamp(AS_OF - timedelta(days=95)),
    "end": report._stamp(AS_OF),
    "gap": report._stamp(AS_OF - timedelta(days=10)),
    "third": "SOL",
    "liquidations": "1",
    "open_interest": "1",
    "observed": "0.96",
    "score": "1",
    "why": "timeout",
}


def made_warehouse(folder, **terms):
    path = folder / "warehouse.duckdb"
    with duckdb.connect(path) as connection:
        for script in (MARKET_HOURLY, MARKET_STRESS, DAILY):
            connection.execute(script.format(**(TERMS | terms)))
    return path


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return made_warehouse(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def brief(published):
    return report.write_brief(published, published.parent / "latest", written_at=WRITTEN_AT, simulated=False)


def figure(brief, name, asset):
    return next(figure for figure in brief["figures"] if (figure["name"], figure["asset"]) == (name, asset))


def answers(warehouse, brief):
    """What `market-stress sql` would answer to every query of the brief, beside the value that it says."""
    with lake.read_only(warehouse.parent, warehouse.name) as connection:
        for figure in [*brief["figures"], *brief["coverage"]["feeds"]]:
            answer = connection.execute(figure["query"]).fetchone()[0]
            yield (
                figure,
                float(answer) if isinstance(figure.get("value", 0.0), float | int) and answer is not None else answer,
            )


def test_every_query_gives_the_figure_again(published, brief):
    for figure, answer in answers(published, brief):
        assert answer == figure.get("value", figure.get("observed_ratio")), figure


def test_figures_that_the_articles_quote(brief):
    longs = figure(brief, "long_usd_24h", "BTC")
    assert longs["value"] == 1.5 * 237e6
    assert longs["as_of"] == brief["as_of"] == "2026-02-12T00:00:00Z"
    assert longs["completeness"] == {
        "text": "observed 96\u202f%, lower bound", "observed_ratio": 0.96, "is_lower_bound": True,
    }  # fmt: skip
    assert figure(brief, "open_interest_change_24h_ratio", "ALL")["value"] == -0.044
    assert figure(brief, "peak_at", "ALL")["value"] == "2025-12-06T04:00:00Z"
    assert {row["asset"] for row in brief["figures"]} == {"ALL", "BTC", "ETH", "SOL"}


def test_worst_hour_of_30_days_sees_all_of_its_hours_and_no_more(published, brief):
    with lake.read_only(published.parent, published.name) as connection:
        spans = connection.execute(
            "select min(as_of) - interval 24 hour, max(as_of) from market_hourly where "
            + figure(brief, "worst_hour_usd_30d", "BTC")["query"].partition(" where ")[2]
        ).fetchone()
    assert spans[1] - spans[0] == timedelta(hours=720)


def test_files_are_what_is_returned_and_nothing_else_is_left(published, brief):
    folder = published.parent / "latest"
    assert sorted(path.name for path in folder.iterdir()) == ["brief.html", "brief.json"]
    assert json.loads((folder / "brief.json").read_text()) == brief


def test_page_opens_offline_and_runs_nothing(published, brief):
    page = (published.parent / "latest" / "brief.html").read_text()
    fetching = re.findall(r"""(?:src|href|url|@import)\s*[=(]\s*["']?(?!#|data:)[^"')\s>]+""", page)
    assert fetching == []
    assert "<script" not in page
    assert page.count("<svg role=") == 6  # three charts, wide and narrow
    assert len(page) < 800_000


def test_page_is_well_formed(published, brief):
    class Tags(HTMLParser):
        open: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag, attrs):
            if tag not in {"meta", "link", "br"}:
                self.open.append(tag)

        def handle_startendtag(self, tag, attrs):
            pass

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    tags = Tags()
    tags.feed((published.parent / "latest" / "brief.html").read_text())
    assert tags.open == []


def test_coverage_tells_shares_and_reasons(brief):
    feeds = {(feed["exchange"], feed["dataset"]): feed for feed in brief["coverage"]["feeds"]}
    assert feeds["gate", "candles"]["observed_ratio"] == feeds["gate", "funding_rates"]["observed_ratio"] == 1
    gate, binance = feeds["gate", "liquidations"], feeds["binance", "liquidations"]
    assert gate["observed_ratio"] == pytest.approx(0.96 * 29 / 30)
    assert gate["is_lower_bound"]
    assert {"state": "failed", "reason": "timeout", "instrument_hours": 72} in gate["gaps"]
    assert binance["observed_ratio"] == 0
    assert "no public REST" in binance["gaps"][0]["reason"]
    assert any("sampled" in warning for warning in brief["warnings"])
    assert any("binance" in warning and "missing from every sum" in warning for warning in brief["warnings"])


def test_missing_figures_are_null_with_a_reason_and_never_zero(tmp_path):
    warehouse = made_warehouse(tmp_path, liquidations="null", open_interest="null", observed="0.0", score="null")
    with duckdb.connect(warehouse) as connection:
        for column in report.EXTRA_COLUMNS:  # a warehouse may do without
            connection.execute(f"alter table market_hourly drop column {column}")
    brief = report.write_brief(warehouse, tmp_path / "latest", written_at=WRITTEN_AT, simulated=False)
    missing = [figure for figure in brief["figures"] if figure["value"] is None]
    assert all(figure["reason"] for figure in missing)
    assert {"long_usd_24h", "open_interest_usd", "score", "peak_at"} <= {figure["name"] for figure in missing}
    assert figure(brief, "price", "BTC")["value"] is not None
    assert not any(figure["name"] == "price_effect_28d_ratio" for figure in brief["figures"])
    assert "60 d of history where 180 d are needed" in figure(brief, "score", "ALL")["reason"]
    assert "never observed" in figure(brief, "open_interest_change_28d_ratio", "BTC")["reason"]
    assert any(warning.startswith("No liquidations were observed") for warning in brief["warnings"])
    page = (tmp_path / "latest" / "brief.html").read_text()
    assert "no data" in page
    words = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.S)
    assert not re.search(r"\b(nan|nat|none)\b", words, re.I)
    assert dict(report.headline(brief))["ALL stress score"].startswith("no data (between 0.00 and 100.00")
    for name in report.CHARTS:
        assert report.chart_png(warehouse, name).startswith(b"\x89PNG")


def test_a_day_without_observation_is_hatched(published, brief):
    page = (published.parent / "latest" / "brief.html").read_text()
    assert 'fill="url(#gap)"' in page
    assert "Mon 2 Feb 2026: not observed" in page


def test_data_is_escaped_in_the_page_and_in_queries_and_simulated_is_said_everywhere(tmp_path):
    warehouse = made_warehouse(tmp_path, third="<script>alert(''1'')</script>", why="<img src=x onerror=alert(1)>")
    brief = report.write_brief(warehouse, tmp_path, written_at=WRITTEN_AT, simulated=True)
    page = (tmp_path / "brief.html").read_text()
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert all(answer == figure["value"] for figure, answer in answers(warehouse, brief) if "value" in figure)
    assert brief["simulated"] is True
    assert page.count("SIMULATED \u00b7") == 6  # in the drawings themselves
    assert 'class="banner"' in page
    assert "<title>SIMULATED" in page


def test_points_of_the_split_are_of_what_was_there_at_the_start(brief):
    assert figure(brief, "price_effect_28d_ratio", "BTC")["value"] == pytest.approx(-0.3)


def test_an_empty_warehouse_still_gives_a_brief(published, tmp_path):
    empty = tmp_path / "warehouse.duckdb"
    empty.write_bytes(published.read_bytes())
    with duckdb.connect(empty) as connection:
        for table in ("market_hourly", "market_stress", "market_daily", "liquidations_daily", "open_interest_daily"):
            connection.execute(f"delete from {table}")
    brief = report.write_brief(empty, tmp_path, written_at=WRITTEN_AT, simulated=False)
    assert brief["as_of"] is None
    assert brief["figures"] == []
    assert "backfill" in (tmp_path / "brief.html").read_text()
    assert report.headline(brief)[0][1].startswith("no data")
    assert report.chart_png(empty, "score").startswith(b"\x89PNG")


def test_headline_is_short_and_names_the_figures(brief):
    lines = dict(report.headline(brief))
    assert 8 <= len(lines) <= 10
    assert lines["as of"] == "2026-02-12 00:00 UTC, 12 min before the brief was written"
    assert lines["BTC longs liquidated, 24 h"].replace("\u202f", " ") == "355.5 M USD (observed 96 %, lower bound)"
    assert lines["ALL stress score"].replace("\u202f", " ") == "80.00 of 100, stress (history 60 d, warm-up 180 d)"


@pytest.mark.parametrize("name", ["liquidations", "open_interest", "score"])
def test_charts_for_dagster_are_small_images(published, name):
    image = report.chart_png(published, name)
    assert image.startswith(b"\x89PNG")
    assert len(image) < 60_000


@pytest.mark.parametrize(
    ("value", "unit", "name", "text"),
    [
        (237_000_000, "USD", "long_usd_24h", "237.0 M USD"),
        (2_161_000_000, "USD", "total_usd_7d", "2.16 B USD"),
        (0, "USD", "long_usd_24h", "0 USD"),
        (-0.0441, "ratio", "open_interest_change_24h_ratio", "\u22124.4 %"),
        (-0.00001, "ratio", "open_interest_change_24h_ratio", "0.0 %"),
        (0.011, "ratio", "return_24h_ratio", "+1.10 %"),
        (0.34, "ratio", "fall_from_peak_28d_ratio", "34.0 %"),
        (67_450.4, "USD per coin", "price", "67,450 USD"),
        (0.61234567, "USD per coin", "price", "0.61235 USD"),
        (None, "USD", "long_usd_24h", "no data"),
    ],
)
def test_figures_read_as_people_write_them(value, unit, name, text):
    assert report.figure_text({"value": value, "unit": unit, "name": name}).replace("\u202f", " ") == text


@pytest.mark.parametrize(
    ("ratio", "text"), [(1, "100 %"), (0.9999, "99.9 %"), (0.0001, "0.1 %"), (0, "0 %"), (0.955, "96 %")]
)
def test_a_share_is_100_only_of_all(ratio, text):
    assert report.share_text(ratio).replace("\u202f", " ") == text
