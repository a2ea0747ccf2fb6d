"""``nasturtium evidence`` and ``nasturtium report``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nasturtium.cli.answer import Json, Quiet, StoreName, Trust, going_on, plain

if TYPE_CHECKING:
    from nasturtium.analyse.prospect import Prospect
    from nasturtium.analyse.retrained import Training

__all__ = ["evidence", "report"]


def evidence(
    study: StoreName,
    top: Annotated[
        int, typer.Option(min=1, help="how many networks of search and control are compared")
    ] = 3,
    seeds: Annotated[int, typer.Option(min=1, help="trainings of each network")] = 3,
    spread: Annotated[
        int, typer.Option(min=0, help="others trained once, for the rank correlation")
    ] = 4,
    references: Annotated[
        bool, typer.Option(help="train reference networks as well", metavar="")
    ] = True,
    budget_seconds: Annotated[
        float | None, typer.Option(help="start no further training after so much time")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="how; the study's own, four times as long, if not given"),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="the data; those of the study, read again, if not given")
    ] = None,
    saved: Annotated[
        bool, typer.Option("--saved", help="train nothing, tell what is known so far", metavar="")
    ] = False,
    trust: Trust = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say whether a search was worth it: against its random control and reference networks."""
    from nasturtium.run.open_study import open_study
    from nasturtium.run.store_address import find_store

    opened = open_study(*find_store(study), with_space=True, own=not saved, trust=trust)
    with going_on():
        from nasturtium.retraining.evidence import collect_evidence, load_evidence
        from nasturtium.run.progress_text import format_training

        def watch(training: Training, done: int, wanted: int) -> None:
            if not quiet:
                line = plain(format_training(training))
                print(f"trained {done} of {wanted}: {line}", file=sys.stderr)

        def foreseen(prospect: Prospect) -> None:
            if not quiet:
                print(prospect, file=sys.stderr)

        told = (
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
    typer.echo(json.dumps(told.to_json()) if as_json else plain(str(told)))


def report(
    study: StoreName,
    out: Annotated[Path, typer.Option(help="the page; an existing one is replaced")] = Path(
        "report.html"
    ),
    as_json: Json = False,
) -> None:
    """Write a study as one HTML page, which opens offline: the answer, evidence, every trial."""
    from nasturtium.errors import NasturtiumError
    from nasturtium.report.page import report as write
    from nasturtium.retraining.evidence import load_evidence
    from nasturtium.run.command_line import command_line
    from nasturtium.run.open_study import open_study, read_manifest
    from nasturtium.run.store_address import find_store, split_address

    store, name = find_store(study, read_only=True)
    try:
        opened = open_study(store, name, with_space=True, own=False)
    except NasturtiumError as error:  # the page goes without the drawing
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
    typer.echo(plain(f"{path}  {path.stat().st_size:,} bytes; open it in any browser"))
