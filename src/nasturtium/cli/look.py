"""``nasturtium status``, ``best``, ``spaces`` and ``describe``: they write nothing."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from nasturtium.cli.answer import Json, StoreName, Trust, completing, plain, print_rows, print_table
from nasturtium.errors import StoreError
from nasturtium.study.stores.redact import redact

__all__ = ["best", "describe", "spaces", "status"]


def status(study: StoreName, as_json: Json = False) -> None:
    """Say how far a study is, also while it runs; of a store, every study."""
    from nasturtium.run.open_study import read_manifest
    from nasturtium.run.store_address import find_store
    from nasturtium.status.overview import overview_in
    from nasturtium.status.summary import rows, summary

    log, name = find_store(study, read_only=True)
    names = (name,) if name is not None else log.studies()
    if not names:
        raise StoreError(
            f"the store {redact(study)!r} holds no study; nasturtium search starts one"
        )
    studies = [overview_in(log, one, read_manifest(log, one, whole=False)) for one in names]
    if as_json:
        told = [summary(one) for one in studies]
        typer.echo(json.dumps(told if name is None else told[0]))
        return
    for place, one in enumerate(studies):
        if place:
            typer.echo()
        print_rows(rows(one))


def best(
    study: StoreName,
    top: Annotated[int, typer.Option(min=1, help="how many, best first")] = 1,
    as_json: Json = False,
) -> None:
    """Show the best architecture of a study, decision by decision."""
    from nasturtium.run.open_study import open_study, read_manifest
    from nasturtium.run.store_address import find_store
    from nasturtium.status.overview import overview_in, overview_of
    from nasturtium.status.summary import metrics_in_words, trial_to_json
    from nasturtium.study.log_summary import BEST

    log, name = find_store(study, read_only=True)
    if top <= BEST:
        manifest = read_manifest(log, name, whole=False)
        opened = overview_in(log, manifest["name"], manifest)
    else:
        opened = overview_of(open_study(log, name))
    answer = opened.best or open_study(log, name).best
    others = [t for t in opened.found.best(top) if t.architecture.key != answer.architecture.key]
    trials = [answer, *others][:top]
    if as_json:
        told = [trial_to_json(trial) for trial in trials]
        typer.echo(json.dumps(told if top > 1 else told[0]))
        return
    for place, trial in enumerate(trials):
        if place:
            typer.echo()
        broken = opened.history.violation(trial)
        note = " (breaks a bound: no trial keeps them all)" if broken else ""
        heading = f"trial {trial.number}: {metrics_in_words(opened, trial)}{note}"
        typer.echo(plain(heading))
        print_rows([(f"  {key}", str(value)) for key, value in trial.architecture.items()])


def spaces(as_json: Json = False) -> None:
    """List the search spaces that come with nasturtium."""
    from nasturtium.cli.describe import listed

    found = listed()
    if as_json:
        typer.echo(json.dumps(found))
        return
    print_table(["space", "architectures", "what it is"], [list(row.values()) for row in found])


def describe(
    what: Annotated[
        str,
        typer.Argument(
            metavar="SPACE|STORE:NAME",
            help="a space's name, file.py:name, or a study",
            autocompletion=completing("space"),
        ),
    ],
    command: Annotated[
        bool,
        typer.Option("--command", help="print the command that makes the same study", metavar=""),
    ] = False,
    svg: Annotated[
        Path | None, typer.Option(help="draw a space's example into this file as well")
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option(help="of a space: try it on inputs of this shape, e.g. 3x32x32 or 4x64"),
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=1, help="of a space: for so many classes")
    ] = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Describe a space (size, paper, decisions, an example drawn) or how a study was made."""
    from nasturtium.cli.describe import is_study, of_space, of_study, shape_in

    if not command and not is_study(what):
        told: Mapping[str, Any] = of_space(
            what,
            complete=as_json,
            svg=svg,
            inputs=None if inputs is None else shape_in(inputs),
            classes=classes,
        )
    elif inputs is not None or classes is not None:
        raise StoreError(f"--inputs and --classes are for spaces, and {redact(what)!r} is a study")
    elif svg is not None:
        raise StoreError(
            f"--svg draws the example of a space, and {redact(what)!r} is a study; "
            f"nasturtium report {shlex.quote(redact(what))} draws its best network in a page"
        )
    else:
        from nasturtium.run.command_line import command_line
        from nasturtium.run.open_study import read_manifest
        from nasturtium.run.store_address import find_store, split_address

        manifest = read_manifest(*find_store(what, read_only=True))
        if command:
            typer.echo(command_line(manifest, split_address(what)[0], trust=trust))
            return
        told = manifest if as_json else of_study(manifest)
    if as_json:
        typer.echo(json.dumps(told))
        return
    lines = []
    for key, value in told.items():
        texts = value if isinstance(value, list) else [str(value)] if value else []
        lines += [("" if place else key, text) for place, text in enumerate(texts)]
    print_rows(lines, folded=True)
