"""What an exchange's folder states of it: what it serves, how far back, and what its liquidations are worth.

Here belong the forms of such statements and what must hold of each; the statements stand in the folders. Reading them
needs neither ccxt nor pandas.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

DATASETS = ("instruments", "candles", "open_interest", "funding_rates", "liquidation_totals", "liquidations")

Completeness = Literal["complete", "totals", "sampled"]
"""What liquidations are worth: every event, the exchange's own sums, or a throttled feed and so a lower bound."""


@dataclass(frozen=True)
class Depth:
    """How far back from now an endpoint answers at most, and the reason to give for what is older."""

    reach: timedelta
    reason: str


@dataclass(frozen=True)
class Feed:
    """What an exchange serves of one dataset over REST.

    `endpoint` is its name in the exchange's documentation; datasets of one endpoint are one request. None: the dataset
    is not served. `note` is for people: the bar, how far back and in what unit, or why it isn't served and what to do.
    `depth` is None where the exchange names no limit.
    """

    endpoint: str | None
    note: str
    depth: Depth | None = None

    @property
    def served(self) -> bool:
        return self.endpoint is not None


@dataclass(frozen=True)
class FeedEpoch:
    """From `since` (a UTC day) on, liquidations of `dataset` have this completeness, until the next epoch."""

    dataset: Literal["liquidations", "liquidation_totals"]
    since: date
    completeness: Completeness


@dataclass(frozen=True)
class Declaration:
    """All that is declared of one exchange.

    `exchange` is its ccxt id: folder, asset key, URL prefix and column alike. `suffix` is what follows the ticker in
    its own name of a perpetual in USDT: `USDT` in BTCUSDT. `market_types` is ccxt's option `fetchMarkets.types`: what
    ccxt may load when it loads markets. `feeds` holds every dataset of DATASETS, in that
    order. Raises ValueError if one is missing, unknown or out of order.
    """

    exchange: str
    suffix: str
    market_types: tuple[str, ...]
    feeds: Mapping[str, Feed]
    epochs: tuple[FeedEpoch, ...] = ()

    def __post_init__(self) -> None:
        if tuple(self.feeds) != DATASETS:
            raise ValueError(f"{self.exchange} has to declare, in this order: {', '.join(DATASETS)}")

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """The datasets (instruments aside) that are served; those of one endpoint stand together."""
        by_endpoint: dict[str, tuple[str, ...]] = {}
        for dataset, feed in self.feeds.items():
            if feed.endpoint is not None and dataset != "instruments":
                by_endpoint[feed.endpoint] = (*by_endpoint.get(feed.endpoint, ()), dataset)
        return tuple(by_endpoint.values())
