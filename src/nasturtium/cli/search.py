"""``nasturtium search`` and ``nasturtium resume``."""

from __future__ import annotations

from typing import Any

from nasturtium.cli import options
from nasturtium.cli.output import print_search_result
from nasturtium.cli.progress import progress_view, report_interrupt

__all__ = ["resume", "search"]


def search(
    data: options.Data,
    load: options.LoadOptions = None,
    space: options.SpaceName = "mobilenet",
    recipe: options.RecipeText = None,
    strategy: options.StrategyName = "portfolio",
    estimator: options.EstimatorName = "train",
    objectives: options.Objectives = ["accuracy"],  # noqa: B006 - typer's form of a list
    constraints: options.Constraints = [],  # noqa: B006
    trials: options.Trials = 100,
    hours: options.Hours = None,
    control: options.Control = 0.1,
    confirm: options.Confirm = None,
    executor: options.ExecutorName = None,
    store: options.StoreAddress = "study.db",
    name: options.StudyName = None,
    seed: options.Seed = 0,
    split_seed: options.SplitSeed = 0,
    time_limit: options.TimeLimit = None,
    numerics: options.NumericsText = None,
    ordered: options.Ordered = True,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Search an architecture for some data; the same command again resumes where it stopped."""
    with report_interrupt(), progress_view(quiet, trials, hours) as view:
        from nasturtium.run.search import search

        study = search(
            data,
            load=load,
            space=space,
            recipe=recipe,
            strategy=strategy,
            estimator=estimator,
            objectives=tuple(objectives),
            constraints=tuple(constraints),
            trials=trials,
            hours=hours,
            control=control,
            confirm=confirm,
            executor=executor,
            store=store,
            name=name,
            seed=seed,
            split_seed=split_seed,
            time_limit=time_limit,
            numerics=numerics,
            ordered=ordered,
            watch=view,
        )
    print_search_result(study, as_json)


def resume(
    study: options.StoreName,
    trials: options.ResumedTrials = None,
    hours: options.HoursOfAllRuns = None,
    executor: options.ExecutorName = None,
    trust: options.Trust = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Resume a study with the settings that it was started with."""
    from nasturtium.run.open_study import read_manifest
    from nasturtium.run.store_address import find_store

    store, name = find_store(study)
    manifest = read_manifest(store, name)
    given: dict[str, Any] = {"trials": trials, "hours": hours, "executor": executor}
    changes = {key: value for key, value in given.items() if value is not None}
    budget = {**manifest["call"], **changes}
    with report_interrupt(), progress_view(quiet, budget["trials"], budget.get("hours")) as view:
        from nasturtium.run.resume import resume

        resumed = resume(store, manifest["name"], trust=trust, watch=view, **changes)
    print_search_result(resumed, as_json)
