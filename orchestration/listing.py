"""What an exchange lists, held against what it listed before: new terms, ends, and whether a listing can be believed.

Here belongs what can be asked of an exchange and why the rest can't. What becomes of the answers is `ingest`'s matter,
which terms hold when is told in `lake.instruments`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from orchestration import universe
from orchestration.exchanges.client import FetchFailed
from orchestration.exchanges.fetch import Listing, fetch_contract, fetch_listing, fetch_pages, name_of, symbol_of
from orchestration.lake import instruments

if TYPE_CHECKING:
    from orchestration.exchanges.client import Client

LAST_BARS = timedelta(hours=2)  # in which a contract that trades has a bar


@dataclass(frozen=True)
class Listed:
    """What an exchange was found to list: `terms` are rows of instruments to keep, a version of a contract each.

    `why` says of a symbol why it can't be asked for; `warnings` name what looks like a watched contract and is of a
    kind that isn't known.
    """

    terms: pd.DataFrame
    why: dict[str, str]
    warnings: tuple[str, ...]


def read_listing(
    client: "Client", home: Path, assets: tuple[str, ...], contracts: tuple[str, ...], now: datetime
) -> Listed:
    """What an exchange lists of `assets`, what it listed before, and its `contracts` that it still answers for.

    Raises FetchFailed, also where a listing lacks so much that it can't be whole.
    """
    listing = fetch_listing(client, assets)
    versions = instruments.read_versions(home, client.id, assets)
    known = instruments.latest(versions)
    oddly_listed = {symbol for symbol, _ in listing.unknown}
    gone = known[~known["symbol"].isin({*listing.instruments["symbol"], *oddly_listed})]
    is_open = known["ends_at"].isna() | (known["ends_at"] > pd.Timestamp(now))
    just_gone = gone[is_open.loc[gone.index]]
    _doubt(client, listing, just_gone, int(is_open.sum()), now)
    unlisted = {symbol_of(client.id, contract) for contract in contracts}
    unlisted -= {*known["symbol"], *listing.instruments["symbol"]}
    told = {symbol: _asked(client, symbol, assets) for symbol in (*just_gone["symbol"], *sorted(unlisted))}
    stated = _together([listing.instruments, *(frame for frame, _ in told.values())])
    terms = _together([instruments.versioned(stated, versions, now), _ended(gone, stated, now)])
    why = {symbol: reason for symbol, (_, reason) in told.items() if reason and symbol in unlisted}
    for asset in set(assets) - {*terms["asset"], *known["asset"]}:
        near = [text for (_, like), text in listing.unknown.items() if like == asset]
        nearest = "; ".join(near) or listing.near.get(asset) or f"{client.id} does not list it"
        why.setdefault(universe.expected_symbol(asset), nearest)
    return Listed(terms, why, tuple(sorted(listing.unknown.values())))


def _doubt(client: "Client", listing: Listing, gone: pd.DataFrame, were_open: int, now: datetime) -> None:
    """Contracts end one by one. Raises FetchFailed where all are gone with the listing, or most and yet they trade."""
    if gone.empty:
        return
    if listing.is_empty:
        raise FetchFailed(f"{client.id}: instruments: lists none of those it listed before")
    if len(gone) * 2 > were_open:
        for contract in gone.to_dict("records"):
            if _trades(client, contract, now):
                raise FetchFailed(
                    f"{client.id}: instruments: lacks {len(gone)} of {were_open} that it listed before, "
                    f"of which {contract['symbol']} still trades"
                )


def _trades(client: "Client", contract: dict, now: datetime) -> bool:
    try:
        pages = fetch_pages(client, ("candles",), contract, now - LAST_BARS, now, now)
        return any(not page.frames["candles"].empty for page in pages)
    except FetchFailed as failure:
        if not failure.concerns_symbol:
            raise
        return False


def _asked(client: "Client", symbol: str, assets: tuple[str, ...]) -> tuple[pd.DataFrame, str | None]:
    """What the exchange says of a contract that it doesn't list, or why that isn't known."""
    native_id = name_of(client.id, symbol)
    try:
        found = fetch_contract(client, native_id, assets)
    except FetchFailed as failure:
        if not failure.concerns_symbol:
            raise
        return pd.DataFrame(), str(failure)
    return found, f"{client.id} says nothing of {native_id}, so its size is not known" if found.empty else None


def _together(frames: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat([frame for frame in frames if not frame.empty] or frames[:1], ignore_index=True)


def _ended(gone: pd.DataFrame, stated: pd.DataFrame, now: datetime) -> pd.DataFrame:
    """The last versions of what the exchange neither lists nor tells of, with their end."""
    silent = gone[~gone["symbol"].isin(stated["symbol"])]
    ends = [instruments.end(None, held, now) for held in silent["ends_at"]]
    return silent.assign(ends_at=pd.Series(ends, index=silent.index, dtype="datetime64[us, UTC]"))
