"""``nasturtium race``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from nasturtium.cli.answer import Json, completing, going_on

__all__ = ["race"]


def race(
    strategies: Annotated[
        list[str],
        typer.Argument(
            help='two or more, e.g. random "evolution(population=10,sample=3)"',
            autocompletion=completing("strategy"),
        ),
    ],
    benchmark: Annotated[
        str,
        typer.Option(
            help="a table under $NASTURTIUM_DATA, e.g. nasbench201(dataset='cifar100')",
            autocompletion=completing("benchmark"),
        ),
    ] = "nasbench201",
    trials: Annotated[int | None, typer.Option(help="budget of each run in trials")] = None,
    seconds: Annotated[
        float | None, typer.Option(help="budget of each run in simulated seconds")
    ] = None,
    repeats: Annotated[int, typer.Option(min=2, help="seeds of each strategy")] = 100,
    workers: Annotated[int | None, typer.Option(help="processes")] = None,
    lanes: Annotated[int, typer.Option(min=1, help="simulated machines")] = 1,
    objectives: Annotated[
        list[str], typer.Option(help="metrics to make large or small; repeat for several")
    ] = ["accuracy"],  # noqa: B006 - typer copies it
    constraints: Annotated[
        list[str], typer.Option(help="bounds to keep, e.g. params<0.5M; repeat for several")
    ] = [],  # noqa: B006
    seed: Annotated[int, typer.Option(help="the whole race is keyed by it")] = 0,
    plot: Annotated[Path | None, typer.Option(help="draw the curves into this HTML file")] = None,
    as_json: Json = False,
) -> None:
    """Race strategies on a table of results that somebody measured: same budget, many seeds."""
    from nasturtium.atomic_write import check_target
    from nasturtium.comparison.race import race as run
    from nasturtium.run.names import build_part

    if plot is not None:
        check_target("the plot", plot)
    table = build_part("benchmark", benchmark)
    if trials is None and seconds is None:
        trials = 100
    with going_on():
        raced = run(
            strategies,
            table,
            trials=trials,
            seconds=seconds,
            repeats=repeats,
            workers=workers,
            lanes=lanes,
            objectives=tuple(objectives),
            constraints=tuple(constraints),
            seed=seed,
        )
    if plot is not None:
        raced.plot(plot)
    typer.echo(json.dumps(raced.to_json()) if as_json else str(raced))
