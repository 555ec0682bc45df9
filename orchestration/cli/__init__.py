"""`market-stress`: a thin front over the same Dagster jobs, plus read-only looks at what they made.

Here belong parsing and printing: `arguments` reads what people type, `terminal` prints, and the commands stand in
`jobs` (what changes a home), `looks` (what only reads it), `evaluate`, `servers` and `demo`. What a command does lives
in `defs.launch` and the plain modules, which are imported when it is called: no command waits for what another needs.
"""

import sys
from typing import NoReturn

import typer

from orchestration.cli import demo, disk, evaluate, jobs, looks, servers
from orchestration.cli.terminal import complain

app = typer.Typer(
    help="Measures leverage leaving the crypto-derivatives market, and never lies about coverage.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in (
    demo.demo,
    servers.up,
    jobs.backfill,
    jobs.refresh,
    looks.report,
    looks.status,
    looks.sql,
    looks.claims,
    evaluate.evaluate,
    servers.sandbox,
):
    app.command()(command)
app.command(name="import")(jobs.import_)


def main() -> None:
    """Runs the command line. Bad input (ValueError, FileNotFoundError) is one line and exit code 2, as is a home that
    can't be written; a full or damaged disk is one line and exit code 1."""
    try:
        app()
    except (ValueError, FileNotFoundError) as error:
        _stop(error, 2)
    except RuntimeError as error:
        _stop(error, 1)
    except Exception as error:
        if not (said := disk.told(error)):
            raise
        _stop(*said)


def _stop(error: Exception | str, code: int) -> NoReturn:
    complain(str(error).splitlines()[0], "market-stress:")
    sys.exit(code)
