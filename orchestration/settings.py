"""What the environment says: home, universe, exchange address and clock, read here and nowhere else.

What lies in a home is the matter of `home`, what a universe holds of `universe`.
"""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from unicodedata import category

from orchestration.universe import Universe, load

YEARS = (2009, 2100)  # of the as-of clock, both included


@dataclass(frozen=True)
class Settings:
    """`home` is absolute; `exchange_url` sends all exchange traffic to a local server; `fixed_now` stops the clock;
    `token` is what the UI asks of everybody who wants something."""

    home: Path
    universe: Universe
    exchange_url: str | None
    fixed_now: datetime | None
    token: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls) -> "Settings":
        """Reads MARKET_STRESS_HOME, _UNIVERSE, _EXCHANGE_URL, _NOW, _TOKEN; ValueError of one line names the fault."""
        universe_file = os.environ.get("MARKET_STRESS_UNIVERSE")
        now = os.environ.get("MARKET_STRESS_NOW")
        return cls(
            home=_home(os.environ.get("MARKET_STRESS_HOME") or "data"),
            universe=load(Path(universe_file) if universe_file else None),
            exchange_url=os.environ.get("MARKET_STRESS_EXCHANGE_URL") or None,
            fixed_now=_clock("MARKET_STRESS_NOW", now) if now else None,
            token=os.environ.get("MARKET_STRESS_TOKEN") or None,
        )

    def now(self) -> datetime:
        """The as-of clock in UTC."""
        return self.fixed_now or datetime.now(UTC)


def _home(text: str) -> Path:
    home = Path(text).absolute()
    for character in sorted(set(str(home))):
        if character in "?#\\" or category(character) in ("Cc", "Cs", "Zl", "Zp"):
            raise ValueError(
                f"MARKET_STRESS_HOME: {str(home)!r} holds {character!r}, which DuckDB, dbt or SQLite read as something "
                "else in a path: name a folder without ? # \\ and line breaks"
            )
    return home


def _clock(name: str, text: str) -> datetime:
    moment = parse_moment(name, text)
    if not YEARS[0] <= moment.year <= YEARS[1]:
        raise ValueError(f"{name}: {text!r} lies outside the years {YEARS[0]} to {YEARS[1]}")
    return moment


def parse_moment(name: str, text: str) -> datetime:
    """An ISO 8601 date or time as aware UTC; without an offset it is UTC. ValueError names `name` and the way out."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{name}: {text!r} is no date or time such as 2026-02-12 or 2026-02-12T00:00:00Z") from None
