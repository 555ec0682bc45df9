"""Which coin a ticker means: 1000PEPE, kPEPE, 1MBABYDOGE, SHIB1000 and 10000SATS are a coin times a multiplier.

Here belongs the reading of names alone. That quantities and prices become those of the coin is `wire`'s matter.
"""

import re
from collections.abc import Collection

# What remains is a name: two characters at least, since 1000X is a coin of its own, and a letter where the number
# stood. 1INCH has no thousand.
MULTIPLES = (
    re.compile(r"(?P<times>10{3,})(?P<coin>[A-Z][A-Z0-9]+)"),
    re.compile(r"(?P<times>1M)(?P<coin>[A-Z][A-Z0-9]+)"),
    re.compile(r"(?P<times>k)(?P<coin>[A-Z][A-Z0-9]+)"),
    re.compile(r"(?P<coin>[A-Z][A-Z0-9]*[A-Z])(?P<times>10{3,})"),
)
NAMED_MULTIPLES = {"k": 1_000, "1M": 1_000_000}


def coin(ticker: str, watched: Collection[str] | None = None) -> tuple[str, int]:
    """The coin of a ticker, and how many coins one of its native units is.

    With `watched`, a name counts as a multiple only of a coin that is watched, and never if it is watched itself.
    """
    if watched is None or ticker not in watched:
        for multiple in MULTIPLES:
            if (match := multiple.fullmatch(ticker)) and (watched is None or match["coin"] in watched):
                times = match["times"]
                return match["coin"], NAMED_MULTIPLES.get(times) or int(times)
    return ticker, 1
