"""The files of a brief, also of a warehouse that holds nothing."""

import json
import subprocess
import sys

import duckdb

from orchestration.brief import chart_png, headline, write_brief


def test_files_are_what_is_returned_and_nothing_else_is_left(published, brief):
    folder = published.parent / "latest"
    assert sorted(path.name for path in folder.iterdir()) == ["brief.html", "brief.json", "method.html"]
    assert json.loads((folder / "brief.json").read_text()) == brief


def test_an_empty_warehouse_still_gives_a_brief(published, tmp_path, written_at):
    empty = tmp_path / "warehouse.duckdb"
    empty.write_bytes(published.read_bytes())
    with duckdb.connect(empty) as connection:
        for table in ("market_hourly", "market_stress", "market_daily", "liquidations_daily", "coverage_daily"):
            connection.execute(f"delete from {table}")
    brief = write_brief(empty, tmp_path, written_at=written_at)
    assert brief["as_of"] is None
    assert brief["figures"] == []
    assert "backfill" in (tmp_path / "brief.html").read_text()
    assert headline(brief)[0][1].startswith("no data")
    assert chart_png(empty, "score").startswith(b"\x89PNG")


def test_importing_the_brief_loads_nothing_heavy():
    heavy = {"altair", "vl_convert", "pandas", "duckdb", "jinja2", "PIL"}
    told = f"import sys, orchestration.brief; print(*({heavy} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == []
