"""Resolve a call into a plan: parse its texts, load the data, and decide what was left open."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from nasturtium.errors import EstimateError, NasturtiumError, SpaceError, StrategyError, TaskError
from nasturtium.estimate.combined import Combined
from nasturtium.estimate.hardware import COUNTS, Hardware
from nasturtium.estimate.train import Train
from nasturtium.execute.base import Executor
from nasturtium.run.arguments import check_objectives, parse_arguments
from nasturtium.run.call import SearchCall, call_to_json
from nasturtium.run.defaults import resolve_defaults
from nasturtium.run.load_options import format_load_options, parse_load_options
from nasturtium.run.names import build_part, find_recipe_space, parse_part
from nasturtium.run.plan import SearchPlan
from nasturtium.space.base import Space
from nasturtium.space.choice_space import ChoiceSpace
from nasturtium.space.recipe_space import RecipeSpace
from nasturtium.study.confirmation import default_count
from nasturtium.study.estimator import Estimator
from nasturtium.study.files import Files
from nasturtium.study.objective import Objective, parse_constraint, parse_objective
from nasturtium.study.stores.open_store import files_folder
from nasturtium.study.strategy import Strategy
from nasturtium.task.array_storage import memory_budget
from nasturtium.task.augment import Augment
from nasturtium.task.load import load
from nasturtium.task.task import Task
from nasturtium.train.check_arguments import check_types, find_type_hints
from nasturtium.train.numerics import Numerics
from nasturtium.train.recipe import Recipe

__all__ = ["bind_space", "join_recipe", "parse_numerics", "parse_recipe", "resolve"]


def resolve(call: SearchCall) -> SearchPlan:
    """Return the plan of a call.

    Raises:
        NasturtiumError: a text is not understood, a part is of another kind, or the data cannot be
            used (of the class that :func:`nasturtium.search` lists).
    """
    strategy = _resolve_strategy(call.strategy)
    options = parse_load_options(call.load)
    task = _load_task(call, options)
    space = bind_space(call.space, task)
    recipe = find_recipe_space(call.recipe) if isinstance(call.recipe, str) else call.recipe
    if isinstance(recipe, RecipeSpace):
        space, settings = join_recipe(space, recipe), Recipe()
    else:
        settings = parse_recipe(call.recipe, Recipe())
    objectives, constraints = _parse_objectives(call.objectives, call.constraints)
    estimator = _resolve_estimator(call.estimator, settings, (*objectives, *constraints))
    return SearchPlan(
        name=call.name or f"{task.name}-{space.name}-{_label(call.strategy)}",
        task=task,
        space=space,
        strategy=resolve_defaults(strategy, space, task, estimator, settings),
        estimator=estimator,
        objectives=objectives,
        constraints=constraints,
        recipe=settings,
        seed=call.seed,
        control=call.control,
        ordered=call.ordered,
        numerics=None if call.numerics is None else parse_numerics(call.numerics),
        trials=call.trials,
        hours=call.hours,
        confirm=_resolve_confirm(call.confirm, call.trials, len(objectives)),
        executor=_resolve_executor(call.executor),
        time_limit=call.time_limit,
        store=call.store,
        call=call_to_json(call, format_load_options(options)),
    )


def _load_task(call: SearchCall, options: Mapping[str, Any]) -> Task:
    if isinstance(call.data, Task) and options:
        raise TaskError(
            "load= was given with a Task, which is loaded; give the options to nas.load"
        )
    folder = files_folder(call.store)
    cache = None if folder is None else Files(folder).tasks
    return load(call.data, seed=call.split_seed, cache=cache, memory=memory_budget(), **options)


def bind_space(space: Space | str, task: Task) -> Space:
    """Return a space, given as it is or by its name, bound to the shapes of the data.

    Raises:
        SpaceError: it is not a space, or there is none of that name.
    """
    found = build_part("space", space) if isinstance(space, str) else space
    if not isinstance(found, Space):
        raise SpaceError(
            f"space={space!r} is {type(found).__name__}; expected a space: decorate the builder "
            "with @nas.space"
        )
    return found.bind_known(**task.data_shapes)


def join_recipe(space: Space, recipe: RecipeSpace) -> Space:
    """Return a space of architectures and training settings.

    Raises:
        SpaceError: the space asks for no decisions.
    """
    if not isinstance(space, ChoiceSpace):
        raise SpaceError(
            f"space {space.name!r} cannot be joined with recipe {recipe.name!r}: only spaces made "
            "by @nas.space ask for decisions"
        )
    return space.joined(recipe)


def parse_recipe(recipe: Recipe | RecipeSpace | str | None, default: Recipe) -> Recipe:
    """Return a recipe; a text changes settings of the default one.

    Raises:
        EstimateError: the text is not understood, or it names a space of recipes.
    """
    if isinstance(recipe, Recipe):
        return recipe
    if recipe is None:
        return default
    if not isinstance(recipe, (RecipeSpace, str)):
        raise EstimateError(
            f"recipe={recipe!r} is {type(recipe).__name__}; expected a nas.Recipe, or text such as "
            "epochs=5,lr=0.05"
        )
    if isinstance(recipe, RecipeSpace) or find_recipe_space(recipe) is not None:
        raise EstimateError(
            f"recipe={str(recipe)!r} asks for settings, which only a search decides; give them "
            "here, e.g. epochs=5,lr=0.05"
        )
    changes = parse_arguments("recipe", recipe, example="epochs=5,lr=0.05")
    fields = {field.name for field in dataclasses.fields(Augment)}
    short = {name: changes.pop(name) for name in fields & set(changes)}  # flip=True, crop=4
    if short:
        augment = changes.get("augment", default.to_json()["augment"])
        if not isinstance(augment, Mapping):
            raise EstimateError(f"recipe: augment={augment!r}; expected a dict such as {short}")
        changes["augment"] = {**augment, **short}
    return Recipe.from_json({**default.to_json(), **changes})


def parse_numerics(numerics: Numerics | str) -> Numerics:
    """Return numerics, given as they are or as text such as ``threads=1,precision=bf16``.

    Raises:
        EstimateError: the text is empty or not understood.
    """
    if isinstance(numerics, Numerics):
        return numerics
    if not isinstance(numerics, str):
        raise EstimateError(
            f"numerics={numerics!r} is {type(numerics).__name__}; expected nas.Numerics, or text "
            "such as threads=1,precision=bf16"
        )
    settings = parse_arguments("numerics", numerics, example="threads=1,precision=bf16")
    if not settings:
        raise EstimateError("numerics is empty; write e.g. threads=1,precision=bf16")
    return Numerics.from_json(settings)


def _parse_objectives(
    objectives: Iterable[Objective | str], constraints: Iterable[Objective | str]
) -> tuple[tuple[Objective, ...], tuple[Objective, ...]]:
    return (
        tuple(map(parse_objective, check_objectives("objectives", objectives))),
        tuple(map(parse_constraint, check_objectives("constraints", constraints))),
    )


def _resolve_confirm(confirm: int | None, trials: int, objectives: int) -> int:
    """Return how many candidates are confirmed.

    Raises:
        StrategyError: a number that makes no sense, or several objectives.
    """
    if confirm is None:
        return default_count(trials, objectives)
    if isinstance(confirm, bool) or not isinstance(confirm, int) or confirm < 0 or confirm == 1:
        raise StrategyError(
            f"search got confirm={confirm!r}; expected 0, or how many candidates (2 or more) are "
            "trained again"
        )
    if confirm and objectives > 1:
        raise StrategyError(
            f"search got confirm={confirm} with {objectives} objectives; candidates are confirmed "
            "by a single objective: leave confirm out"
        )
    return confirm


def _resolve_strategy(strategy: Strategy | str) -> Strategy:
    found = build_part("strategy", strategy) if isinstance(strategy, str) else strategy
    if not isinstance(found, Strategy):
        raise _wrong_kind("strategy", found, Strategy)
    return found


def _resolve_executor(executor: Executor | str | None) -> Executor | None:
    found = build_part("executor", executor) if isinstance(executor, str) else executor
    if found is not None and not isinstance(found, Executor):
        raise _wrong_kind("executor", found, Executor)
    return found


def _resolve_estimator(
    estimator: Estimator | str, recipe: Recipe, goals: tuple[Objective, ...]
) -> Estimator:
    """Return the estimator with counts beside it, and with latency if a goal needs it."""
    if isinstance(estimator, str):
        name, arguments = parse_part("estimator", estimator)
        if name == "train":
            check_types("estimator 'train'", arguments, find_type_hints(Train))
            try:
                estimator = Train(recipe, **arguments)
            except TypeError as error:
                raise EstimateError(f"estimator {name!r}: {error}") from error
        else:
            estimator = build_part("estimator", estimator)
    if not isinstance(estimator, Estimator):
        raise _wrong_kind("estimator", estimator, Estimator)
    extra = [metric for metric in COUNTS if metric not in estimator.metrics]
    if "latency" in {goal.metric for goal in goals} and "latency" not in estimator.metrics:
        extra.append("latency")
    return Combined(Hardware(tuple(extra)), estimator) if extra else estimator


def _wrong_kind(role: str, part: object, kind: type) -> NasturtiumError:
    error = StrategyError if role == "strategy" else EstimateError
    hint = "; it is a class: give an instance of it" if isinstance(part, type) else ""
    what = f"a{'n' * (role[0] in 'ae')} {role}"
    return error(f"{role}={part!r} is not {what}; expected a name or a nas.{kind.__name__}{hint}")


def _label(strategy: Strategy | str) -> str:
    """Return a short name of a strategy, for the study's name."""
    if isinstance(strategy, str):
        return strategy.partition("(")[0].rpartition(":")[2]
    return type(strategy).__name__.lower()
