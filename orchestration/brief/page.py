"""The page: which figures, tables and drawings it shows, laid out by `templates/brief.html.j2`.

What a figure says is `words`' matter; here nothing is asked of the warehouse and nothing is drawn.
"""

from typing import TYPE_CHECKING

from orchestration import score
from orchestration.brief.claims import RELATIONS, amount, claimed
from orchestration.brief.coverage import DATASET_WORDS
from orchestration.brief.drawing import COLOURS
from orchestration.brief.measures import ALL, MEASURES
from orchestration.brief.sentences import Figures, summary
from orchestration.brief.standing import stabilisation_table, without_table
from orchestration.brief.words import cell_text, figure_text, moment_text, share_text, unbroken

if TYPE_CHECKING:
    from jinja2 import Environment

SECTIONS = {
    "score": ("Stress score", [
        ("Score, bounds and contributions in points of 100", [
            "score", "score_low", "score_high", "regime", "regime_low", "regime_high",
            *(f"{part}_contribution" for part in score.PARTS),
        ]),
        ("Ranks among earlier hours, 0 to 1, and how much history they have", [
            *(f"{part}_rank" for part in score.PARTS), "effective_days", "warm_up_days", "independent_windows",
        ]),
        ("Second line, points: the score weighed by how its parts move together; little below the score is broad "
         "stress, far below it local", [
            "second_line", "second_line_gap", *(f"second_line_{part}_contribution" for part in score.PARTS),
        ]),
    ]),
    "liquidations": ("Liquidations", [("USD", [measure.name for measure in MEASURES["liquidations"]])]),
    "open_interest": ("Open interest", [
        ("One side of every contract, USD; changes on the instruments observed at both ends",
         [measure.name for measure in MEASURES["open_interest"]]),
        ("What the change consists of: the market's move of the price, and positions opened less closed, USD and "
         "points of the open interest at the start", [measure.name for measure in MEASURES["split"]]),
    ]),
    "prices": ("Prices", [("Median over exchanges; the change of ALL is weighted by open interest",
                           [measure.name for measure in MEASURES["prices"]])]),
}  # fmt: skip
ABOUT_CHARTS = {
    "score": "Bars: contributions at the end of each UTC day. Line: the score by hour. Bands: where regimes begin. "
    "Strip: the regime in force, which is left after 48 hours below; empty where its bounds differ. "
    "The line breaks where the instruments change that liquidations are ranked on. "
    "Grey: the bounds where there is no score.",
    "liquidations": "Longs up, shorts down. Hatched: not observed, which is not zero. The strip tells how much of each "
    "day was observed; a fainter day is a lower bound.",
    "open_interest": "Lines: the end of each UTC day. Bars: the day's change by price, by positions, by listings, and "
    "by what came into or fell out of observation (hatched, cut at the frame), which is no deleveraging.",
}


def page(brief: dict, drawings: dict[str, dict[str, str]]) -> str:
    """The brief as one HTML document that needs nothing else; `drawings` are SVG elements by section and layout."""
    from markupsafe import Markup

    template = environment().get_template("brief.html.j2")
    return template.render(
        brief=brief,
        figures=Figures(brief),
        tiles=_tiles(brief),
        sections=[
            {"name": name, "title": title, "tables": [_table(brief, caption, names) for caption, names in tables]}
            for name, (title, tables) in SECTIONS.items()
        ],
        standing=_standing(brief),
        drawings={name: {layout: Markup(svg) for layout, svg in layouts.items()} for name, layouts in drawings.items()},
        about_charts=ABOUT_CHARTS,
        matrix=_matrix(brief),
        dataset_words=DATASET_WORDS,
        relations=RELATIONS,
        colours=COLOURS,
        summary=summary(brief),
    )


def environment(*packages: str) -> "Environment":
    """Templates of these packages and ours, which escape whatever they show and know our words; `style.css.j2` is what
    every page of the house looks like."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in (*packages, "orchestration.brief")]),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {"shown": figure_text, "cell": cell_text, "share": share_text, "moment": moment_text}
    made.filters |= {"unbroken": unbroken, "claimed": claimed, "quantity": amount}
    return made


def _tiles(brief: dict) -> list[dict]:
    """The figures that come first: {title, asset, figure, beside: [figure]}."""
    lead, figures = brief["lead_asset"], Figures(brief)
    regime = ["regime"] if figures.value("regime", ALL) is not None else ["regime_low", "regime_high"]
    beside_score = (*regime, "score_low", "score_high", "warm_up_days", "independent_windows")
    wanted = [
        ("Stress score", ALL, "score", [(name, ALL) for name in beside_score]),
        ("Longs liquidated, 24 h", lead, "long_usd_24h",
         [("short_usd_24h", lead), ("worst_hour_usd_24h", lead), ("full_reporting_ratio", lead)]),
        ("Liquidations, 7 d", lead, "total_usd_7d", [("total_usd_7d", ALL)]),
        ("Liquidations, 30 d", lead, "total_usd_30d", [("total_usd_30d", ALL)]),
        ("Open interest, 24 h", ALL, "open_interest_change_24h_ratio",
         [("open_interest_usd", ALL), ("open_interest_change_24h_usd", ALL)]),
        ("Open interest, 28 d", ALL, "open_interest_change_28d_ratio",
         [("price_effect_28d_ratio", ALL), ("position_effect_28d_ratio", ALL)]),
        ("Open interest below peak", ALL, "fall_from_peak_all_ratio", [("peak_at", ALL)]),
        ("Price", lead, "price", [("return_24h_ratio", lead), ("return_7d_ratio", lead)]),
    ]  # fmt: skip
    return [
        {
            "title": title,
            "asset": asset,
            "figure": figures.by_key[name, asset],
            "beside": [figures.by_key[key] for key in beside if key in figures.by_key],
        }
        for title, asset, name, beside in wanted
        if (name, asset) in figures.by_key
    ]


def _standing(brief: dict) -> list[dict]:
    """The tables that are shown as they stand: {title, caption, table, query, labels, rows, notes}."""
    found, shown = brief["standing"], []
    if "stabilisation" in found and found["stabilisation"]["rows"]:
        caption = (
            "Both halves must be met: the level holds on enough of the last daily closes, and liquidations have "
            "slowed, also over open interest"
        )
        shown.append(("Stabilisation", caption, "stabilisation", stabilisation_table(found["stabilisation"]["rows"])))
    if "score_without" in found and found["score_without"]["rows"]:
        caption = f"Points; the score of {ALL} made anew of everything but one exchange or one asset"
        rows, score_of_all = found["score_without"]["rows"], Figures(brief).value("score", ALL)
        shown.append(("What the score rests on", caption, "score_without", without_table(rows, score_of_all)))
    return [
        {"title": title, "caption": caption, "table": table, "query": found[table]["query"], **its}
        for title, caption, table, its in shown
    ]


def _table(brief: dict, caption: str, names: list[str]) -> dict:
    """Assets by measures, with the reasons of missing figures as numbered notes."""
    figures = Figures(brief)
    columns = [name for name in names if any((name, asset) in figures.by_key for asset in brief["assets"])]
    rows = [{"asset": asset, "figures": [figures.by_key[name, asset] for name in columns]} for asset in brief["assets"]]
    reasons = dict.fromkeys(figure["reason"] for row in rows for figure in row["figures"] if figure["reason"])
    return {
        "caption": caption,
        "labels": [unbroken(figure["label"]) for figure in rows[0]["figures"]] if rows else [],
        "rows": rows,
        "notes": {reason: number for number, reason in enumerate(reasons, 1)},
    }


def _matrix(brief: dict) -> dict[str, dict[str, dict]]:
    """Coverage by exchange, then dataset."""
    matrix: dict[str, dict[str, dict]] = {}
    for feed in brief["coverage"]["feeds"]:
        matrix.setdefault(feed["exchange"], {})[feed["dataset"]] = feed
    return matrix
