"""What we watch: exchanges, assets and datasets.

Here belong the universe file and the names that every other module uses. What an exchange serves, what it is worth and
how it is asked stands in its folder under `exchanges`; which hours were really observed is data and lives in
`coverage`.
"""

import re
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from orchestration.exchanges import declaration, declared
from orchestration.exchanges.tickers import coin

DATASETS = declaration.DATASETS
RAW_DATASETS = (*DATASETS, "context", "coverage")

# What is watched is a decision: a folder more under `exchanges` changes no published figure.
EXCHANGES = ("binance", "bybit", "okx", "gate")

CRON_FIELDS = {  # name: first and last number
    "minute": (0, 59), "hour": (0, 23), "day of the month": (1, 31), "month": (1, 12), "day of the week": (0, 6)
}  # fmt: skip
LONGEST = {month: 29 if month == 2 else 30 if month in (4, 6, 9, 11) else 31 for month in range(1, 13)}  # days


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Score(_Strict):
    """How the score is ranked; `warm_up_days` of history are needed before a rank is given."""

    warm_up_days: int = Field(default=180, ge=14, le=730)


class Stabilisation(_Strict):
    """When a market counts as stabilised (docs/method.md).

    The price holds a support level on `closes_above` of the last `of_days` daily closes; liquidations of 7 d, a day,
    are at most `pace_ratio` of those of 30 d and `pace_growth` of what they were `pace_days` before, on exchanges
    observed in `observed_ratio` of the hours.
    """

    closes_above: int = Field(default=3, ge=1)
    of_days: int = Field(default=5, ge=1)
    pace_ratio: float = Field(default=0.75, gt=0)
    pace_growth: float = Field(default=1.1, gt=0)
    pace_days: int = Field(default=3, ge=1)
    observed_ratio: float = Field(default=0.95, gt=0, le=1)

    @field_validator("of_days")
    @classmethod
    def _can_be_reached(cls, of_days: int, info: ValidationInfo) -> int:
        if of_days < info.data.get("closes_above", 1):
            raise ValueError(f"{of_days} daily closes can't hold closes_above {info.data['closes_above']} of them")
        return of_days


class Universe(_Strict):
    """The universe file; every key is optional and an unknown one is refused.

    `contracts` are contracts, by exchange and in its own names, that it still answers for but no longer lists.
    `schedule` is the cron line (UTC) of ingest; records of runs are kept for `keep_runs_days`.
    """

    assets: tuple[str, ...] = ("BTC", "ETH", "SOL", "XRP", "BNB")
    exchanges: tuple[str, ...] = EXCHANGES
    bar: Literal["1h"] = "1h"
    score: Score = Score()
    support_levels: dict[str, tuple[float, ...]] = {"BTC": (75_000, 70_000)}
    stabilisation: Stabilisation = Stabilisation()
    keep_published_days: int = Field(default=30, ge=0)
    keep_runs_days: int = Field(default=14, ge=1)
    schedule: str = "5 * * * *"
    contracts: dict[str, tuple[str, ...]] = {}

    @property
    def watched_assets(self) -> tuple[str, ...]:
        """`assets`, and the coins of `contracts` that are none of them."""
        named = [asset for exchange in self.contracts for _, asset in self.named(exchange)]
        return tuple(dict.fromkeys([*self.assets, *named]))

    def named(self, exchange: str) -> list[tuple[str, str]]:
        """(symbol, asset) of the contracts that are named for an exchange."""
        tickers = [name.removesuffix(declared()[exchange].suffix) for name in self.contracts.get(exchange, ())]
        coins = [coin(ticker, self.assets)[0] for ticker in tickers]
        return [
            (expected_symbol(ticker), asset if asset in self.assets else coin(ticker)[0])
            for ticker, asset in zip(tickers, coins, strict=True)
        ]

    @field_validator("exchanges")
    @classmethod
    def _known_exchanges(cls, exchanges: tuple[str, ...]) -> tuple[str, ...]:
        return check_names("exchange", exchanges, tuple(declared()))

    @field_validator("contracts")
    @classmethod
    def _named_as_exchanges_do(cls, contracts: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        check_names("exchange", tuple(contracts), tuple(declared()))
        for exchange, names in contracts.items():
            suffix = declared()[exchange].suffix
            for name in names:
                if not name.endswith(suffix) or not name.removesuffix(suffix).isalnum():
                    raise ValueError(f"{name!r} is no perpetual of {exchange} such as BTC{suffix}")
        return contracts

    @field_validator("schedule")
    @classmethod
    def _comes_again(cls, line: str) -> str:
        fields = line.split()
        if len(fields) != len(CRON_FIELDS):
            raise ValueError(f"{line!r} is no cron line of five fields such as '5 * * * *'")
        times = [_cron_times(text, name, *CRON_FIELDS[name]) for text, name in zip(fields, CRON_FIELDS, strict=True)]
        _, _, days, months, _ = times
        if min(days) > max(LONGEST[month] for month in months):
            raise ValueError(f"{line!r} never comes: no such month has a day {min(days)}")
        return " ".join(fields)

    @field_validator("support_levels")
    @classmethod
    def _levels_are_prices(cls, levels: dict[str, tuple[float, ...]]) -> dict[str, tuple[float, ...]]:
        for asset, of_asset in levels.items():
            if asset == "ALL":
                raise ValueError("ALL has no price that could hold a level")
            if any(level <= 0 for level in of_asset) or len(set(of_asset)) < len(of_asset):
                raise ValueError(f"levels of {asset} are prices above 0, each only once")
        return levels

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


def expected_symbol(asset: str) -> str:
    """ccxt's unified symbol of an asset's linear perpetual, where nothing is known of what an exchange lists."""
    return f"{asset}/USDT:USDT"


def _cron_times(text: str, name: str, first: int, last: int) -> set[int]:
    """The numbers that a field of a cron line names: lists of `*`, `7`, `1-5`, and each of these in steps (`*/5`)."""
    times: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\*|(?P<low>\d{1,2})(-(?P<high>\d{1,2}))?)(/(?P<step>\d{1,2}))?", part)
        if match is None or (match["step"] and match["low"] and not match["high"]):
            raise ValueError(f"{text!r} is no {name} of a cron line: write numbers, ranges, lists and steps of them")
        low = first if match["low"] is None else int(match["low"])
        high = last if match["low"] is None else int(match["high"] or low)
        step = int(match["step"] or 1)
        if not (first <= low <= high <= last and 1 <= step <= last):
            raise ValueError(f"{text!r} is no {name} of a cron line: from {first} to {last}")
        times |= set(range(low, high + 1, step))
    return times
