"""``nasturtium race``."""

from __future__ import annotations

import json

import typer

from nasturtium.cli import options
from nasturtium.cli.progress import report_interrupt

__all__ = ["race"]


def race(
    strategies: options.Strategies,
    benchmark: options.Benchmark = "nasbench201",
    trials: options.RaceTrials = None,
    seconds: options.RaceSeconds = None,
    repeats: options.Repeats = 100,
    workers: options.WorkerCount = None,
    lanes: options.Lanes = 1,
    objectives: options.Objectives = ["accuracy"],  # noqa: B006 - typer's form of a list
    constraints: options.Constraints = [],  # noqa: B006
    seed: options.RaceSeed = 0,
    plot: options.Plot = None,
    as_json: options.Json = False,
) -> None:
    """Compare strategies on a table of measured results: the same budget, many seeds."""
    from nasturtium.atomic_write import check_target
    from nasturtium.comparison.race import race as run
    from nasturtium.run.names import build_part

    if plot is not None:
        check_target("the plot", plot)
    table = build_part("benchmark", benchmark)
    if trials is None and seconds is None:
        trials = 100
    with report_interrupt():
        result = run(
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
        result.plot(plot)
    typer.echo(json.dumps(result.to_json()) if as_json else str(result))
