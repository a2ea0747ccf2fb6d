"""Results of commands on the output: as rows, as tables, or as JSON."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import typer

from nasturtium.display.printable import escape_unprintable

if TYPE_CHECKING:
    from nasturtium.retraining.retrained import Retrained
    from nasturtium.study.study import Study

__all__ = ["print_retrained", "print_rows", "print_search_result", "print_table", "print_text"]

UNWRAPPED = 10_000  # columns of a table that is written to a pipe or a log


def print_text(text: str) -> None:
    """Print a text, in which names and messages of a study cannot control the terminal."""
    typer.echo(escape_unprintable(text, keep="\n"))


def print_search_result(study: Study, as_json: bool) -> None:
    """Print the result of a search."""
    from nasturtium.status.study_summary import address, rows, summary

    if as_json:
        typer.echo(json.dumps(summary(study)))
        return
    print_rows(rows(study))
    name = PurePath(study.manifest["data"]["name"]).name or "network"
    export = shlex.quote(f"{name}.onnx")
    print_text(f"\nnext: nasturtium finish {shlex.quote(address(study))} --export {export}")


def print_retrained(network: Retrained, files: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print a retrained network and the files that it was written to."""
    from nasturtium.retraining.retrained import NEW_WEIGHTS
    from nasturtium.status.study_summary import format_metric

    if as_json:
        body = {
            "trial": network.trial,
            "metrics": dict(network.metrics),
            "architecture": network.architecture.to_json(),
            "recipe": network.recipe.to_json(),
            "seconds": network.seconds,
            "reused": network.reused,
            "weights": network.weights,
            "files": list(files),
        }
        typer.echo(json.dumps(body))
        return
    weights = network.weights
    if not network.reused:
        weights = f"{network.seconds:.0f} s of training{weights.removeprefix(NEW_WEIGHTS)}"
    lines = [("network", f"trial {network.trial}, {network.recipe.epochs} epochs, {weights}")]
    metrics = [f"{name} {format_metric(name, value)}" for name, value in network.metrics.items()]
    lines.append(("test", ", ".join(metrics)))
    lines += [("file", _describe_file(file)) for file in files]
    print_rows(lines)


def _describe_file(file: Mapping[str, Any]) -> str:
    """Return a written file and its measurements as text."""
    text = f"{file['path']}, {file['bytes']:,} bytes"
    if file["format"] == "card":
        return f"{text}: the model card"
    text += f"; differs by {file['difference']:.1e} on {file['compared']} real inputs"
    if file["accuracy"] is not None:
        text += f", {100 * file['accuracy']:.2f} % of the test examples right"
    return f"{text}, {file['latency_ms']:.3f} ms for one"


def print_rows(rows: Iterable[tuple[str, str]], *, folded: bool = False) -> None:
    """Print labels and texts in two columns; texts are not wrapped, so that they can be searched.

    Args:
        rows: the labels and texts.
        folded: wrap texts that are wider than the terminal, if the output is one.
    """
    rows = list(rows)
    wide = max((len(label) for label, _ in rows), default=0)
    room = shutil.get_terminal_size().columns - wide - 2
    for label, text in rows:
        parts = [text]
        if folded and sys.stdout.isatty() and room >= 20:
            inner = " " * (len(text) - len(text.lstrip()) + 2)
            parts = textwrap.wrap(text, room, subsequent_indent=inner) or [text]
        for place, part in enumerate(parts):
            print_text(f"{'' if place else label:<{wide}}  {part}")


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under heads; wrapped to the width of a terminal, and unwrapped elsewhere."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = sys.stdout.isatty()
    table = Table(*heads, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*(Text(escape_unprintable(cell)) for cell in row))
    console = Console(
        force_terminal=terminal, width=None if terminal else UNWRAPPED, highlight=False
    )
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())
