"""``nasturtium status`` and ``nasturtium best``, which write nothing."""

from __future__ import annotations

import json

import typer

from nasturtium.cli import options
from nasturtium.cli.output import print_rows, print_text
from nasturtium.errors import StoreError
from nasturtium.study.stores.redact import redact

__all__ = ["best", "status"]


def status(study: options.StoreName, as_json: options.Json = False) -> None:
    """Print the status of a study, also while it runs, or of every study in a store."""
    from nasturtium.run.open_study import read_manifest
    from nasturtium.run.store_address import find_store
    from nasturtium.status.study_overview import read_overview
    from nasturtium.status.study_summary import rows, summary

    store, name = find_store(study, read_only=True)
    names = (name,) if name is not None else store.studies()
    if not names:
        raise StoreError(
            f"the store {redact(study)!r} contains no study; nasturtium search starts one"
        )
    studies = [read_overview(store, one, read_manifest(store, one, whole=False)) for one in names]
    if as_json:
        summaries = [summary(one) for one in studies]
        typer.echo(json.dumps(summaries if name is None else summaries[0]))
        return
    for place, one in enumerate(studies):
        if place:
            typer.echo()
        print_rows(rows(one))


def best(study: options.StoreName, top: options.TopBest = 1, as_json: options.Json = False) -> None:
    """Print the best architecture of a study, decision by decision."""
    from nasturtium.run.open_study import open_study, read_manifest
    from nasturtium.run.store_address import find_store
    from nasturtium.status.study_overview import overview_of, read_overview
    from nasturtium.status.study_summary import format_metrics, trial_to_json
    from nasturtium.study.log_summary import BEST

    store, name = find_store(study, read_only=True)
    if top <= BEST:
        manifest = read_manifest(store, name, whole=False)
        opened = read_overview(store, manifest["name"], manifest)
    else:
        opened = overview_of(open_study(store, name))
    answer = opened.best or open_study(store, name).best
    others = [
        t for t in opened.candidates.best(top) if t.architecture.key != answer.architecture.key
    ]
    trials = [answer, *others][:top]
    if as_json:
        bodies = [trial_to_json(trial) for trial in trials]
        typer.echo(json.dumps(bodies if top > 1 else bodies[0]))
        return
    for place, trial in enumerate(trials):
        if place:
            typer.echo()
        violates = opened.history.violation(trial)
        note = " (violates a constraint: no trial meets all of them)" if violates else ""
        print_text(f"trial {trial.number}: {format_metrics(opened, trial)}{note}")
        print_rows([(f"  {key}", str(value)) for key, value in trial.architecture.items()])
