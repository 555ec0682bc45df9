"""What a person sees: consoles, lines, and a log for what libraries print. It knows no command."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from rich.console import Console
from rich.text import Text

out, err = Console(), Console(stderr=True)


def say(text: str, subject: str = "") -> None:
    """A line as it is, whatever it holds and however narrow the terminal is; behind its subject, if it has one."""
    _print(out, Text(subject, "bold"), text)


def complain(text: str, subject: str = "") -> None:
    """A line about what went wrong, beside the answer."""
    _print(err, Text(subject, "red"), text)


def _print(console: Console, subject: Text, text: str) -> None:
    # What comes from files and exchanges is shown, never read as markup.
    console.print(Text(" ").join([subject, Text(text)]) if subject else Text(text), soft_wrap=True)


@contextmanager
def libraries_speak_to(log: Path) -> Iterator[Console]:
    """Sends what this process and those it starts print to a log; yields the console that still reaches the person."""
    log.parent.mkdir(parents=True, exist_ok=True)
    kept = [os.dup(descriptor) for descriptor in (1, 2)]
    with log.open("a") as handle, os.fdopen(os.dup(kept[1]), "w") as person:
        try:
            with redirect_stdout(handle), redirect_stderr(handle):  # what Python prints
                for descriptor in (1, 2):  # and what other processes do
                    os.dup2(handle.fileno(), descriptor)
                yield Console(file=person)
        finally:
            for descriptor, original in zip((1, 2), kept, strict=True):
                os.dup2(original, descriptor)
                os.close(original)
