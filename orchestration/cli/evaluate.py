"""`market-stress evaluate`: the evaluation card, with a line for every step while it is made."""

from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli import disk
from orchestration.cli.terminal import err, say
from orchestration.settings import Settings


def evaluate(
    folder: Annotated[
        Path | None, typer.Argument(help="Where to write the card. Default: reports/evaluation in the home.")
    ] = None,
) -> None:
    """Write the evaluation card: how the score behaved around falls of the market, and what that can't show.

    Example: market-stress evaluate
    """
    settings = Settings.from_environment()
    from orchestration.evaluation import write_card

    target = (folder or settings.home / "reports" / "evaluation").absolute()
    with disk.room(target, disk.PAGES), err.status("evaluation") as status:
        card = write_card(
            settings.home, target, warm_up_days=settings.universe.score.warm_up_days, written_at=settings.now(),
            show=lambda step: status.update(f"evaluation: {step}"),
        )  # fmt: skip
    for sentence in card["opening"]:
        say(sentence)
    for name in ("card.html", "card.json"):
        say(str(target / name), "card")
