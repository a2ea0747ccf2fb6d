"""A search from data to a study: what :func:`search` does, step by step."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from nasturtium.errors import (
    EstimateError,
    NasturtiumError,
    SpaceError,
    StoreError,
    StrategyError,
    TaskError,
)
from nasturtium.estimate.combined import Combined
from nasturtium.estimate.hardware import COUNTS, Hardware
from nasturtium.estimate.train import Train
from nasturtium.execute.executor import Executor, Here, Processes, cores
from nasturtium.execute.tune import Tuning, tune
from nasturtium.run.arguments import arguments_of, goals_in
from nasturtium.run.defaults import resolve_defaults, trained
from nasturtium.run.load_options import load_options, said
from nasturtium.run.loop import SearchLoop
from nasturtium.run.manifest import changed, manifest_of, of_examples
from nasturtium.run.names import made, parsed, recipe_space
from nasturtium.run.open_study import admitted, manifest_in
from nasturtium.run.preflight import check_budget
from nasturtium.run.progress import Stage, Watch, automatic, both
from nasturtium.space.base import Space
from nasturtium.space.choice_space import ChoiceSpace
from nasturtium.space.graph_space import GraphSpace
from nasturtium.space.recipe_space import RecipeSpace
from nasturtium.study.confirmation import default_count
from nasturtium.study.context import StudyContext
from nasturtium.study.estimator import Estimator
from nasturtium.study.files import Files
from nasturtium.study.job import Job
from nasturtium.study.objective import Objective, parse_constraint, parse_objective
from nasturtium.study.preparation import Preparation
from nasturtium.study.stores.base import Store
from nasturtium.study.stores.open_store import files_folder, open_store
from nasturtium.study.strategy import Strategy
from nasturtium.study.study import Study
from nasturtium.study.trial import Proposal, Trial
from nasturtium.study.validate import parse_metrics
from nasturtium.task.augment import Augment
from nasturtium.task.sources import load as task_from
from nasturtium.task.storage import memory_budget
from nasturtium.task.task import Task
from nasturtium.train.fields import check_types, hints_of
from nasturtium.train.numerics import Numerics, usual_torch
from nasturtium.train.recipe import Recipe

__all__ = ["resume", "search"]

CHANGES = (
    "trials",
    "hours",
    "executor",
    "time_limit",
    "progress",
    "watch",
)  # what may be another when a study goes on
PARTS = ("space", "strategy", "estimator", "executor")  # checked where they are made
SAMPLES = 2000  # architectures drawn to see whether bounds can be met at all
SECONDS = 5.0  # and the time for it


@usual_torch()
def search(
    data: Any,
    *,
    load: Mapping[str, Any] | str | None = None,
    space: Space | str = "mobilenet",
    recipe: Recipe | RecipeSpace | str | None = None,
    strategy: Strategy | str = "portfolio",
    estimator: Estimator | str = "train",
    objectives: Iterable[Objective | str] = ("accuracy",),
    constraints: Iterable[Objective | str] = (),
    trials: int = 100,
    hours: float | None = None,
    control: float = 0.1,
    confirm: int | None = None,
    executor: Executor | str | None = None,
    store: Store | str | Path | None = "study.db",
    name: str | None = None,
    seed: int = 0,
    split_seed: int = 0,
    time_limit: float | None = None,
    numerics: Numerics | str | None = None,
    ordered: bool = True,
    progress: bool | None = None,
    watch: Watch | None = None,
) -> Study:
    """Search an architecture for some data; the same call again goes on where it stopped.

    Args:
        data: a name of scikit-learn's bundled sets (``digits``), a folder of images
            (``train/<class>/*.png``), arrays ``(X, y)``, tables ``(frame, "label")``, torch-style
            data sets, or a ``Task``.
        load: options of :func:`nasturtium.load` for the data: ``layout``, ``missing``, ``size``,
            ``skip_unreadable``, ``fractions``; as a mapping, or text such as
            ``"skip_unreadable=True"``. They are kept with the study.
        space: a space, its name, or ``file.py:name``.
        recipe: how candidates are trained; text such as ``"epochs=5,optimizer=adamw"`` changes the
            default, and ``flip=True,crop=4`` are short for ``augment={flip: True, crop: 4}``;
            a space of recipes (``training``, ``randaugment(epochs=5)``, ``@nas.recipe``, or
            ``file.py:name``) is searched together with the architecture.
        strategy: who proposes; text such as ``"evolution(population=50)"`` gives arguments.
        estimator: what gives the metrics: ``train``, ``hardware``, or your own.
        objectives: metrics to make large or small, the first decides single questions.
        constraints: bounds to keep, e.g. ``("latency<5ms", "params<50k")``.
        trials: how many candidates; ones that a free count rejects are not counted.
        hours: stop asking after so much time.
        control: uniformly drawn candidates beside the search, as a share of its trials; the
            strategy's own uniform draws count.
        confirm: how many of the best candidates are trained once more at the end, with another
            seed, so that the answer is the one with the best mean and not the luckiest; if not
            given, a tenth of the trials and at most 5, and none with several objectives. 0 takes
            the best single estimate.
        executor: ``"here"``, ``"processes(workers=4)"``, or an executor; measured if not given.
        store: where the log is kept: a path, an SQLAlchemy URL, a store, or ``None`` for memory.
        name: the study's name in the store; made of data, space and strategy if not given.
        seed: all randomness of the search and of trainings is keyed by it.
        split_seed: divides off validation and test examples where the data do not come divided;
            studies of other seeds share the same ones.
        time_limit: seconds after which a trial fails. A training ends at the limit; an estimate
            that does not look at it is ended with its worker process, half a limit and 20 s later.
            With ``executor="here"`` such an estimate is not ended; without a limit, a trial that
            hangs is never ended.
        numerics: threads, precision and memory format, e.g. ``"precision=bf16"``; measured if not
            given.
        ordered: log outcomes in the order of trials, which makes W workers give the same study in
            every run; else as they come, which may leave less idle.
        progress: whether to show what goes on. If not given: a panel on a terminal, lines in a
            notebook, and elsewhere messages of the logger ``nasturtium`` at the level INFO;
            nothing if there is a ``watch``.
        watch: called as ``watch(study, stage, trial)`` while the search goes on. The stages are
            ``check`` (the space is tried out), ``tune`` (speeds are measured), ``prepare``
            (strategy and estimator do lengthy work), ``search``, ``epoch``, and ``done``. The trial
            is the one that was just logged in ``search``, and ``None`` while nothing is; in
            ``epoch`` it is a running one with its curve so far, where the strategy may stop
            trainings, as the default does.

    Returns:
        the study: its history, best trial and front.

    Raises:
        TaskError: the data cannot be used.
        SpaceError: the space does not fit the data.
        StrategyError: bounds that nothing meets, a strategy that cannot work here, or fewer trials
            than its population or first rung.
        StoreError: the store cannot be used, another driver has the study, or a study of that
            name exists with other settings.
        EstimateError: the first ten trials all failed.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.search("digits", space="nasbench201(cells=1,channels=4)", trials=2,
        ...     recipe="epochs=1", executor="here", store=None, control=0)
        >>> len(study.history.finished)
        2
    """
    given = dict(locals())
    _check_arguments(given)
    show = automatic(progress, watch is not None, trials, hours)
    if show is not None:
        with show:
            return search(**{**given, "progress": False, "watch": both(show, watch)})
    if trials < 1 or not 0 <= control < 1:
        raise StrategyError(
            f"search got trials={trials}, control={control}; expected at least one trial and a "
            "share of control from 0 up to, not including, 1"
        )
    policy: Strategy = made("strategy", strategy) if isinstance(strategy, str) else strategy
    if not isinstance(policy, Strategy):
        raise _misplaced("strategy", policy, Strategy)
    folder = files_folder(store)
    cache = None if folder is None else Files(folder).tasks
    options = load_options(load)
    given["load"] = said(options)
    if isinstance(data, Task) and options:
        raise TaskError(
            "load= was given with a Task, which is loaded; give the options to nas.load"
        )
    task = task_from(data, seed=split_seed, cache=cache, memory=memory_budget(), **options)
    bound = bound_space(space, task)
    asked = recipe_space(recipe) if isinstance(recipe, str) else recipe
    if isinstance(asked, RecipeSpace):
        bound, recipe = joined(bound, asked), None
    goals = tuple(map(parse_objective, goals_in("objectives", objectives)))
    bounds = tuple(map(parse_constraint, goals_in("constraints", constraints)))
    _check_goals(goals, bounds)
    again = _confirmations(confirm, trials, goals)
    settings = told_recipe(recipe, Recipe())
    worker = _estimator(estimator, settings, goals, bounds)
    _check_metrics(worker, goals, bounds)
    policy = resolve_defaults(policy, bound, task, worker, settings)
    check_budget(strategy if isinstance(strategy, str) else type(policy).__name__, policy, trials)
    log = open_store(store)
    named = name or f"{task.name}-{bound.name}-{_label(strategy)}"
    lease = log.lease(named)
    runner: Executor | None = None
    try:
        study = Study(
            bound,
            policy,
            objectives=goals,
            constraints=bounds,
            store=log,
            name=named,
            seed=seed,
            screen=_screen(worker, bound, task, bounds),
            trains=trained(bound, task, worker),
        )
        say = _speaker(study, watch)
        before = study.manifest
        identity = manifest_of(
            task, bound, policy, worker, goals, bounds, given, settings, seed, control, ordered
        )
        if before:
            changed(before, identity, named)
        else:
            say("check")
            _check_space(bound, task)
            _check_bounds(study, bound, bounds)
        files = study.files = study.files or _temporary_files(study)
        files.tidy(named, {trial.number for trial in study.history.pending} if before else None)
        study.task = task
        context = StudyContext(
            named, seed, bound, task, files, None, time_limit, study.prepared, bounds
        )
        runner, tuning = _ready(
            executor, numerics, before, context, worker, settings.batch_size, say
        )
        if not before:
            study.log(
                "manifest",
                {
                    "name": named,
                    **identity,
                    **of_examples(task),
                    **tuning,
                    "measured": {"started": _now()},
                },
            )
        _prepare(study, context, policy, worker, say)
        drive = SearchLoop(
            study,
            context,
            runner,
            lease,
            trials=trials,
            hours=hours,
            control=control,
            confirm=again,
            lag=study.manifest["lag"],
            ordered=ordered,
            watch=lambda trial: say("search", trial),
            reported=lambda trial: say("epoch", trial),
        )
        say("search")
        runner.start(context, worker, drive.heard if _stops(policy) else None)
        drive.run()
        say("done")
        return study
    finally:
        if runner is not None:
            runner.stop()
        lease.release()


def resume(
    store: Store | str | Path, name: str | None = None, *, trust: bool = False, **changes: Any
) -> Study:
    """Go on with a study that was started from the command line or from named parts.

    Args:
        store: where its log is.
        name: which study; may be left out where the store holds one.
        trust: let files and modules run that the store names, also those that this user has not
            searched with before.
        **changes: budget and surroundings: ``trials``, ``hours``, ``executor``, ``time_limit``,
            ``progress``, ``watch``.

    Raises:
        StoreError: there is no such study, or it was started from objects that only its program
            has; calling :func:`search` with them again resumes it. Or it names code of which this
            user has not run the same content.
    """
    unknown = [key for key in changes if key not in CHANGES]
    if unknown:
        raise StoreError(
            f"resume got {unknown[0]}={changes[unknown[0]]!r}; a study goes on with the settings "
            f"that it was started with, and {', '.join(CHANGES)} may change"
        )
    log = open_store(store)
    manifest = manifest_in(log, name)
    call = admitted(manifest, trust)
    missing = [key for key, value in call.items() if value == "?"]
    if missing:
        raise StoreError(
            f"study {manifest['name']!r} was started by a program with its own "
            f"{', '.join(missing)}; run that program again, and it goes on where it stopped"
        )
    kept = {key: _unlisted(value) for key, value in call.items() if value is not None}
    kept.setdefault("split_seed", manifest["seed"])  # one seed did both in older studies
    return search(**{**kept, **changes, "store": log, "name": manifest["name"]})


# -- the steps ----------------------------------------------------------------------------------


def _check_arguments(given: Mapping[str, Any]) -> None:
    """Refuse arguments of other types, and times that are none."""
    plain = {key: value for key, value in given.items() if key not in PARTS}
    check_types("search", plain, hints_of(search), StrategyError)
    if given["name"] is not None and not given["name"].isprintable():
        raise StoreError(
            f"search got name={given['name']!r}; expected letters, numbers and signs, no others"
        )
    for word in ("hours", "time_limit"):
        value = given[word]
        if value is not None and not 0 < value < math.inf:
            raise StrategyError(f"search got {word}={value}; expected a positive number")


def _check_goals(goals: tuple[Objective, ...], bounds: tuple[Objective, ...]) -> None:
    if not goals:
        raise StrategyError("search got no objective; give a metric's name such as accuracy")
    for one in bounds:
        if not math.isfinite(one.bound or 0.0):
            raise StrategyError(f"the bound {one} is no finite number; leave it out")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def bound_space(space: Space | str, task: Task) -> Space:
    """The space, by name or as it is, under the task's facts."""
    found = made("space", space) if isinstance(space, str) else space
    if not isinstance(found, Space):
        raise SpaceError(
            f"space={space!r} is {type(found).__name__}; expected a space: decorate the builder "
            "with @nas.space"
        )
    return found.bind_known(**task.facts)


def joined(space: Space, recipe: RecipeSpace) -> Space:
    """A space of architectures and training settings.

    Raises:
        SpaceError: the space asks for no decisions.
    """
    if not isinstance(space, ChoiceSpace):
        raise SpaceError(
            f"space {space.name!r} cannot be joined with recipe {recipe.name!r}: only spaces made "
            "by @nas.space ask for decisions"
        )
    return space.joined(recipe)


def told_recipe(recipe: Recipe | RecipeSpace | str | None, usual: Recipe) -> Recipe:
    """The recipe, where text changes the usual one.

    Raises:
        EstimateError: it sets nothing, or is a space of recipes.
    """
    if isinstance(recipe, Recipe):
        return recipe
    if recipe is None:
        return usual
    if isinstance(recipe, RecipeSpace) or recipe_space(recipe) is not None:
        raise EstimateError(
            f"recipe={str(recipe)!r} asks for settings, which only a search decides; give them "
            "here, e.g. epochs=5,lr=0.05"
        )
    changes = arguments_of("recipe", recipe, example="epochs=5,lr=0.05")
    fields = {field.name for field in dataclasses.fields(Augment)}
    short = {name: changes.pop(name) for name in fields & set(changes)}  # flip=True, crop=4
    if short:
        augment = changes.get("augment", usual.to_json()["augment"])
        if not isinstance(augment, Mapping):
            raise EstimateError(f"recipe: augment={augment!r}; expected a dict such as {short}")
        changes["augment"] = {**augment, **short}
    return Recipe.from_json({**usual.to_json(), **changes})


def _confirmations(given: int | None, trials: int, goals: tuple[Objective, ...]) -> int:
    """How many candidates are confirmed.

    Raises:
        StrategyError: a number that makes no sense, or several objectives.
    """
    if given is None:
        return default_count(trials, len(goals))
    if isinstance(given, bool) or not isinstance(given, int) or given < 0 or given == 1:
        raise StrategyError(
            f"search got confirm={given!r}; expected 0, or how many candidates (2 or more) are "
            "trained once more"
        )
    if given and len(goals) > 1:
        raise StrategyError(
            f"search got confirm={given} with {len(goals)} objectives; candidates are confirmed "
            "by a single objective: leave confirm out"
        )
    return given


def _numerics(given: Numerics | str) -> Numerics:
    if isinstance(given, Numerics):
        return given
    words = arguments_of("numerics", given, example="threads=1,precision=bf16")
    if not words:
        raise EstimateError("numerics is empty; write e.g. threads=1,precision=bf16")
    return Numerics.from_json(words)


def _estimator(
    estimator: Estimator | str,
    recipe: Recipe,
    goals: tuple[Objective, ...],
    bounds: tuple[Objective, ...],
) -> Estimator:
    """The estimator, with counts beside it, and with latency where somebody asks for it."""
    if isinstance(estimator, str):
        name, arguments = parsed("estimator", estimator)
        if name == "train":
            check_types("estimator 'train'", arguments, hints_of(Train))
            try:
                estimator = Train(recipe, **arguments)
            except TypeError as error:
                raise EstimateError(f"estimator {name!r}: {error}") from error
        else:
            estimator = made("estimator", estimator)
    if not isinstance(estimator, Estimator):
        raise _misplaced("estimator", estimator, Estimator)
    wanted = {objective.metric for objective in (*goals, *bounds)}
    extra = [metric for metric in COUNTS if metric not in estimator.metrics]
    if "latency" in wanted and "latency" not in estimator.metrics:
        extra.append("latency")
    return Combined(Hardware(tuple(extra)), estimator) if extra else estimator


def _check_metrics(
    estimator: Estimator, goals: tuple[Objective, ...], bounds: tuple[Objective, ...]
) -> None:
    from difflib import get_close_matches

    for objective in (*goals, *bounds):
        if objective.metric not in estimator.metrics:
            near = get_close_matches(objective.metric, estimator.metrics, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise EstimateError(
                f"nothing gives the metric {objective.metric!r}{hint} (there are: "
                f"{', '.join(estimator.metrics)})"
            )


def _screen(
    estimator: Estimator, space: Space, task: Task, bounds: tuple[Objective, ...]
) -> Callable[[Any], Mapping[str, float]] | None:
    """Gives the free metrics that bounds are about; ``None`` where there are none."""
    wanted = dict.fromkeys(bound.metric for bound in bounds)
    counted = tuple(metric for metric in wanted if metric in COUNTS)
    free: list[Estimator] = [Hardware(counted)] if counted else []
    free += [part for part in _free(estimator) if not wanted.keys().isdisjoint(part.metrics)]
    if not free:
        return None
    context = StudyContext("screen", 0, space, task)

    def screen(architecture: Any) -> Mapping[str, float]:
        found: dict[str, float] = {}
        for part in free:
            # Where one fails, the trial is asked for, and fails with the reason.
            with contextlib.suppress(Exception):
                found |= parse_metrics(
                    part.estimate(Job(0, Proposal(architecture), context)), "a bound"
                )
        return found

    return screen


def _free(estimator: Estimator) -> Iterator[Estimator]:
    """The parts whose estimates are free; counts are made anyway, and only those asked for."""
    if isinstance(estimator, Combined):
        for part in estimator.parts:
            yield from _free(part)
    elif isinstance(estimator, Hardware) or type(estimator).prepare is not Estimator.prepare:
        return
    elif estimator.free:
        yield estimator


def _check_space(space: Space, task: Task) -> None:
    if isinstance(space, (ChoiceSpace, GraphSpace)):
        space.check(task.inputs, task.classes)


def _check_bounds(study: Study, space: Space, bounds: tuple[Objective, ...]) -> None:
    """Draw architectures for some seconds; if none meets the bounds, say how near they came."""
    screen = study._screen
    if screen is None:
        return
    rng, end = Random(0), time.monotonic() + SECONDS
    nearest: dict[str, float] = {}
    for number in range(1, SAMPLES + 1):
        metrics = screen(space.sample(rng))
        broken = False
        for bound in bounds:
            value = metrics.get(bound.metric)
            if value is None:
                continue
            broken = broken or bound.excess(value) > 0.0
            best = nearest.get(bound.metric, value)
            nearest[bound.metric] = max(best, value) if bound.goal == "max" else min(best, value)
        if not broken:
            return
        if time.monotonic() > end or number == SAMPLES:
            break
    shown = ", ".join(f"{metric} {value:g}" for metric, value in nearest.items())
    raise StrategyError(
        f"none of {number:,} random architectures meets {', '.join(map(str, bounds))}; the "
        f"nearest had {shown}; loosen the bound, or scale the space down"
    )


def _ready(
    executor: Executor | str | None,
    numerics: Numerics | str | None,
    before: Mapping[str, Any],
    context: StudyContext,
    estimator: Estimator,
    batch_size: int,
    say: Callable[..., None],
) -> tuple[Executor, dict[str, Any]]:
    """The executor and the numerics: those of the study, those given, or measured ones."""
    runner = made("executor", executor) if isinstance(executor, str) else executor
    if runner is not None and not isinstance(runner, Executor):
        raise _misplaced("executor", runner, Executor)
    if before:
        context.numerics = Numerics.from_json(before["numerics"])
        if numerics is not None and _numerics(numerics) != context.numerics:
            raise StoreError(
                f"study {context.study!r} computes with {context.numerics}, this call has "
                f"{_numerics(numerics)}; they change results, so leave numerics out to go on, or "
                "give another name"
            )
        if runner is None:
            runner = Here() if before["executor"] == "here" else Processes(before["workers"])
        return runner, {}
    tuning: Tuning | None = None
    if numerics is not None:
        context.numerics = _numerics(numerics)
    elif isinstance(runner, Here) or not _trains(estimator):
        context.numerics = Numerics()  # nothing is measured; small networks lose by more threads
    if context.numerics is None:
        say("tune")
        runner = runner or Processes()
        if isinstance(runner, Processes):
            runner.start(context, estimator)
            tuning = tune(runner, context, batch_size)
            context.numerics = tuning.numerics
            runner.workers = tuning.workers
        else:
            context.numerics = Numerics()
    elif runner is None:
        fitting = max(1, cores() // context.numerics.threads)
        if _trains(estimator):
            runner = Processes(fitting)
        else:  # only a worker process can be ended at a time limit
            runner = Here() if context.time_limit is None else Processes(1)
    facts: dict[str, Any] = {
        "numerics": context.numerics.to_json(),
        "executor": type(runner).__name__.lower(),
        "workers": runner.workers,
        "lag": runner.workers if runner.workers == 1 else 2 * runner.workers,
    }
    if tuning is not None:
        facts["tuning"] = dict(tuning.measured)
    return runner, facts


def _misplaced(role: str, part: object, kind: type) -> NasturtiumError:
    error = StrategyError if role == "strategy" else EstimateError
    hint = "; it is a class, so make one of it" if isinstance(part, type) else ""
    return error(f"{role}={part!r} is no {role}; expected a name or a nas.{kind.__name__}{hint}")


def _temporary_files(study: Study) -> Files:
    """Files of a study that is kept in memory; they go when it goes."""
    folder = tempfile.mkdtemp(prefix="nasturtium-")
    weakref.finalize(study, shutil.rmtree, folder, ignore_errors=True)
    return Files(folder)


def _trains(estimator: Estimator) -> bool:
    parts = estimator.parts if isinstance(estimator, Combined) else (estimator,)
    return any(isinstance(part, Train) for part in parts)


def _prepare(
    study: Study,
    context: StudyContext,
    strategy: Strategy,
    estimator: Estimator,
    say: Callable[..., None],
) -> None:
    """Let strategy and estimator do their lengthy work, once."""
    for role, part, base in (
        ("strategy", strategy, Strategy),
        ("estimator", estimator, Estimator),
    ):
        parts = part.parts if isinstance(part, Combined) else (part,)
        if any(type(one).prepare is not base.prepare for one in parts):
            say("prepare")
            part.prepare(Preparation(context, role, lambda data: study.log("prepared", data)))


def _stops(strategy: Strategy) -> bool:
    return type(strategy).stops is not Strategy.stops


def _speaker(study: Study, watch: Watch | None) -> Callable[..., None]:
    def say(stage: Stage, trial: Trial | None = None) -> None:
        if watch is not None:
            watch(study, stage, trial)

    return say


def _label(part: object) -> str:
    if isinstance(part, str):
        return part.partition("(")[0].rpartition(":")[2]
    return type(part).__name__.lower()


def _unlisted(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
