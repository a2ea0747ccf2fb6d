"""``nasturtium finish`` and ``nasturtium export``."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nasturtium.cli.answer import Json, Quiet, StoreName, Trust, going_on, shown, tell_finished

if TYPE_CHECKING:
    from nasturtium.retraining.retrain import Retrained
    from nasturtium.study.study import Study

__all__ = ["export", "finish"]


def finish(
    study: StoreName,
    trial: Annotated[
        int | None, typer.Option(help="which trial; the study's best if not given")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="how; the study's own, four times as long, if not given; text such as "
            '"epochs=60" changes that'
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="the data; those of the study, read again, if not given")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="of weights and training; the study's if not given")
    ] = None,
    whole: Annotated[
        bool,
        typer.Option(
            help="train on training and validation examples together, as nothing is chosen any "
            "more",
            metavar="",
        ),
    ] = True,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep",
            metavar="",
            help="train nothing, take the weights that the trial had in the search",
        ),
    ] = False,
    export: Annotated[
        Path | None,
        typer.Option(help="write the network to this file, .onnx or .pt2, and a model card beside"),
    ] = None,
    int8: Annotated[
        bool,
        typer.Option("--int8", help="write NAME.int8.onnx as well: 8-bit, measured", metavar=""),
    ] = False,
    trust: Trust = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train the best architecture in full, measure it on the test split, and export it."""
    from nasturtium.retraining.model_card import check_paths
    from nasturtium.run.open_study import open_study
    from nasturtium.run.store_address import find_store

    if export is not None:
        check_paths(export, int8=int8)
    opened = open_study(*find_store(study), with_space=True, trust=trust)
    with going_on(), shown(quiet, 0, None) as show, warnings.catch_warnings():
        from nasturtium.retraining.retrain import retrain

        warnings.showwarning = _noted
        done = retrain(
            opened,
            trial=trial,
            recipe=recipe,
            data=data,
            seed=seed,
            whole=whole,
            keep=keep,
            watch=show.epoch,
        )
        files = _export(opened, done, export, int8)
    tell_finished(done, files, as_json)


def _noted(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning in one line."""
    typer.echo(f"note: {' '.join(str(message).split())}", err=True)


def export(
    study: StoreName,
    path: Annotated[Path, typer.Argument(help="the file, .onnx or .pt2; a card goes beside it")],
    int8: Annotated[
        bool,
        typer.Option("--int8", help="write NAME.int8.onnx as well: 8-bit, measured", metavar=""),
    ] = False,
    trial: Annotated[
        int | None, typer.Option(help="the network finished from this trial; else the last one")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="the data; those of the study, read again, if not given")
    ] = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Write the network that was finished last to a file, compared with it before it is kept."""
    from nasturtium.retraining.model_card import check_paths
    from nasturtium.run.open_study import open_study
    from nasturtium.run.store_address import find_store

    check_paths(path, int8=int8)
    opened = open_study(*find_store(study), with_space=True, trust=trust)
    with going_on():
        from nasturtium.retraining.retrain import finished

        done = finished(opened, trial=trial, data=data)
        files = _export(opened, done, path, int8)
    tell_finished(done, files, as_json)


def _export(study: Study, done: Retrained, path: Path | None, int8: bool) -> list[dict[str, Any]]:
    from nasturtium.retraining.model_card import export_with_card

    if path is None:
        return []
    delivered = export_with_card(study, done, path, int8=int8)
    return [
        *(file.to_json() for file in delivered.files),
        {"path": str(delivered.card), "format": "card", "bytes": delivered.card.stat().st_size},
    ]
