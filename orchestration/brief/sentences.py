"""The brief in sentences: the headline, the summary, and the warnings that come before any figure.

A single figure's text is `words`' matter; what a page does with sentences is `page`'s.
"""

from orchestration.brief.measures import ALL
from orchestration.brief.words import NO_DATA, figure_text, joined, moment_text, share_text, unbroken

LATE_HOURS = 3


class Figures:
    """The figures of a brief by name and asset, and how they read."""

    def __init__(self, brief: dict) -> None:
        self.brief = brief
        self.by_key = {(figure["name"], figure["asset"]): figure for figure in brief["figures"]}

    def text(self, name: str, asset: str) -> str:
        return figure_text(self.by_key[name, asset]) if (name, asset) in self.by_key else NO_DATA

    def value(self, name: str, asset: str) -> object:
        return self.by_key.get((name, asset), {}).get("value")

    def completeness(self, name: str, asset: str) -> str:
        return self.by_key[name, asset]["completeness"]["text"] if (name, asset) in self.by_key else NO_DATA

    def effect(self, name: str, asset: str) -> str:
        """An effect in points where the warehouse knows what it started from, else in USD."""
        return self.text(f"{name}_ratio" if (f"{name}_ratio", asset) in self.by_key else f"{name}_usd", asset)

    def lag(self) -> str:
        hours = self.brief["lag_hours"]
        if abs(hours) < 1:
            return f"{hours * 60:.0f} min before the brief was written"
        return (
            f"{hours:.0f} h before the brief was written"
            if hours < 48
            else f"{hours / 24:.1f} d before the brief was written"
        )


def headline(brief: dict) -> list[tuple[str, str]]:
    """(name, value) lines that sum the brief up, also from a `brief.json` read back."""
    lead, figures = brief["lead_asset"], Figures(brief)
    if not brief["as_of"]:
        return [("as of", f"{NO_DATA}: {brief['warnings'][0]}")]
    longs = figures.text("long_usd_24h", lead)
    lines = [
        ("as of", f"{moment_text(brief['as_of'])}, {figures.lag()}"),
        (f"{lead} price", f"{figures.text('price', lead)}, {figures.text('return_24h_ratio', lead)} in 24 h"),
        (f"{lead} longs liquidated, 24 h", f"{longs} ({figures.completeness('long_usd_24h', lead)})"),
    ]
    for asset in dict.fromkeys((lead, ALL)):
        sums = f"{figures.text('total_usd_7d', asset)} / {figures.text('total_usd_30d', asset)}"
        lines.append((f"{asset} liquidations, 7 d / 30 d", f"{sums} ({figures.completeness('total_usd_30d', asset)})"))
    now, day = figures.text("open_interest_usd", ALL), figures.text("open_interest_change_24h_ratio", ALL)
    split = f"price {figures.effect('price_effect_28d', ALL)}, positions {figures.effect('position_effect_28d', ALL)}"
    lines += [
        ("ALL open interest", f"{now}, {day} in 24 h ({figures.completeness('open_interest_usd', ALL)})"),
        ("ALL open interest, 28 d", f"{figures.text('open_interest_change_28d_ratio', ALL)} ({split})"),
        (
            "ALL below its known peak",
            f"{figures.text('fall_from_peak_all_ratio', ALL)}, peak at {figures.text('peak_at', ALL)}",
        ),
        ("ALL stress score", _score_line(figures)),
    ]
    return lines


def _regime(figures: Figures) -> str:
    """The regime, or those of its bounds where they disagree."""
    if figures.value("regime", ALL) is None and figures.value("regime_low", ALL) is not None:
        return f"{figures.text('regime_low', ALL)} to {figures.text('regime_high', ALL)}"
    return figures.text("regime", ALL)


def _score_line(figures: Figures) -> str:
    low, high = figures.text("score_low", ALL), figures.text("score_high", ALL)
    history = f"history {figures.text('effective_days', ALL)}, warm-up {figures.text('warm_up_days', ALL)}"
    if figures.value("independent_windows", ALL) is not None:
        history += f", {figures.value('independent_windows', ALL)} separate windows of its slowest measure"
    if figures.value("score", ALL) is not None:
        bounds = "" if low == high else f", within {low} to {high}"
        return f"{figures.text('score', ALL)} of 100, {_regime(figures)}{bounds} ({history})"
    if figures.value("score_low", ALL) is None:
        return NO_DATA
    regime = f", {_regime(figures)}" if figures.value("regime_low", ALL) is not None else ""
    return f"{NO_DATA} (between {low} and {high}{regime}; {history})"


def summary(brief: dict) -> str:
    """The brief in a few sentences; what is missing is left to the figures."""
    lead, figures = brief["lead_asset"], Figures(brief)
    sentences = []
    if figures.value("price", lead) is not None:
        sentences.append(
            f"{lead} stands at {figures.text('price', lead)} ({figures.text('return_24h_ratio', lead)} in 24 h)."
        )
    if figures.value("long_usd_24h", lead) is not None:
        bound = "At least " if figures.by_key["long_usd_24h", lead]["completeness"]["is_lower_bound"] else ""
        sentences.append(f"{bound}{figures.text('long_usd_24h', lead)} of its longs were liquidated in these 24 h.")
    if figures.value("open_interest_change_24h_ratio", ALL) is not None:
        change = f"Open interest changed by {figures.text('open_interest_change_24h_ratio', ALL)} in 24 h"
        if figures.value("open_interest_change_28d_ratio", ALL) is not None:
            change += f" and {figures.text('open_interest_change_28d_ratio', ALL)} in 28 d"
        sentences.append(f"{change}.")
    if figures.value("score", ALL) is not None:
        score, low, high = (figures.text(name, ALL) for name in ("score", "score_low", "score_high"))
        bounds = "" if low == high else f", within {low} to {high}"
        sentences.append(f"The stress score of the whole market is {score} of 100{bounds}: {_regime(figures)}.")
    return unbroken(" ".join(sentences))


def warnings(brief: dict) -> list[str]:
    """What a reader must know before any figure, the gravest first."""
    if not brief["as_of"]:
        return ["The warehouse holds no hour yet: run `market-stress backfill`, then `market-stress refresh`."]
    warnings = []
    if brief["lag_hours"] > LATE_HOURS:
        warnings.append(f"The figures are old: their hour is {Figures(brief).lag()}.")
    feeds = [feed for feed in brief["coverage"]["feeds"] if feed["dataset"] == "liquidations"]
    absent = [feed["exchange"] for feed in feeds if feed["observed_ratio"] == 0]
    partial = [feed for feed in feeds if 0 < feed["observed_ratio"] < 1]
    sampled = [feed["exchange"] for feed in feeds if feed["is_lower_bound"]]
    if feeds and len(absent) == len(feeds):
        warnings.append("No liquidations were observed in the last 30 d: they are missing, which is not zero.")
    elif absent:
        warnings.append(
            f"Liquidations of {joined(absent)} were not observed in the last 30 d and are missing from every sum."
        )
    if partial:
        shares = joined(
            [f"{feed['exchange']} ({share_text(feed['observed_ratio'])} of the last 30 d)" for feed in partial]
        )
        warnings.append(f"Liquidations were observed in part on {shares}: sums that reach into a gap are lower bounds.")
    if sampled:
        warnings.append(
            f"Liquidations of {joined(sampled)} are sampled (throttled by the exchange): "
            "every sum that holds them is a lower bound."
        )
    score = next((f for f in brief["figures"] if (f["name"], f["asset"]) == ("score", ALL)), None)
    if score and score["value"] is None:
        figures = Figures(brief)
        bounds = f"{figures.text('score_low', ALL)} and {figures.text('score_high', ALL)}"
        warnings.append(f"There is no stress score, it lies between {bounds}: {score['reason']}.")
    return warnings
