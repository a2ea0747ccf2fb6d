"""The command ``nasturtium``: search, look, finish, export.

Every command answers on its output and shows progress on the error stream. What goes wrong on
purpose is one line there and exit code 2; Ctrl-C is exit code 130. Nothing heavy is imported
before a command needs it.
"""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from nasturtium.cli.answer import plain
from nasturtium.cli.evidence import evidence, report
from nasturtium.cli.finish import export, finish
from nasturtium.cli.look import best, describe, spaces, status
from nasturtium.cli.race import race
from nasturtium.cli.repair import check, repair
from nasturtium.cli.search import resume, search
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
    """Run the command line; an error of ours becomes one line and exit code 2."""
    given = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names may hold what the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    # An address in the place of an option is printed by the parser, which refuses it.
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
        print("error:", plain(redact(" ".join(str(error).split()))), file=sys.stderr)
        raise SystemExit(2) from None


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"nasturtium {version('nasturtium')}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="say which version", metavar=""
        ),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option("--debug", help="show where an error arose; may stand anywhere", metavar=""),
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
    app.command()(command)
