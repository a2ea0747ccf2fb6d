"""What all commands share: options, Ctrl-C, progress, and how an answer is printed."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nasturtium.run.names import NAMES

if TYPE_CHECKING:
    from nasturtium.run.finish import Finished
    from nasturtium.run.show import Show
    from nasturtium.study.study import Study

__all__ = [
    "Json",
    "Quiet",
    "StoreName",
    "completing",
    "going_on",
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


StoreName = Annotated[
    str, typer.Argument(metavar="STORE[:NAME]", help="the store, and the study if it holds several")
]
Json = Annotated[bool, typer.Option("--json", help="answer with one JSON object")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="show no progress")]


@contextmanager
def going_on() -> Iterator[None]:
    """Turn Ctrl-C into exit code 130 and a word on how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        again = shlex.join(["nasturtium", *sys.argv[1:]])
        print(f"stopped; nothing is lost, the same command goes on: {again}", file=sys.stderr)
        raise typer.Exit(130) from None


def shown(quiet: bool, trials: int, hours: float | None) -> Show:
    """How progress is shown: a panel on a terminal, lines elsewhere, nothing if quiet."""
    from rich.console import Console

    from nasturtium.run.show import Lines, Panel, Silent

    if quiet:
        return Silent(trials, hours)
    console = Console(stderr=True)
    return (Panel if console.is_terminal else Lines)(console, trials, hours)


def tell(study: Study, as_json: bool) -> None:
    """Answer with what a search found."""
    from nasturtium.run.summary import address, rows, summary

    if as_json:
        typer.echo(json.dumps(summary(study)))
        return
    print_rows(rows(study))
    where = shlex.quote(address(study))
    typer.echo(f"\nnext: nasturtium finish {where} --export {study.manifest['data']['name']}.onnx")


def tell_finished(done: Finished, files: list[dict[str, Any]], as_json: bool) -> None:
    """Answer with a finished network and the files it was written to."""
    from nasturtium.run.summary import in_words

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
    how = done.weights if done.reused else f"{done.seconds:.0f} s of training"
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


def print_rows(lines: list[tuple[str, str]]) -> None:
    """Labels and texts in two columns; texts are not broken, so that they can be searched."""
    wide = max((len(label) for label, _ in lines), default=0)
    for label, text in lines:
        typer.echo(f"{label:<{wide}}  {text}")


def print_table(heads: list[str], table: list[list[str]]) -> None:
    """Rows under heads, in columns."""
    widths = [max(len(row[place]) for row in (heads, *table)) for place in range(len(heads))]
    for row in (heads, *table):
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())
