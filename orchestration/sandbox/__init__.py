"""A local exchange: answers as the real ones do, over a tape, so that nothing needs the internet.

`tape` reads what was recorded and says what can be seen at a moment; `server` is the application with its clock, faults
and log; each exchange and source of context has a module that speaks its wire format: `ROUTES` (path -> function of the
market and the query that returns the body or raises a `Reply`), `FAULTS` (kind -> how it replies when something is
wrong) and `NOT_FOUND`.
Here stands only what those modules share: replies, how figures are written and parameters read. A missing figure is
left out, never 0. `scenario` makes the built-in tape and knows no exchange's wire format.
"""

import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal

SCENARIO = "deleveraging-2026-02"  # the built-in tape, which `scenario` makes


class Reply(Exception):
    """An answer with its HTTP status, raised where an exchange refuses; a text is sent as it is, the rest as JSON."""

    def __init__(self, status: int, body: object, headers: Mapping[str, str] | None = None):
        self.status, self.body, self.headers = status, body, dict(headers or {})


def digits(figure: float | None) -> str | None:
    """The shortest decimal text that reads back as the same number, without an exponent: 1e-05 -> "0.00001"."""
    if figure is None:
        return None
    shortest = repr(figure)
    return (format(Decimal(shortest), "f") if "e" in shortest else shortest).removesuffix(".0")


def present(**figures: object) -> dict:
    """Those of the figures that are known."""
    return {name: figure for name, figure in figures.items() if figure is not None}


def contract_count(quantity_base: float | None, contract_size: float | None) -> float | None:
    """Coins as contracts; whole where they are whole but for the noise of binary fractions."""
    if quantity_base is None or contract_size is None:
        return None
    number = float(Decimal(repr(quantity_base)) / Decimal(repr(contract_size)))
    return round(number) if math.isclose(number, round(number), rel_tol=1e-12) else number


def integer(
    query: Mapping[str, str],
    name: str,
    refuse: Callable[[str], Reply],
) -> int | None:
    """A whole-number parameter, or None where it wasn't sent; raises refuse(name) where it is none."""
    text = query.get(name)
    return whole_number(text, name, refuse) if text else None


def page_limit(query: Mapping[str, str], refuse: Callable[[str], Reply], default: int, most: int) -> int:
    """The parameter `limit`, or `default` where it wasn't sent; raises refuse("limit") outside [1, most]."""
    limit = integer(query, "limit", refuse)
    if limit is None:
        return default
    if not 1 <= limit <= most:
        raise refuse("limit")
    return limit


def whole_number(text: str, name: str, refuse: Callable[[str], Reply]) -> int:
    """A text of digits as a number; raises refuse(name) for any other."""
    if not re.fullmatch(r"\d{1,15}", text):
        raise refuse(name)
    return int(text)
