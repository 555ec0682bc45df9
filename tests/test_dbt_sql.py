"""The words of the SQL: the name of a common table expression means one thing in the whole dbt project."""

import re
from collections import defaultdict
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "dbt_project"
SHAPES = {"source", "renamed", "final"}  # the first and last step of a model, whatever it is about
COMMENT = re.compile(r"--[^\n]*|\{#.*?#\}", re.DOTALL)
NAME = re.compile(r"(?:\bwith(?: recursive)?|,|%\})\s+(\w+(?:\{\{ \w+ \}\})?) as \(")
IMPORT = re.compile(r"select \* from (\{\{ ref\('\w+'\) \}\})")


def sql(*folders: str) -> dict[str, str]:
    """The text of every file of these folders by its name, without comments."""
    files = [file for folder in folders for file in (PROJECT / folder).rglob("*.sql")]
    return {file.name: COMMENT.sub("", file.read_text()) for file in files}


def expressions(text: str) -> list[tuple[str, str]]:
    """Every common table expression of a file as (name, body on one line)."""
    return [(name[1], " ".join(in_brackets(text[name.end() :]).split())) for name in NAME.finditer(text)]


def in_brackets(text: str) -> str:
    depth = 1
    for end, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return text[:end]
    raise ValueError("a bracket is not closed")


def test_a_name_means_one_thing():
    bodies = defaultdict(set)
    for text in sql("models", "macros", "tests").values():
        for name, body in expressions(text):
            bodies[name].add(body)
    assert {name: found for name, found in bodies.items() if len(found) > 1 and name not in SHAPES} == {}


def test_a_model_is_imported_under_one_name():
    names = defaultdict(set)
    for text in sql("models", "macros", "tests").values():
        for name, body in expressions(text):
            if imported := IMPORT.fullmatch(body):
                names[imported[1]].add(name)
    assert len(names) > 20
    assert {model: found for model, found in names.items() if len(found) > 1} == {}


def test_what_a_model_reads_stands_in_its_imports():
    for name, text in sql("models").items():
        imports = [body for _, body in expressions(text) if IMPORT.fullmatch(body)]
        assert len(imports) == text.count("ref(") or text.startswith("select * from"), name
