"""The method page beside the brief: docs/method.md as one HTML document, so that it goes wherever the brief goes.

What it says is written there; here is only how Markdown becomes a page.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from orchestration.brief.drawing import COLOURS
from orchestration.brief.page import environment

if TYPE_CHECKING:
    from markdown_it.token import Token

METHOD = Path(__file__).parents[2] / "docs" / "method.md"


def method_page() -> str:
    """The page; its links into the repository are words, since the repository doesn't lie beside the brief."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(METHOD.read_text(encoding="utf-8"))
    for token in tokens:
        _unlink(token.children or [])
    body = Markup(markdown.renderer.render(tokens, markdown.options, {}))
    return environment().get_template("method.html.j2").render(body=body, colours=COLOURS)


def _unlink(tokens: "list[Token]") -> None:
    for token in tokens:
        if token.type in ("link_open", "link_close"):
            token.tag, token.attrs = "span", {}
