"""How figures, shares and moments read. What is said of them is `sentences`' matter."""

import re

NO_DATA = "no data"
THIN = "\u202f"  # a narrow space that does not break a figure from its unit


def figure_text(figure: dict) -> str:
    """The figure's value with its unit: `237.0 M USD`, `\u22124.4 %`, `no data`."""
    value, unit, name = figure["value"], figure["unit"], figure["name"]
    if value is None:
        return NO_DATA
    is_change = "change" in name or "effect" in name or "return" in name
    match unit:
        case "USD":
            return f"{amount_text(value, is_signed=is_change)}{THIN}USD"
        case "USD per coin":
            return f"{price_text(value)}{THIN}USD"
        case "ratio":
            return f"{signed_text(100 * value, 2 if name.startswith('return') else 1, is_change)}{THIN}%"
        case "points" | "rank":
            return f"{value:.2f}"
        case "days":
            return f"{value:,.0f}{THIN}d"
        case "UTC":
            return moment_text(value)
    return str(value)


def amount_text(value: float, *, is_signed: bool = False) -> str:
    """A large number by its size: 92.70 B, 237.0 M, 12.3 k, 940."""
    for size, letter, decimals in ((1e9, "B", 2), (1e6, "M", 1), (1e3, "k", 1)):
        if abs(value) >= size:
            return f"{signed_text(value / size, decimals, is_signed)}{THIN}{letter}"
    return signed_text(value, 0, is_signed)


def price_text(value: float) -> str:
    """A price with about five digits, whatever its size."""
    return f"{value:,.0f}" if value >= 10_000 else f"{value:,.2f}" if value >= 10 else f"{value:.5g}"


def share_text(ratio: float) -> str:
    """A share in percent that says 100 only of all and 0 only of nothing."""
    if ratio in (0, 1):
        return f"{ratio:.0%}".replace("%", f"{THIN}%")
    percent = min(max(round(100 * ratio, 1), 0.1), 99.9)
    return f"{percent:.0f}{THIN}%" if 1 <= percent <= 99 else f"{percent:.1f}{THIN}%"


def moment_text(iso: str) -> str:
    return f"{iso[:10]} {iso[11:16]} UTC"


def signed_text(value: float, decimals: int, is_signed: bool) -> str:
    """With a plus only where a change is meant, and a true minus sign."""
    text = f"{abs(value):,.{decimals}f}"
    if not text.strip("0.,"):
        return text  # no sign before what rounds to nothing
    return f"\u2212{text}" if value < 0 else f"+{text}" if is_signed else text


def unbroken(text: str) -> str:
    """Keeps `24 h` on one line."""
    return re.sub(r"(\d) (?=[hd]\b)", "\\1\u00a0", text)


def cell_text(figure: dict) -> str:
    """A figure in a table, whose caption names the unit."""
    return figure_text(figure).removesuffix(f"{THIN}USD").removesuffix(" UTC")


def joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
