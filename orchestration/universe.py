"""What we watch: exchanges, assets and datasets, and what each exchange's feeds are worth.

Here belong the universe file, the names that every other module uses, and the declared nature of feeds. How an exchange
is asked lives in `exchanges`; which hours were really observed is data and lives in `coverage`.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import pandas as pd
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

EXCHANGES = ("binance", "bybit", "okx", "gate")
DATASETS = ("instruments", "candles", "open_interest", "funding_rates", "liquidation_totals", "liquidations")

Completeness = Literal["complete", "totals", "sampled"]


@dataclass(frozen=True)
class Feed:
    """What an exchange serves of one dataset over REST, in words a person can act on; `served` False says why not."""

    exchange: str
    dataset: str
    note: str
    served: bool = True


@dataclass(frozen=True)
class FeedEpoch:
    """From `since` on, liquidations of `dataset` on `exchange` have this completeness (see DESIGN section 4)."""

    exchange: str
    dataset: str
    since: date
    completeness: Completeness


FEEDS = (
    Feed("binance", "instruments", "exchangeInfo, perpetuals margined in USDT"),
    Feed("binance", "candles", "klines, 1 h, since listing"),
    Feed("binance", "open_interest", "openInterestHist, 1 h: the latest 30 days; import what is older"),
    Feed("binance", "funding_rates", "fundingRate, since listing"),
    Feed("binance", "liquidation_totals", "binance publishes no hourly liquidation totals", served=False),
    Feed("binance", "liquidations", "binance has no public REST liquidations: import a recording", served=False),
    Feed("bybit", "instruments", "instruments-info, linear perpetuals in USDT"),
    Feed("bybit", "candles", "kline, 1 h, since listing"),
    Feed("bybit", "open_interest", "open-interest, 1 h, since listing; coins of one side"),
    Feed("bybit", "funding_rates", "funding/history, since listing"),
    Feed("bybit", "liquidation_totals", "bybit publishes no hourly liquidation totals", served=False),
    Feed("bybit", "liquidations", "bybit has no public REST liquidations: import a recording", served=False),
    Feed("okx", "instruments", "public/instruments, swaps in USDT"),
    Feed("okx", "candles", "market/history-candles, 1H, as far back as okx keeps them"),
    Feed("okx", "open_interest", "rubik open-interest-history, 1H: the latest 1,440 hours; import what is older"),
    Feed("okx", "funding_rates", "funding-rate-history: about the latest 3 months"),
    Feed("okx", "liquidation_totals", "okx publishes no hourly liquidation totals", served=False),
    Feed(
        "okx", "liquidations", "public/liquidation-orders: about the latest 7 days, at most one a second and contract"
    ),
    Feed("gate", "instruments", "futures/usdt/contracts"),
    Feed("gate", "candles", "candlesticks, 1h, as far back as gate keeps them"),
    Feed("gate", "open_interest", "contract_stats, 1h, as far back as gate keeps them"),
    Feed("gate", "funding_rates", "funding_rate, as far back as gate keeps them"),
    Feed("gate", "liquidation_totals", "contract_stats, 1h: gate's own long and short totals"),
    Feed("gate", "liquidations", "single events would only repeat gate's hourly totals", served=False),
)

# Sources: DESIGN section 4, docs of the exchanges as collected there. Binance went to one order a symbol and second on
# 2021-04-27; Bybit throttled from 2021-09 until allLiquidation, which is complete, came on 2025-02-20.
FEED_EPOCHS = (
    FeedEpoch("binance", "liquidations", date(2019, 9, 1), "complete"),
    FeedEpoch("binance", "liquidations", date(2021, 4, 27), "sampled"),
    FeedEpoch("bybit", "liquidations", date(2019, 9, 1), "complete"),
    FeedEpoch("bybit", "liquidations", date(2021, 9, 1), "sampled"),
    FeedEpoch("bybit", "liquidations", date(2025, 2, 20), "complete"),
    FeedEpoch("okx", "liquidations", date(2019, 9, 1), "sampled"),
    FeedEpoch("gate", "liquidation_totals", date(2019, 9, 1), "totals"),
)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Score(_Strict):
    """How the score is ranked; `warm_up_days` of history are needed before a rank is given."""

    warm_up_days: int = Field(default=180, ge=14, le=730)


class Stabilisation(_Strict):
    """When a market counts as stabilised (DESIGN section 7)."""

    closes_above: int = Field(default=3, ge=1)
    of_days: int = Field(default=5, ge=1)
    pace_ratio: float = Field(default=0.75, gt=0)


class Universe(_Strict):
    """The universe file; every key is optional and an unknown one is refused."""

    assets: tuple[str, ...] = ("BTC", "ETH", "SOL", "XRP", "BNB")
    exchanges: tuple[str, ...] = EXCHANGES
    bar: Literal["1h"] = "1h"
    score: Score = Score()
    support_levels: dict[str, tuple[float, ...]] = {"BTC": (75_000, 70_000)}
    stabilisation: Stabilisation = Stabilisation()
    keep_published_days: int = Field(default=30, ge=0)

    @field_validator("exchanges")
    @classmethod
    def _known_exchanges(cls, exchanges: tuple[str, ...]) -> tuple[str, ...]:
        return check_names("exchange", exchanges, EXCHANGES)

    @field_validator("assets", "exchanges")
    @classmethod
    def _listed_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names or len(set(names)) < len(names):
            raise ValueError("name at least one, and each only once")
        return names

    @field_validator("assets")
    @classmethod
    def _plain_assets(cls, assets: tuple[str, ...]) -> tuple[str, ...]:
        for asset in assets:
            if not asset.isalnum() or asset != asset.upper() or asset == "ALL":
                raise ValueError(f"{asset!r} is no base coin such as BTC")
        return assets


def load(path: Path | None) -> Universe:
    """The universe of a YAML file, or the packaged default without one.

    Raises ValueError with one line that names the key at fault.
    """
    if path is None:
        return Universe()
    if not path.is_file():
        raise ValueError(f"universe file {path} does not exist: unset MARKET_STRESS_UNIVERSE or create it")
    try:
        return Universe(**(yaml.safe_load(path.read_text()) or {}))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"universe file {path}: {key}: {first['msg']}") from None
    except (yaml.YAMLError, TypeError) as error:
        raise ValueError(f"universe file {path} is no YAML mapping: {' '.join(str(error).split())}") from None


def check_names(kind: str, names: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """`names` if all are known; ValueError that names the first unknown one and the known ones."""
    for name in names:
        if name not in known:
            raise ValueError(f"unknown {kind} {name!r}: choose from {', '.join(known)}")
    return names


def feed(exchange: str, dataset: str) -> Feed:
    """The declared feed of an exchange and dataset."""
    return next(feed for feed in FEEDS if (feed.exchange, feed.dataset) == (exchange, dataset))


def expected_symbol(asset: str) -> str:
    """ccxt's unified symbol of the linear perpetual that we watch."""
    return f"{asset}/USDT:USDT"


def watched(universe: Universe, unlisted: set[tuple[str, str]]) -> pd.DataFrame:
    """exchange, asset, symbol: every watched pair less the (exchange, symbol) that an exchange is known not to list."""
    rows = [
        (exchange, asset, expected_symbol(asset))
        for exchange in universe.exchanges
        for asset in universe.assets
        if (exchange, expected_symbol(asset)) not in unlisted
    ]
    return pd.DataFrame(rows, columns=["exchange", "asset", "symbol"])


def feeds() -> pd.DataFrame:
    """exchange, dataset, is_served, note: what every exchange serves over REST, and why it doesn't serve the rest."""
    rows = [(feed.exchange, feed.dataset, feed.served, feed.note) for feed in FEEDS]
    return pd.DataFrame(rows, columns=["exchange", "dataset", "is_served", "note"])


def feed_epochs() -> pd.DataFrame:
    """exchange, dataset, since_at (UTC), completeness: the declared nature of every liquidation feed."""
    frame = pd.DataFrame([(e.exchange, e.dataset, e.since, e.completeness) for e in FEED_EPOCHS])
    frame.columns = ["exchange", "dataset", "since_at", "completeness"]
    return frame.assign(since_at=pd.to_datetime(frame["since_at"], utc=True))
