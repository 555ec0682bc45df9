"""What the card says in words: first what it can't show, then what it rests on.

Here belong sentences made of the card's figures. Where they stand is `page`'s matter.
"""

from orchestration.brief.origins import MEANINGS
from orchestration.brief.words import joined, moment_text, share_text
from orchestration.evaluation.lines import BASELINES
from orchestration.score.first_line import REGIMES

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LINES = {"score": "score", "without_overlap": "score without downside and volatility"} | BASELINES
LEADS = {-24: "the same 24 h", 0: "the next 24 h", 24: "the 24 h after a day", 72: "the 24 h after three days",
         168: "the 24 h after a week"}  # fmt: skip


def opening(card: dict) -> list[str]:
    """The first lines: baselines that win, what the card can't show (or what it rests on), and what isn't counted."""
    sentences = wins(card)
    compared = [scope["asset"] for scope in card["scopes"] if scope["from_ten_real_events"]]
    if compared:
        rests_on = f"{counted(card['counts']['real_events'], 'real event')} on {_exchanges(card)}{_when(card)}"
        found = "" if sentences else f"no baseline beats the score of {joined(compared)}; "
        sentences.append(
            f"{rests_on}: {found}how sure each figure is, its interval says, and none of them holds for other markets "
            "or years."
        )
    else:
        sentences.append(_cannot_show(card))
    return [_capital(sentence) for sentence in [*sentences, *_not_counted(card)]]


def wins(card: dict) -> list[str]:
    """A sentence for every baseline that tells hours before a fall from others better than the score does, and than
    chance: where, by how much, and whether the interval of the difference leaves that open."""
    found = []
    for baseline, words in BASELINES.items():
        where = [
            f"{scope['asset']}, {LEADS[its['lead_hours']]} ({joined(better)})"
            for scope in card["scopes"]
            for its in scope["from_ten_real_events"] or []
            if (better := _better(its["lines"], baseline))
        ]
        if where:
            found.append(f"{words} beats the score: {'; '.join(where)}.")
    return found


def _better(lines: list[dict], baseline: str) -> list[str]:
    rows = {row["line"]: row for row in lines}
    if baseline not in rows:
        return []
    own, row = rows["score"], rows[baseline]
    by_chance = {
        "auroc": 0.5,
        "average_precision": row["positive_hours"] / (row["positive_hours"] + row["negative_hours"]),
    }
    found = []
    for figure, words in (("auroc", "AUROC"), ("average_precision", "AUPRC")):
        if row[f"{figure}_difference"] > 0 and row[figure] > by_chance[figure]:
            interval = row[f"{figure}_difference_interval"]
            is_sure = interval is not None and interval[0] > 0
            doubt = "" if is_sure else ", which may be chance"
            found.append(f"{words} {row[figure]:.2f} against {own[figure]:.2f}{doubt}")
    return found


def _cannot_show(card: dict) -> str:
    counts = card["counts"]
    real, simulated = counts["real_events"], counts["simulated_events"]
    parts = [f"{counted(real, 'real event')} on {_exchanges(card)}{_when(card)}" if real else "no real event"]
    tapes = [its["origin"].partition(":")[2] for its in card["origins"] if its["origin"].startswith("simulated")]
    if tapes:
        said = (
            f"a simulation we wrote ({joined(tapes)})" if len(tapes) == 1 else f"simulations we wrote ({joined(tapes)})"
        )
        parts.append(f"{said} with {counted(simulated, 'event')} of its own making")
    return f"{', and '.join(parts)}: this can't show whether the score beats volatility alone."


def _exchanges(card: dict) -> str:
    names = card["panel"]["exchanges"]
    tapes = sorted({its["origin"].partition(":")[2] for its in card["origins"] if its["origin"].startswith("replayed")})
    replayed = f", replayed from {joined(tapes)}" if tapes else ""
    return f"{counted(len(names), 'exchange')} ({joined(names)}{replayed})"


def _when(card: dict) -> str:
    """In which days the real events lie: two of one week are hardly two."""
    spans = [
        (event["began_at"], event["ended_at"])
        for scope in card["scopes"] for event in scope["events"] if event["is_real"] and event["is_scored"]
    ]  # fmt: skip
    first, last = min(first for first, _ in spans)[:10], max(last for _, last in spans)[:10]
    return f", {first} to {last}" if first != last else f", {first}"


def _not_counted(card: dict) -> list[str]:
    counts = card["counts"]
    sentences = []
    if counts["scored_hours"]:
        scored = f"{counts['scored_hours']:,} of {counts['hours']:,} hours have a score of ALL"
        sentences.append(f"{scored}, the first at {moment_text(counts['scored_since'])}.")
    else:
        sentences.append("no hour has a score of ALL on the frozen panel: nothing below speaks of the score of ALL.")
    never: dict[tuple[str, ...], list[str]] = {}
    for scope in card["scopes"]:
        never.setdefault(tuple(scope["redundancy"]["never_ranked"]), []).append(scope["asset"])
    for parts, assets in never.items():
        if parts:
            points = sum(card["parameters"]["weights"][part] for part in parts)
            named = joined([part.replace("_", " ") for part in parts])
            sentences.append(
                f"{named} {'is' if len(parts) == 1 else 'are'} never ranked for {joined(assets)}: the score is a lower "
                f"bound and can't exceed {100 - points:.0f}."
            )
    before = counts["real_events_before_the_score"] + counts["simulated_events_before_the_score"]
    if before:
        sentences.append(
            f"{counted(before, 'further fall')} in hours without a score {'is' if before == 1 else 'are'} listed and "
            "counted nowhere."
        )
    return sentences


def revisions(card: dict) -> list[str]:
    """How many rows count as they were first known, and how many were not known at their hour."""
    sentences = []
    for its in card["revisions"]:
        if not its["rows"]:
            continue
        words = its["dataset"].replace("_", " ")
        lost = its["revised"] - its["first_revision_kept"]
        revised = f"{its['revised']:,} revised"
        if its["revised"]:
            kept = f"{its['first_revision_kept']:,} count with their first revision"
            revised += f" ({kept}" + (f", of {lost:,} it is no longer there" if lost else "") + ")"
        sentences.append(
            f"{words}: {its['rows']:,} rows, {revised}, {its['backfilled']:,} came more than a day late and count as "
            "if known at their hour"
        )
    return sentences


def mark(card: dict) -> str:
    """What isn't live, as every report says it."""
    kinds = sorted({its["origin"].partition(":")[0] for its in card["origins"]} - {"live"}, reverse=True)
    is_in_part = kinds and any(its["origin"] == "live" for its in card["origins"])
    return " AND ".join(kinds).upper() + (" IN PART" if is_in_part else "")


def origins(card: dict) -> list[str]:
    return [
        f"{tape}, rows of {joined(its['exchanges'])}: {MEANINGS[kind]}"
        for its in card["origins"]
        for kind, _, tape in [its["origin"].partition(":")]
        if kind in MEANINGS
    ]


def published(card: dict) -> str:
    its = card["published"]
    if not its["hours"]:
        return "The published score has no hour in common with that of the frozen panel, or another warm-up."
    if not its["largest_difference"] > 0.005:
        return f"The published score is the same in all {its['hours']:,} rows that both have."
    return (
        f"The published score, of whoever was there, differs in {share_text(its['differing_ratio'])} of the "
        f"{its['hours']:,} rows that both have, by at most {its['largest_difference']:.2f} points."
    )


def left_out(card: dict) -> list[str]:
    """Instruments that are no member, by dataset."""
    return [
        f"{its['instrument']}, {its['dataset'].replace('_', ' ')}: observed in {share_text(its['observed_ratio'])}"
        for its in card["panel"]["members"]
        if not its["is_member"]
    ]


def counted(number: int, what: str) -> str:
    words = NUMBERS[number] if number < len(NUMBERS) else f"{number:,}"
    return f"{words} {what}{'' if number == 1 else 's'}"


def regime(row: dict) -> str:
    """The regime of an hour, or the two between which it lies."""
    low, high = row["regime_low"], row["regime_high"]
    return "" if low is None else low if low == high or high is None else f"{low} to {high}"


def cut_offs() -> str:
    return joined([f"{points} ({name})" for name, points in REGIMES.items() if points])


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
