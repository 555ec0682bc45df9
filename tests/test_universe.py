"""The watch list, and the refusal of files that say something else."""

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestration import universe
from orchestration.exchanges import declared


@pytest.fixture
def file(tmp_path):
    def write(text: str):
        path = tmp_path / "universe.yml"
        path.write_text(text)
        return path

    return write


def test_without_a_file_the_packaged_default_holds():
    assert universe.load(None).assets == ("BTC", "ETH", "SOL", "XRP", "BNB")
    assert universe.load(None).exchanges == universe.EXCHANGES


def test_every_key_is_optional(file):
    watch = universe.load(file("assets: [BTC, DOGE]\nscore: {warm_up_days: 30}\n"))
    assert watch.assets == ("BTC", "DOGE")
    assert watch.score.warm_up_days == 30
    assert watch.keep_published_days == 30
    assert universe.load(file("")) == universe.Universe()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("colour: red", "colour"),
        ("exchanges: [ftx]", "unknown exchange 'ftx'"),
        ("assets: [btc]", "'btc' is no base coin"),
        ("assets: [ALL]", "'ALL' is no base coin"),
        ("assets: [BTC, BTC]", "each only once"),
        ("assets: []", "at least one"),
        ("score: {warm_up_days: 5}", "warm_up_days"),
        ("bar: 1d", "bar"),
        ("contracts: {ftx: [BTCUSDT]}", "unknown exchange 'ftx'"),
        ("contracts: {okx: [SRMUSDT]}", "'SRMUSDT' is no perpetual of okx such as BTC-USDT-SWAP"),
        ("contracts: {binance: [USDT]}", "'USDT' is no perpetual of binance"),
        ("keep_runs_days: 0", "keep_runs_days"),
        ("schedule: 5 * * *", "schedule: Value error, '5 * * *' is no cron line of five fields such as '5 * * * *'"),
        ("schedule: '*/1 * * * * *'", "no cron line of five fields"),
        ("schedule: '60 * * * *'", "'60' is no minute of a cron line: from 0 to 59"),
        ("schedule: '*/0 * * * *'", "'*/0' is no minute"),
        ("schedule: '5 24 * * *'", "'24' is no hour"),
        ("schedule: '5 9-5 * * *'", "'9-5' is no hour"),
        ("schedule: '5 * * * MON'", "'MON' is no day of the week of a cron line: write numbers"),
        ("schedule: '@hourly'", "no cron line"),
        ("schedule: '0 0 31 2,4 *'", "never comes"),
        ("schedule: 5", "schedule"),
        ("[a, b]", "no YAML mapping"),
        ("assets: [", "no YAML mapping"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(file, text, named):
    with pytest.raises(ValueError, match="universe file") as refusal:
        universe.load(file(text))
    assert named in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_missing_file_names_the_way_out(tmp_path):
    with pytest.raises(ValueError, match="unset MARKET_STRESS_UNIVERSE"):
        universe.load(tmp_path / "none.yml")


def test_names_are_checked_against_what_is_declared_and_not_against_the_default():
    assert universe.Universe(exchanges=("okx",)).exchanges == ("okx",)
    assert set(universe.EXCHANGES) <= set(declared())
    with pytest.raises(ValidationError, match="unknown exchange 'ftx': choose from binance"):
        universe.Universe(exchanges=("ftx",))


def test_every_exchange_declares_every_dataset_once():
    for exchange in universe.EXCHANGES:
        assert tuple(declared()[exchange].feeds) == universe.DATASETS


def test_named_contract_brings_its_coin():
    named = {"binance": ("SRMUSDT", "1000PEPEUSDT"), "okx": ("BTC-USDT-SWAP",)}
    watch = universe.Universe(assets=("BTC", "PEPE"), contracts=named)
    assert watch.watched_assets == ("BTC", "PEPE", "SRM")
    assert watch.named("binance") == [("SRM/USDT:USDT", "SRM"), ("1000PEPE/USDT:USDT", "PEPE")]
    assert watch.named("gate") == []


@pytest.mark.parametrize("line", ["* * * * *", "*/5 * * * *", "0,30 8-18/2 * 1-6 1-5", " 5  * * * * ", "0 0 29 2 *"])
def test_schedule_is_a_cron_line(line):
    assert universe.Universe(schedule=line).schedule == " ".join(line.split())


numbers = st.integers(0, 60).map(str)
parts = st.one_of(
    st.just("*"), numbers, st.builds("{}-{}".format, numbers, numbers), st.builds("*/{}".format, numbers),
    st.builds("{}-{}/{}".format, numbers, numbers, numbers),
)  # fmt: skip
fields = st.one_of(st.just("*"), st.lists(parts, min_size=1, max_size=2).map(",".join))


@given(st.tuples(fields, fields, fields, fields, fields).map(" ".join))
@example("0 0 30,31 2 *")
@example("0 0 31 2,4 1")
def test_line_that_is_accepted_is_one_to_dagster_and_comes_again(line):
    try:
        accepted = universe.Universe(schedule=line).schedule
    except ValidationError:
        return
    dg.ScheduleDefinition(job_name="ingest", cron_schedule=accepted, execution_timezone="UTC")
    assert next(schedule_execution_time_iterator(0, accepted, "UTC")).timestamp() >= 0
