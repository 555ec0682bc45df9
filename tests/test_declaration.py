"""What a folder states is found by its name, complete, and cheap to read."""

import subprocess
import sys

import pytest

from orchestration.exchanges import declared, reader
from orchestration.exchanges.declaration import DATASETS, Declaration, Feed


def test_folders_are_found_and_the_modules_beside_them_are_not():
    assert {"binance", "bybit", "gate", "okx"} <= set(declared())
    assert not {"client", "declaration", "fetch", "paging", "wire"} & set(declared())
    assert list(declared()) == sorted(declared())
    assert {reader(exchange).__name__ for exchange in declared()} == {
        f"orchestration.exchanges.{exchange}.rest" for exchange in declared()
    }


def test_declaration_that_leaves_a_dataset_out_is_refused():
    feeds = {dataset: Feed(None, "not read yet") for dataset in DATASETS}
    assert Declaration("htx", "-USDT", ("swap",), feeds).groups == ()
    for wrong in (dict(list(feeds.items())[1:]), feeds | {"trades": Feed(None, "not read yet")}):
        with pytest.raises(ValueError, match="htx has to declare, in this order: instruments, candles, open_interest"):
            Declaration("htx", "-USDT", ("swap",), wrong)


def test_datasets_of_one_endpoint_stand_together():
    feeds = {dataset: Feed("stats" if "liquidation" in dataset else dataset, "1 h") for dataset in DATASETS}
    assert Declaration("htx", "-USDT", ("swap",), feeds).groups == (
        ("candles",), ("open_interest",), ("funding_rates",), ("liquidation_totals", "liquidations"),
    )  # fmt: skip


def test_declarations_are_read_without_pandas_and_ccxt():
    """A command that only checks its input starts at once."""
    code = "import sys; from orchestration import universe; from orchestration.exchanges import declared"
    code += "; universe.load(None), declared(); assert not {'pandas', 'numpy', 'ccxt'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
