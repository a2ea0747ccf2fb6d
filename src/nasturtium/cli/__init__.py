"""The command ``nasturtium``.

Every command prints its result on the output, and progress on the error stream. An error of the
library is one line there, with exit code 2; Ctrl-C gives exit code 130. Heavy modules are imported
only when a command needs them.
"""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from nasturtium.cli.command import Command
from nasturtium.cli.evidence import evidence, report
from nasturtium.cli.finish import export, finish
from nasturtium.cli.race import race
from nasturtium.cli.repair import check, repair
from nasturtium.cli.search import resume, search
from nasturtium.cli.spaces import describe, spaces
from nasturtium.cli.status import best, status
from nasturtium.display.printable import escape_unprintable
from nasturtium.errors import NasturtiumError
from nasturtium.study.stores.redact import redact

__all__ = ["app", "main"]

app = typer.Typer(
    help="Neural architecture search for PyTorch.",
    epilog="Start with: nasturtium search digits --trials 20",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; an error of the library becomes one line, with exit code 2."""
    given = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # for names that the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    # The parser prints an address that was given in place of an option; hide its password.
    words = [
        redact(word) if word.startswith("-") and "://" in word.partition("=")[0] else word
        for word in given
        if word != "--debug"
    ]
    try:
        app(words, prog_name="nasturtium")
    except NasturtiumError as error:
        if "--debug" in given:
            raise
        line = redact(" ".join(str(error).split()))
        print("error:", escape_unprintable(line), file=sys.stderr)
        raise SystemExit(2) from None


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"nasturtium {version('nasturtium')}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            help="print the version",
            metavar="",
        ),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="show an error's traceback; allowed anywhere", metavar=""),
    ] = False,
) -> None:
    """Neural architecture search for PyTorch."""


for command in (
    search,
    resume,
    status,
    best,
    finish,
    evidence,
    report,
    race,
    export,
    spaces,
    describe,
    check,
    repair,
):
    app.command(cls=Command)(command)
