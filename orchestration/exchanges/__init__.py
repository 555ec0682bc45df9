"""The exchanges that we can read: one folder each, found by its name, a ccxt id.

Here belongs the register alone. What is true of one exchange stands in its folder: what it serves and its conventions
in `__init__`, how it is asked and read in `rest`. What holds for all of them stands beside the folders: `declaration`
(what a folder states), `fetch` (native rows in, contract rows out), `paging`, `client` (the connection), `wire`
(cells of native rows) and `tickers` (which coin a name means). What of it we watch is decided in `universe`.
"""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

from orchestration.exchanges.declaration import Declaration


@cache
def declared() -> dict[str, Declaration]:
    """Every exchange's declaration by ccxt id, in alphabetical order. Reads no figure and imports no reader."""
    folders = sorted(module.name for module in iter_modules(__path__) if module.ispkg)
    return {exchange: import_module(f"{__name__}.{exchange}").DECLARATION for exchange in folders}


def reader(exchange: str) -> ModuleType:
    """The `rest` module of a declared exchange."""
    return import_module(f"{__name__}.{exchange}.rest")
