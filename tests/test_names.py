"""Homes, tapes and files whose names mean something to SQL, to DuckDB's patterns, to dbt, to Jinja or to the terminal.

Every command gives in such a home what it gives in a plain one.
"""

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment

from orchestration.lake.files import literal, pattern

NOW = datetime(2026, 2, 12, tzinfo=UTC)
COMMAND = Path(sys.executable).with_name("market-stress")
SOURCES = Path(__file__).parents[1] / "dbt_project" / "models" / "staging" / "_staging__sources.yml"
EVERYTHING = "it's [bold]50 % of {a,b} {{ x }}[/] *x* $HOME ü日本 [!a]"
NAMES = (
    *("it's", "a[b]c", "[bold]x[/]", "[/]", "a*b", "50 % of %s %(x)s", "{a,b}", "{{ x }}", "{% if %}", "{# x #}"),
    *("$HOME ${x}", "ü日本 🙂", '"q"', "~x", "-x", "a=b", "a:b@c", "a;b&c", "[!a]", "a,b", "!x", " x "),
)


@given(st.text(st.characters(codec="utf-8", exclude_characters="?#\\\n\r/\0"), min_size=1))
def test_sources_of_dbt_quote_as_the_lake_does(home):
    for source, path in zip(yaml.safe_load(SOURCES.read_text())["sources"], ("raw/x/**/*", "universe/x"), strict=True):
        text = Environment().from_string(source["config"]["external_location"]).render(env_var=lambda name: f"/{home}")
        said = text.format_map({"name": "x"})
        assert said.startswith(f"read_parquet({literal(pattern(f'/{home}'))[:-1]}/{path}.parquet'")


@pytest.mark.parametrize("name", [*NAMES, EVERYTHING, "a?b"])
def test_pattern_of_a_name_matches_it_alone(tmp_path, name):
    for folder in (name, "it", "ab", "abc", "axb", "a", "b", "x"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"name": [folder]}).to_parquet(tmp_path / folder / "x.parquet")
    found = duckdb.sql(
        f"select name, filename from read_parquet({literal(f'{pattern(tmp_path / name)}/**/*.parquet')})"
    )
    assert found.fetchall() == [(name, f"{tmp_path / name}/x.parquet")]


@pytest.fixture(scope="module")
def recorded():
    """Three days of gate: BTC by the hour."""
    hours = pd.date_range("2026-02-09", "2026-02-12", freq="h", tz="UTC", inclusive="left")
    own = pd.DataFrame({"exchange": "gate", "symbol": "BTC/USDT:USDT", "hour": hours})
    bar = {"open": 70_000.0, "high": 70_100.0, "low": 69_900.0, "close": 70_000.0, "volume_base": 1.0}
    liquidated = {"long_usd": 7.0, "short_usd": 14.0, "long_base": 0.0001, "short_base": 0.0002}
    return {
        "instruments": pd.DataFrame([{
            "exchange": "gate", "symbol": "BTC/USDT:USDT", "asset": "BTC", "quote": "USDT", "settle": "USDT",
            "contract_kind": "linear", "contract_size": 0.0001,
        }]),
        "candles": own.rename(columns={"hour": "opened_at"}).assign(**bar),
        "open_interest": own.rename(columns={"hour": "observed_at"}).assign(
            open_interest_base=1_000.0, open_interest_usd=7e7
        ),
        "funding_rates": own[::8].rename(columns={"hour": "funded_at"}).assign(rate=0.0001),
        "liquidation_totals": own.rename(columns={"hour": "period_start_at"}).assign(**liquidated),
    }  # fmt: skip


EVENTS = """exchange,symbol,event_id,occurred_at,position_side,price,price_kind,quantity_base,notional_usd
bybit,BTC/USDT:USDT,1,2026-02-10T01:00:00Z,long,70000,bankruptcy,1,70000
"""
CLAIMS = """claim,pair,metric,scope,window,unit,relation,value,tolerance,as_of,source
[bold]x[/],,price,BTC,now,usd,equals,70000,7,2026-02-11T00:00:00Z,it's [/] me
"""


@pytest.fixture(scope="module")
def walk(recorded, sandbox, tmp_path_factory):
    """A function (name) -> what every command said and how it ended, with home, tape and files of that name."""

    def through(name: str) -> list[tuple[int, str]]:
        folder = tmp_path_factory.mktemp("names") / name
        (folder / "tape").mkdir(parents=True)
        for dataset, frame in recorded.items():
            frame.to_parquet(folder / "tape" / f"{dataset}.parquet", index=False)
        for file, text in {
            "universe.yml": "assets: [BTC]\nexchanges: [bybit, gate]\nscore: {warm_up_days: 14}\n",
            "events.csv": EVENTS,
            "claims.csv": CLAIMS,
        }.items():
            (folder / file).write_text(text)
        pd.read_csv(folder / "events.csv", dtype={"event_id": "string"}).to_parquet(folder / "events.parquet")
        environment = {
            **os.environ,
            "MARKET_STRESS_HOME": str(folder / "home"),
            "MARKET_STRESS_UNIVERSE": str(folder / "universe.yml"),
            "MARKET_STRESS_NOW": NOW.isoformat(),
            "MARKET_STRESS_EXCHANGE_URL": sandbox(folder / "tape", NOW),
            "COLUMNS": "10000",
        }
        answers = []
        for words in (
            ["import", "--dataset", "liquidations", str(folder / "events.parquet")],
            ["import", "--dataset", "liquidations", str(folder / "events.csv")],
            ["backfill", "--start", "2026-02-09", "--end", "2026-02-12", "--exchange", "gate"],
            ["refresh"],
            ["report"],
            ["status"],
            ["sql", "select * from market_daily order by all"],
            ["claims", str(folder / "claims.csv")],
            ["claims"],
            ["evaluate"],
            ["evaluate", str(folder / "card")],
        ):
            ended = subprocess.run(
                [COMMAND, *words], env=environment, capture_output=True, text=True, check=False, timeout=900
            )
            said = (ended.stdout + ended.stderr).replace(str(folder), "FOLDER")
            answers.append((words[0], ended.returncode, re.sub(r"\s+|\d+:\d\d:\d\d|[━─]+", " ", said)))
        return answers

    return through


@pytest.fixture(scope="module")
def plain(walk):
    return walk("plain")


@pytest.mark.slow
def test_every_command_in_a_home_of_a_name_that_means_something_everywhere(walk):
    answers = walk(EVERYTHING)
    commands = ("import", "backfill", "refresh", "report", "status", "sql", "claims", "evaluate")
    assert {(command, code) for command, code, _ in answers} == {(command, 0) for command in commands}
    for command in ("import", "refresh", "report", "status", "evaluate"):
        assert any("FOLDER" in said for name, _, said in answers if name == command)


@pytest.mark.thorough
@pytest.mark.soak
@pytest.mark.parametrize("name", [*NAMES, EVERYTHING])
def test_every_command_does_in_a_home_of_any_name_what_it_does_in_a_plain_one(walk, plain, name):
    assert walk(name) == plain
