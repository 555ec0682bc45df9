"""What the environment says: home, universe, exchange address and clock, read here and nowhere else.

What lies in a home is the matter of `home`, what a universe holds of `universe`.
"""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from orchestration.universe import Universe, load


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
            home=Path(os.environ.get("MARKET_STRESS_HOME") or "data").absolute(),
            universe=load(Path(universe_file) if universe_file else None),
            exchange_url=os.environ.get("MARKET_STRESS_EXCHANGE_URL") or None,
            fixed_now=parse_moment("MARKET_STRESS_NOW", now) if now else None,
            token=os.environ.get("MARKET_STRESS_TOKEN") or None,
        )

    def now(self) -> datetime:
        """The as-of clock in UTC."""
        return self.fixed_now or datetime.now(UTC)


def parse_moment(name: str, text: str) -> datetime:
    """An ISO 8601 date or time as aware UTC; without an offset it is UTC. ValueError names `name` and the way out."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name}: {text!r} is no date or time such as 2026-02-12 or 2026-02-12T00:00:00Z") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
