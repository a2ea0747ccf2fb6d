"""``nasturtium evidence`` and ``nasturtium report``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nasturtium.cli import options
from nasturtium.cli.output import print_text
from nasturtium.cli.progress import report_interrupt
from nasturtium.display.printable import escape_unprintable

if TYPE_CHECKING:
    from nasturtium.analyse.comparison.prospect import Prospect
    from nasturtium.analyse.comparison.retrained import Training

__all__ = ["evidence", "report"]


def evidence(
    study: options.StoreName,
    top: options.Top = 3,
    seeds: options.Seeds = 3,
    spread: options.Spread = 4,
    references: options.References = True,
    budget_seconds: options.Budget = None,
    recipe: options.RetrainRecipe = None,
    data: options.RetrainData = None,
    saved: options.Saved = False,
    trust: options.Trust = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Compare a search with its random control and with reference networks, all retrained."""
    from nasturtium.run.open_study import open_study
    from nasturtium.run.store_address import find_store

    opened = open_study(*find_store(study), with_space=True, own=not saved, trust=trust)
    with report_interrupt():
        from nasturtium.analyse.load_evidence import load_evidence
        from nasturtium.retraining.collect_evidence import collect_evidence
        from nasturtium.run.progress_text import format_training

        def watch(training: Training, done: int, wanted: int) -> None:
            if not quiet:
                line = escape_unprintable(format_training(training))
                print(f"trained {done} of {wanted}: {line}", file=sys.stderr)

        def foreseen(prospect: Prospect) -> None:
            if not quiet:
                print(prospect, file=sys.stderr)

        result = (
            load_evidence(opened)
            if saved
            else collect_evidence(
                opened,
                top=top,
                seeds=seeds,
                spread=spread,
                references=references,
                budget_seconds=budget_seconds,
                recipe=recipe,
                data=data,
                foreseen=foreseen,
                watch=watch,
            )
        )
    if as_json:
        typer.echo(json.dumps(result.to_json()))
    else:
        print_text(str(result))


def report(
    study: options.StoreName,
    out: options.Out = Path("report.html"),
    as_json: options.Json = False,
) -> None:
    """Write a study as one HTML page, which opens offline: the answer, evidence, every trial."""
    from nasturtium.analyse.load_evidence import load_evidence
    from nasturtium.errors import NasturtiumError
    from nasturtium.report.page import report as write
    from nasturtium.run.command_line import command_line
    from nasturtium.run.open_study import open_study, read_manifest
    from nasturtium.run.store_address import find_store, split_address

    store, name = find_store(study, read_only=True)
    try:
        opened = open_study(store, name, with_space=True, own=False)
    except NasturtiumError as error:  # the page then has no drawing
        opened = open_study(store, name, why=str(error))
    try:
        command: str | None = command_line(
            read_manifest(store, opened.name), split_address(study)[0]
        )
    except NasturtiumError:
        command = None
    path = write(opened, out, evidence=load_evidence(opened), command=command)
    if as_json:
        typer.echo(json.dumps({"path": str(path), "bytes": path.stat().st_size}))
        return
    print_text(f"{path}  {path.stat().st_size:,} bytes; open it in any browser")
