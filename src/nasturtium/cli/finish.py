"""``nasturtium finish`` and ``nasturtium export``."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nasturtium.cli import options
from nasturtium.cli.output import print_retrained
from nasturtium.cli.progress import progress_view, report_interrupt

if TYPE_CHECKING:
    from nasturtium.retraining.retrained import Retrained
    from nasturtium.study.study import Study

__all__ = ["export", "finish"]


def finish(
    study: options.StoreName,
    trial: options.TrialNumber = None,
    recipe: options.RetrainRecipe = None,
    data: options.RetrainData = None,
    seed: options.RetrainSeed = None,
    whole: options.Whole = True,
    keep: options.Keep = False,
    export: options.Export = None,
    int8: options.Int8 = False,
    trust: options.Trust = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Retrain the best architecture, measure it on the test split, and export it."""
    from nasturtium.retraining.export_with_card import check_paths
    from nasturtium.run.open_study import open_study
    from nasturtium.run.store_address import find_store

    if export is not None:
        check_paths(export, int8=int8)
    opened = open_study(*find_store(study), with_space=True, trust=trust)
    with report_interrupt(), progress_view(quiet, 0, None) as view, warnings.catch_warnings():
        from nasturtium.retraining.retrain import retrain

        warnings.showwarning = _print_warning
        network = retrain(
            opened,
            trial=trial,
            recipe=recipe,
            data=data,
            seed=seed,
            whole=whole,
            keep=keep,
            watch=view.epoch,
        )
        files = _export(opened, network, export, int8)
    print_retrained(network, files, as_json)


def _print_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning in one line."""
    typer.echo(f"note: {' '.join(str(message).split())}", err=True)


def export(
    study: options.StoreName,
    path: options.ExportPath,
    int8: options.Int8 = False,
    trial: options.RetrainedTrial = None,
    data: options.RetrainData = None,
    trust: options.Trust = False,
    as_json: options.Json = False,
) -> None:
    """Write the network that was retrained last to a file, after comparing the two."""
    from nasturtium.retraining.export_with_card import check_paths
    from nasturtium.run.open_study import open_study
    from nasturtium.run.store_address import find_store

    check_paths(path, int8=int8)
    opened = open_study(*find_store(study), with_space=True, trust=trust)
    with report_interrupt():
        from nasturtium.retraining.load_retrained import load_retrained

        network = load_retrained(opened, trial=trial, data=data)
        files = _export(opened, network, path, int8)
    print_retrained(network, files, as_json)


def _export(
    study: Study, network: Retrained, path: Path | None, int8: bool
) -> list[dict[str, Any]]:
    """Export a network, if there is a path; return the written files as plain JSON."""
    from nasturtium.retraining.export_with_card import export_with_card

    if path is None:
        return []
    written = export_with_card(study, network, path, int8=int8)
    card = {"path": str(written.card), "format": "card", "bytes": written.card.stat().st_size}
    return [*(file.to_json() for file in written.files), card]
