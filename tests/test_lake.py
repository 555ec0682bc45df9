"""Raw facts: merging, superseding, atomicity, publishing."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from orchestration import contracts, universe
from orchestration import home as homes
from orchestration.lake import facts, files, inputs, publish

NOW = datetime(2026, 2, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def candles(closes: list[float], start: str = "2026-02-10T22:00Z", symbol: str = "BTC/USDT:USDT") -> pd.DataFrame:
    opened_at = pd.date_range(start, periods=len(closes), freq="h")
    return contracts.validate(
        pd.DataFrame(
            {
                "exchange": "gate", "symbol": symbol, "opened_at": opened_at, "open": closes, "high": closes,
                "low": closes, "close": closes, "volume_base": 1.0, "payload": "{}",
            }
        ),
        "candles",
        LATER,
    )[0]  # fmt: skip


@pytest.fixture
def home(tmp_path):
    homes.prepare(tmp_path)
    facts.prepare(tmp_path)
    return tmp_path


def current(home) -> list[tuple]:
    columns = "opened_at at time zone 'UTC', close, revision, feed"
    return duckdb.sql(f"select {columns} from {facts.raw_glob(home, 'candles')} order by 1").fetchall()


def test_rows_land_in_one_file_a_day_with_the_contract_columns(home):
    assert facts.write(home, "candles", candles([1.0, 2.0, 3.0]), "rest", NOW) == facts.Written(new=3)
    files = sorted(file.relative_to(home / "raw") for file in home.glob("raw/candles/*/*/*.parquet"))
    assert [str(file) for file in files] == [
        "candles/exchange=gate/date=2026-02-10/rest.parquet",
        "candles/exchange=gate/date=2026-02-11/rest.parquet",
    ]
    assert facts.read_raw(home, "candles").columns.tolist() == contracts.contract("candles").arrow_schema.names


def test_same_rows_again_write_nothing(home):
    facts.write(home, "candles", candles([1.0, 2.0, 3.0]), "rest", NOW)
    before = {file: file.stat().st_mtime_ns for file in home.rglob("*.parquet")}
    again = candles([1.0, 2.0, 3.0]).assign(payload='{"volatile": true}')
    assert facts.write(home, "candles", again, "rest", LATER) == facts.Written(unchanged=3)
    assert {file: file.stat().st_mtime_ns for file in home.rglob("*.parquet")} == before


def test_changed_row_replaces_and_the_old_one_is_superseded(home):
    facts.write(home, "candles", candles([1.0, 2.0, 3.0]), "rest", NOW)
    assert facts.write(home, "candles", candles([1.0, 9.0, 3.0]), "rest", LATER) == facts.Written(
        changed=1, unchanged=2
    )
    assert [(close, revision) for _, close, revision, _ in current(home)] == [(1.0, 0), (9.0, 1), (3.0, 0)]
    superseded = duckdb.read_parquet(str(home / "raw/superseded/candles/**/*.parquet")).df()
    assert superseded["close"].tolist() == [2.0]
    assert superseded["superseded_at"].tolist() == [pd.Timestamp(LATER)]


def test_a_key_has_one_current_row_over_all_feeds(home):
    facts.write(home, "candles", candles([1.0, 2.0, 3.0]), "import", NOW)
    assert facts.write(home, "candles", candles([1.0, 2.0, 4.0]), "rest", LATER) == facts.Written(
        changed=1, unchanged=2
    )
    assert [(close, feed) for _, close, _, feed in current(home)] == [(1.0, "import"), (2.0, "import"), (4.0, "rest")]


def test_what_a_killed_write_left_twice_is_healed_by_the_next(home):
    facts.write(home, "candles", candles([1.0, 2.0]), "import", NOW)
    stale = home / "raw/candles/exchange=gate/date=2026-02-10/import.parquet"
    bytes_before = stale.read_bytes()
    facts.write(home, "candles", candles([1.0, 5.0]), "rest", LATER)
    stale.write_bytes(bytes_before)  # as if killed after the new row was written and before the old one was removed
    facts.write(home, "candles", candles([1.0, 5.0]), "rest", LATER)
    assert [(close, feed) for _, close, _, feed in current(home)] == [(1.0, "import"), (5.0, "rest")]


def test_other_symbols_of_a_day_are_kept(home):
    facts.write(home, "candles", candles([1.0]), "rest", NOW)
    facts.write(home, "candles", candles([7.0], symbol="ETH/USDT:USDT"), "rest", NOW)
    assert len(current(home)) == 2


def test_same_refused_rows_are_quarantined_once(home):
    refused = pd.DataFrame({"close": ["abc"], "reason": ["close: 'abc' is no number"]})
    assert facts.quarantine(home, "candles", refused, "rest", NOW) == facts.quarantine(
        home, "candles", refused, "rest", LATER
    )
    assert len(list((home / "quarantine").rglob("*.parquet"))) == 1


def test_a_log_that_a_killed_publisher_left_is_never_replayed(home):
    with duckdb.connect(home / "build.duckdb") as build:
        build.execute("create table marts as select 1 as one")
    draft = home / f".warehouse.duckdb.{os.getpid()}.draft"  # of a process before that had this number
    with duckdb.connect(draft) as killed:
        killed.execute("pragma disable_checkpoint_on_shutdown")
        killed.execute("create table false_figures as select 10 as one")
    assert draft.with_name(f"{draft.name}.wal").stat().st_size > 0
    publish.publish(home, home / publish.BUILD, {}, 30, NOW)
    with publish.read_only(home) as connection:
        assert connection.execute("select table_name from duckdb_tables()").fetchall() == [("marts",)]
    assert not list(home.glob(".*.draft*"))


def test_a_build_that_is_being_written_is_no_traceback(home):
    writes = f"import duckdb; held = duckdb.connect({str(home / 'build.duckdb')!r}); print('open', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", writes], stdin=-1, stdout=-1, text=True) as writer:
        assert writer.stdout.readline() == "open\n"
        with pytest.raises(RuntimeError, match=r"build\.duckdb is being written: try again when that has ended"):
            publish.read_only(home, publish.BUILD)
        writer.communicate("\n")
    assert publish.read_only(home, publish.BUILD)


def test_a_copy_of_the_build_tells_its_bytes_and_goes(home):
    with duckdb.connect(home / "build.duckdb") as build:
        build.execute("create table marts as select 1 as one")
    with publish.copied_build(home) as (copy, sha256):
        assert sha256 == publish.fingerprint(home / "build.duckdb")
        with duckdb.connect(home / "build.duckdb") as build:
            build.execute("update marts set one = 10")
        assert duckdb.connect(copy, read_only=True).execute("from marts").fetchall() == [(1,)]
        assert sha256 != publish.fingerprint(home / "build.duckdb")
    assert not copy.exists()


def test_published_file_holds_described_tables_of_main_alone_and_keeps_the_one_before(home):
    with duckdb.connect(home / "build.duckdb") as build:
        build.execute("create table marts (one integer not null)")
        build.execute("insert into marts values (1)")
        build.execute("comment on table marts is 'One''s own'")
        build.execute("comment on column marts.one is 'It''s one'")
        build.execute("create schema intermediate")
        build.execute("create table intermediate.steps as select 3 as three")
        build.execute("create schema staging")
        build.execute("create view staging.raw as select 2 as two")
    for score in (1.0, 2.0):
        rows = pd.DataFrame({"as_of": [NOW.replace(tzinfo=None)], "score": [score]}, dtype="object")
        rows = rows.reindex(columns=contracts.contract("market_stress").columns)
        publish.publish(home, home / publish.BUILD, {"market_stress": rows}, 30, NOW)
    with publish.read_only(home) as connection:
        assert connection.execute("select score from market_stress").fetchall() == [(2.0,)]
        types = dict(row[:2] for row in connection.execute("describe market_stress").fetchall())
        assert (types["reason"], types["liquidations_panel"], types["filled_hours"]) == (
            "VARCHAR",
            "VARCHAR[]",
            "BIGINT",
        )
        assert connection.execute("select count(*) from duckdb_views() where not internal").fetchone() == (0,)
        tables = "select schema_name, table_name, comment from duckdb_tables() order by all"
        assert [row[:2] for row in connection.execute(tables).fetchall()] == [
            ("main", "market_stress"),
            ("main", "marts"),
        ]
        columns = "select column_name, is_nullable, comment from duckdb_columns() where table_name = 'marts'"
        assert connection.execute(columns).fetchall() == [("one", False, "It's one")]
        score = "select comment from duckdb_columns() where table_name = 'market_stress' and column_name = 'score'"
        assert connection.execute(score).fetchone()[0].startswith("sum of the contributions")
    assert len(list((home / "published").iterdir())) == 1


def test_unpublished_warehouse_names_the_way_out(home):
    with pytest.raises(FileNotFoundError, match="market-stress refresh"):
        publish.read_only(home)


def test_writers_of_one_exchange_take_turns(home):
    """Two processes that merge the same day at once would each replace the file by what it had read before."""
    context = get_context("spawn")
    writers = [context.Process(target=write_candle, args=(home, f"COIN{number}/USDT:USDT")) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(current(home)) == 4


def write_candle(home, symbol: str) -> None:
    facts.write(home, "candles", candles([1.0], symbol=symbol), "rest", NOW)


def test_what_an_exchange_does_not_list_is_not_watched():
    watch = universe.Universe(assets=("BTC", "XRP"), exchanges=("gate",))
    assert inputs.watched(watch, {"gate": listed()}, {("gate", "XRP/USDT:USDT")})["asset"].tolist() == ["BTC"]


def test_epochs_are_those_of_the_declarations():
    epochs = inputs.completeness_epochs()
    assert list(epochs.columns) == ["exchange", "dataset", "since_at", "completeness"]
    bybit = epochs[epochs["exchange"] == "bybit"]
    assert bybit["completeness"].tolist() == ["complete", "sampled", "complete"]
    assert bybit["since_at"].dt.strftime("%Y-%m-%d").tolist() == ["2019-09-01", "2021-09-01", "2025-02-20"]
    assert str(bybit["since_at"].dt.tz) == "UTC"


def event(feed_id: str = "a") -> pd.DataFrame:
    row = {
        "exchange": "okx", "symbol": "BTC/USDT:USDT", "event_id": feed_id, "occurred_at": NOW, "position_side": "long",
        "price": 5.0, "price_kind": "bankruptcy", "quantity_base": 1.0, "notional_usd": 5.0,
    }  # fmt: skip
    return contracts.validate(pd.DataFrame([row]), "liquidations", NOW)[0]


@pytest.mark.parametrize(("first", "then", "kept"), [("import", "rest", "rest"), ("rest", "import", "rest")])
def test_an_event_lies_under_the_first_of_the_feeds_that_brought_it(home, first, then, kept):
    """Else the hours of a feed with a receipt would lack what another feed had brought before."""
    facts.write(home, "liquidations", event(), first, NOW)
    assert facts.write(home, "liquidations", event(), then, LATER) == facts.Written(unchanged=1)
    assert facts.read_raw(home, "liquidations")["feed"].tolist() == [kept]
    assert facts.write(home, "liquidations", event(), then, LATER) == facts.Written(unchanged=1)


def listed(*symbols: str) -> pd.DataFrame:
    return pd.DataFrame({"symbol": symbols, "asset": ["PEPE"] * len(symbols)})


def test_a_coin_is_watched_under_every_ticker_that_counts_it():
    watch = universe.Universe(assets=("PEPE",), exchanges=("binance", "okx"))
    seen = {"binance": listed("1000PEPE/USDT:USDT", "PEPE/USDT:USDT"), "okx": listed()}
    assert inputs.watched(watch, seen, set())["symbol"].tolist() == [
        "1000PEPE/USDT:USDT", "PEPE/USDT:USDT", "PEPE/USDT:USDT"
    ]  # fmt: skip


def test_contract_that_the_universe_names_is_watched():
    watch = universe.Universe(assets=("BTC",), exchanges=("gate",), contracts={"gate": ("SRM_USDT",)})
    rows = inputs.watched(watch, {"gate": listed()}, set())
    assert list(zip(rows["asset"], rows["symbol"], strict=True)) == [
        ("BTC", "BTC/USDT:USDT"), ("SRM", "SRM/USDT:USDT")
    ]  # fmt: skip


def test_drafts_of_dead_processes_are_forgotten_and_those_of_living_ones_stay(home):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = [
        home / "raw/candles/.rest.parquet.{}.draft",
        home / ".warehouse.duckdb.{}.draft",
        home / ".warehouse.duckdb.{}.draft.wal",
        home / ".build.duckdb.{}.draft",
        home / "reports/.brief.html.{}.draft",
    ]
    left = [Path(str(name).format(dead.pid)) for name in names]
    unsigned = [home / name for name in files.UNSIGNED_DRAFTS]
    living = [Path(str(name).format(os.getpid())) for name in names]
    others = [home / "raw/notes.draft", home / "raw/.notes.draft", home / "raw/.x.draft.1.parquet"]
    for file in (*left, *unsigned, *living, *others):
        file.write_text("half")
    assert sorted(files.forget_drafts(home)) == sorted([*left, *unsigned])
    assert [file.exists() for file in (*living, *others)] == [True] * 8
    assert not any(file.exists() for file in (*left, *unsigned))


def test_a_write_that_fails_leaves_no_draft(home):
    facts.write(home, "candles", candles([1.0]), "rest", NOW)
    (file,) = home.glob("raw/candles/exchange=gate/*/rest.parquet")
    before = file.read_bytes()

    def write_half() -> None:
        with files.drafted(file) as draft:
            draft.write_bytes(before[:100])
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_half()
    assert list(file.parent.iterdir()) == [file]
    assert file.read_bytes() == before


def test_damaged_warehouse_is_named_and_the_next_one_takes_its_place(home):
    with duckdb.connect(home / "build.duckdb") as build:
        build.execute("create table marts as select 1 as one")
    (home / "warehouse.duckdb").write_bytes(b"no database")
    with pytest.raises(RuntimeError, match=r"warehouse.duckdb is damaged: run `market-stress refresh`"):
        publish.read_only(home)
    publish.publish(home, home / publish.BUILD, {}, 30, NOW)
    with publish.read_only(home) as connection:
        assert connection.execute("from marts").fetchall() == [(1,)]
    assert (home / "quarantine/files/warehouse.duckdb").read_bytes() == b"no database"
    assert not (home / "published").exists()


def test_build_that_dbt_did_not_leave_so_is_forgotten(home):
    build, log = home / "build.duckdb", home / "build.duckdb.wal"
    assert not publish.forget_build(home, ())
    with duckdb.connect(build) as connection:
        connection.execute("create table marts as select 1 as one")
    assert not publish.forget_build(home, {publish.fingerprint(build)})
    assert build.exists()
    log.write_bytes(b"an edit")
    assert publish.forget_build(home, {publish.fingerprint(build)})
    build.write_bytes(b"")
    assert publish.forget_build(home, {"another"})
    assert not build.exists()
    assert not log.exists()
