"""The evaluation card: how the score behaved around falls of the market, and what that can't show.

Here stands what others call; importing it loads nothing heavy. The rooms, in the order in which a figure walks through
them:

- `facts`           what a home holds, with first revisions in the place of later ones
- `panel`           the instruments observed throughout, and what they give
- `events`          falls, labels, alarms: definitions over arrays
- `lines`           the score on the panel, and the baselines that it has to beat
- `sensitivity`     the score under other choices
- `discrimination`  AUROC, average precision and their intervals, from ten real events on
- `card`            all of it in one dictionary, with hashes of data and method
- `sentences`, `charts`, `page`   how it reads and looks
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path


def write_card(
    home: Path,
    folder: Path,
    *,
    warm_up_days: int,
    written_at: datetime,
    show: Callable[[str], None] = lambda step: None,
) -> dict:
    """Writes `card.html` and `card.json` to `folder`, each replaced atomically, and returns the card.

    `opening` holds its first sentences. `written_at` is aware; `show` is told each step as it begins. Raises
    FileNotFoundError without a published warehouse, ValueError where what the home holds can't be evaluated; nothing is
    written then.
    """
    import json

    from orchestration.evaluation import card, facts, sentences
    from orchestration.evaluation.page import page
    from orchestration.lake.files import write_text

    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is no folder: name one that the card can be written into")
    show("facts")
    made = card.contents(facts.read(home), warm_up_days, written_at, show)
    told = {
        "title": "Evaluation card of the stress score",
        "mark": sentences.mark(made),
        "opening": sentences.opening(made),
    }
    made = told | made
    show("page")
    shown = page(made)
    write_text(json.dumps(made, indent=1, ensure_ascii=False, allow_nan=False), folder / "card.json")
    write_text(shown, folder / "card.html")
    return made
