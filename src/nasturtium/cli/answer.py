"""What all commands share: options, Ctrl-C, progress, and how an answer is printed."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nasturtium.run.names import NAMES
from nasturtium.study.stores.redact import redact

if TYPE_CHECKING:
    from nasturtium.retraining.retrain import Retrained
    from nasturtium.run.progress_view import ProgressView
    from nasturtium.study.study import Study

__all__ = [
    "Json",
    "Quiet",
    "StoreName",
    "Trust",
    "completing",
    "going_on",
    "named",
    "plain",
    "print_rows",
    "print_table",
    "shown",
    "tell",
    "tell_finished",
]


def completing(kind: str) -> Any:
    """Completion of an option by the names of a kind of part."""

    def names(incomplete: str) -> list[str]:
        return [name for name in NAMES[kind] if name.startswith(incomplete)]

    return names


def named(kind: str) -> str:
    """The names of a kind of part, for help."""
    return ", ".join(sorted(NAMES[kind]))


StoreName = Annotated[
    str, typer.Argument(metavar="STORE[:NAME]", help="the store, and the study if it holds several")
]
Json = Annotated[bool, typer.Option("--json", help="answer with one JSON object", metavar="")]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        metavar="",
        help="run the files and modules that the study names, even if you have not searched with "
        "them as they are now",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="show no progress", metavar="")]


@contextmanager
def going_on() -> Iterator[None]:
    """Turn Ctrl-C into exit code 130 and a word on how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        again = plain(redact(shlex.join(["nasturtium", *sys.argv[1:]])))
        print(f"stopped; nothing is lost, the same command goes on: {again}", file=sys.stderr)
        raise typer.Exit(130) from None


def shown(quiet: bool, trials: int, hours: float | None) -> ProgressView:
    """How progress is shown: a panel on a terminal, lines elsewhere, nothing if quiet."""
    from rich.console import Console

    from nasturtium.run.progress_lines import Lines
    from nasturtium.run.progress_panel import Panel
    from nasturtium.run.progress_view import Silent

    if quiet:
        return Silent(trials, hours)
    console = Console(stderr=True)
    return (Panel if console.is_terminal else Lines)(console, trials, hours)


def tell(study: Study, as_json: bool) -> None:
    """Answer with what a search found."""
    from nasturtium.status.summary import address, rows, summary

    if as_json:
        typer.echo(json.dumps(summary(study)))
        return
    print_rows(rows(study))
    where = shlex.quote(address(study))
    name = PurePath(study.manifest["data"]["name"]).name or "network"
    export = shlex.quote(f"{name}.onnx")
    typer.echo(plain(f"\nnext: nasturtium finish {where} --export {export}"))


def tell_finished(done: Retrained, files: list[dict[str, Any]], as_json: bool) -> None:
    """Answer with a finished network and the files it was written to."""
    from nasturtium.status.summary import in_words

    if as_json:
        told = {
            "trial": done.trial,
            "metrics": dict(done.metrics),
            "architecture": done.architecture.to_json(),
            "recipe": done.recipe.to_json(),
            "seconds": done.seconds,
            "reused": done.reused,
            "weights": done.weights,
            "files": files,
        }
        typer.echo(json.dumps(told))
        return
    how = done.weights
    if not done.reused:
        how = f"{done.seconds:.0f} s of training{how.removeprefix('trained afresh')}"
    lines = [("network", f"trial {done.trial}, {done.recipe.epochs} epochs, {how}")]
    shown = [f"{name} {in_words(name, value)}" for name, value in done.metrics.items()]
    lines.append(("test", ", ".join(shown)))
    lines += [("file", _file(file)) for file in files]
    print_rows(lines)


def _file(file: dict[str, Any]) -> str:
    """A written file in words, as it was measured afterwards."""
    words = f"{file['path']}, {file['bytes']:,} bytes"
    if file["format"] == "card":
        return f"{words}: the model card"
    words += f"; differs by {file['difference']:.1e} on {file['compared']} real inputs"
    if file["accuracy"] is not None:
        words += f", {100 * file['accuracy']:.2f} % of the test examples right"
    return f"{words}, {file['latency_ms']:.3f} ms for one"


def plain(text: str) -> str:
    """A text for a terminal, which no sign in a study's names or messages can steer."""
    return "".join(
        sign if sign.isprintable() or sign == "\n" else sign.encode("unicode_escape").decode()
        for sign in text
    )


def print_rows(lines: list[tuple[str, str]], *, folded: bool = False) -> None:
    """Labels and texts in two columns; texts are not broken, so that they can be searched.

    Args:
        lines: the labels and texts.
        folded: break texts that are wider than the terminal, where there is one.
    """
    wide = max((len(label) for label, _ in lines), default=0)
    room = shutil.get_terminal_size().columns - wide - 2
    for label, text in lines:
        parts = [text]
        if folded and sys.stdout.isatty() and room >= 20:
            inner = " " * (len(text) - len(text.lstrip()) + 2)
            parts = textwrap.wrap(text, room, subsequent_indent=inner) or [text]
        for place, part in enumerate(parts):
            typer.echo(plain(f"{'' if place else label:<{wide}}  {part}"))


def print_table(heads: list[str], table: list[list[str]]) -> None:
    """Rows under heads, in columns."""
    widths = [max(len(row[place]) for row in (heads, *table)) for place in range(len(heads))]
    for row in (heads, *table):
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        typer.echo(plain("  ".join(cells).rstrip()))
