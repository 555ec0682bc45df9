"""What people type: days, exchanges, datasets and assets. What is wrong with it is a ValueError of one line.

What a command then does stands in its own module; moments of the environment are read in `settings`.
"""

from datetime import date, datetime, timedelta
from typing import Annotated

import typer

from orchestration import universe
from orchestration.cli.terminal import say
from orchestration.exchanges import declared
from orchestration.settings import Settings

FIRST_DAY = date(2019, 9, 1)
FETCHED = tuple(dataset for dataset in universe.DATASETS if dataset != "instruments")

Exchange = Annotated[list[str], typer.Option(help="Exchange (ccxt id); repeat for more. Default: all of the universe.")]
Dataset = Annotated[
    list[str], typer.Option(help=f"Dataset ({', '.join(FETCHED)}); repeat for more. Default: all that are served.")
]
Asset = Annotated[list[str], typer.Option(help="Asset such as BTC; repeat for more. Default: all of the universe.")]
Day = Annotated[str, typer.Option(metavar="YYYY-MM-DD")]
Port = Annotated[int, typer.Option(min=1, max=65535)]


def days(start: str, end: str, now: datetime) -> tuple[date, date]:
    """First day and last day, both included, of a half-open range; ValueError names what is wrong with it."""
    first, after = (_day(name, text) for name, text in (("--start", start), ("--end", end)))
    if after <= first:
        raise ValueError(f"--end {end} is not after --start {start}: the end is exclusive")
    if first > now.date() or after > now.date() + timedelta(days=1):
        raise ValueError(f"{start} to {end} reaches into the future: it is {now:%Y-%m-%d %H:%M} UTC")
    if first < FIRST_DAY:
        raise ValueError(f"--start {start} is before {FIRST_DAY}, the first day that we keep")
    return first, after - timedelta(days=1)


def datasets_by_exchange(settings: Settings, exchanges: list[str], datasets: list[str]) -> dict[str, list[str]]:
    """The datasets to fetch of each exchange; says which of those asked for by name an exchange doesn't serve."""
    universe.check_names("exchange", tuple(exchanges), settings.universe.exchanges)
    universe.check_names("dataset", tuple(datasets), FETCHED)
    wanted = {}
    for exchange in exchanges or settings.universe.exchanges:
        feeds = {dataset: declared()[exchange].feeds[dataset] for dataset in datasets or FETCHED}
        wanted[exchange] = [dataset for dataset, feed in feeds.items() if feed.served]
        for dataset, feed in feeds.items():
            if datasets and not feed.served:
                say(f"{dataset}: not served: {feed.note}", exchange)
    return {exchange: served for exchange, served in wanted.items() if served}


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name}: {text!r} is no day such as 2026-02-12") from None
