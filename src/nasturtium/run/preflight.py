"""Checks before a search starts: budget, metrics, constraints, space, and tables of benchmarks."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from random import Random

from nasturtium.architecture import Architecture
from nasturtium.bench.benchmark import Benchmark
from nasturtium.errors import EstimateError, StrategyError
from nasturtium.estimate.combined import Combined
from nasturtium.estimate.hardware import COUNTS, Hardware
from nasturtium.run.call import NO_TEXT
from nasturtium.run.plan import SearchPlan
from nasturtium.space.choice_space import ChoiceSpace
from nasturtium.space.graph_space import GraphSpace
from nasturtium.strategy.local_search import LocalSearch
from nasturtium.strategy.multifidelity.asha import ASHA
from nasturtium.strategy.multifidelity.bohb import BOHB
from nasturtium.strategy.multifidelity.hyperband import Hyperband
from nasturtium.strategy.multifidelity.successive_halving import SuccessiveHalving
from nasturtium.study.context import StudyContext
from nasturtium.study.estimator import Estimator
from nasturtium.study.fidelity import Fidelity
from nasturtium.study.job import Job
from nasturtium.study.screening import Screen
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal
from nasturtium.study.validate import parse_metrics

__all__ = ["check_budget", "check_fidelities", "check_space", "make_screen", "preflight"]

SAMPLES = 2000  # architectures drawn to see whether the constraints can be met at all
SECONDS = 5.0  # and the time for it


def preflight(plan: SearchPlan) -> None:
    """Check a plan as far as nothing has to be built or drawn for it.

    Raises:
        StrategyError: there is no objective, a constraint is infinite, or the budget ends before
            the strategy can use a result.
        EstimateError: nothing gives a metric.
    """
    if not plan.objectives:
        raise StrategyError("search got no objective; give a metric's name such as accuracy")
    for constraint in plan.constraints:
        if not math.isfinite(constraint.bound or 0.0):
            raise StrategyError(f"the constraint {constraint} has no finite bound; leave it out")
    metrics = plan.estimator.metrics
    for goal in (*plan.objectives, *plan.constraints):
        if goal.metric not in metrics:
            near = get_close_matches(goal.metric, metrics, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise EstimateError(
                f"nothing gives the metric {goal.metric!r}{hint} (there are: {', '.join(metrics)})"
            )
    text = plan.call.get("strategy", NO_TEXT)
    label = type(plan.strategy).__name__ if text == NO_TEXT else text
    check_budget(label, plan.strategy, plan.trials)


def check_space(plan: SearchPlan, screen: Screen | None) -> None:
    """Try out a space on the data, and draw from it until an architecture meets the constraints.

    Args:
        plan: of the search.
        screen: gives the metrics that cost nothing, if constraints are about such metrics.

    Raises:
        SpaceError: an option does not fit the data.
        StrategyError: no architecture that was drawn meets the constraints; says how near they
            came.
    """
    space = plan.space
    if isinstance(space, (ChoiceSpace, GraphSpace)):
        space.check(plan.task.inputs, plan.task.classes)
    if screen is None:
        return
    rng, end = Random(0), time.monotonic() + SECONDS
    nearest: dict[str, float] = {}
    for number in range(1, SAMPLES + 1):
        metrics = screen(space.sample(rng))
        broken = False
        for constraint in plan.constraints:
            value = metrics.get(constraint.metric)
            if value is None:
                continue
            broken = broken or constraint.excess(value) > 0.0
            best = nearest.get(constraint.metric, value)
            better = max if constraint.goal == "max" else min
            nearest[constraint.metric] = better(best, value)
        if not broken:
            return
        if time.monotonic() > end or number == SAMPLES:
            break
    shown = ", ".join(f"{metric} {value:g}" for metric, value in nearest.items())
    raise StrategyError(
        f"none of {number:,} random architectures meets {', '.join(map(str, plan.constraints))}; "
        f"the nearest had {shown}; loosen the constraint, or use a smaller space"
    )


def make_screen(plan: SearchPlan) -> Screen | None:
    """Return a function that gives the free metrics of an architecture that constraints are about.

    Returns:
        ``None`` if no constraint is about a free metric.
    """
    wanted = dict.fromkeys(constraint.metric for constraint in plan.constraints)
    counted = tuple(metric for metric in wanted if metric in COUNTS)
    free: list[Estimator] = [Hardware(counted)] if counted else []
    parts = _free_parts(plan.estimator)
    free += [part for part in parts if not wanted.keys().isdisjoint(part.metrics)]
    if not free:
        return None
    context = StudyContext("screen", 0, plan.space, plan.task)

    def screen(architecture: Architecture) -> Mapping[str, float]:
        found: dict[str, float] = {}
        for part in free:
            # If one fails, the trial is asked for all the same, and fails with the reason.
            with contextlib.suppress(Exception):
                estimate = part.estimate(Job(0, Proposal(architecture), context))
                found |= parse_metrics(estimate, "a constraint")
        return found

    return screen


def _free_parts(estimator: Estimator) -> Iterator[Estimator]:
    """Yield the parts whose estimates are free, without the counts that are made in any case."""
    if isinstance(estimator, Combined):
        for part in estimator.parts:
            yield from _free_parts(part)
    elif isinstance(estimator, Hardware) or type(estimator).prepare is not Estimator.prepare:
        return
    elif estimator.free:
        yield estimator


def check_budget(label: str, strategy: Strategy, trials: int) -> None:
    """Check that a budget lasts until a strategy has used a first result.

    Strategies with surrogates pass: the architectures that they start with are spread over the
    space, and are worth having.

    Args:
        label: what the strategy is called in the message.
        strategy: one with a population, with rungs or with random starts; also inside another.
        trials: the budget.

    Raises:
        StrategyError: a population, a first rung or a number of starts above the budget.
    """
    population = getattr(strategy, "population", None)
    if isinstance(population, int) and population > trials:
        raise StrategyError(
            f"{label} has a population of {population}, but the budget is {trials} trials: all of "
            "them would be random; give a smaller population= or more trials"
        )
    if isinstance(strategy, LocalSearch) and strategy.starts > trials:
        raise StrategyError(
            f"{label} climbs from the best of {strategy.starts} random starts, but the budget is "
            f"{trials} trials: all of them would be random; give fewer starts= or more trials"
        )
    if isinstance(strategy, (SuccessiveHalving, Hyperband, BOHB)):
        count, fidelity = strategy.brackets[0][0]
        if count > trials:
            raise StrategyError(
                f"{label} trains {count} networks for {fidelity.epochs:.3g} of the epochs in its "
                f"first rung, but the budget is {trials} trials: none would be trained for longer; "
                "give a larger least= (the first rung's share of the epochs) or more trials"
            )
    inner = getattr(strategy, "strategy", None)
    if isinstance(inner, Strategy):
        check_budget(f"{type(inner).__name__} inside {label}", inner, trials)


def check_fidelities(label: str, strategy: Strategy, benchmark: Benchmark) -> None:
    """Check that a table holds the fidelities that a strategy trains at.

    Args:
        label: what the strategy is called in the message.
        strategy: one with rungs, also inside another; others train at full fidelity.
        benchmark: the table.

    Raises:
        StrategyError: a rung that the table does not hold.
    """
    for fidelity in _fidelities(strategy):
        try:
            benchmark.level(fidelity)
        except EstimateError:
            held = ", ".join(f"{known.epochs:.3g}" for known in benchmark.fidelities)
            raise StrategyError(
                f"{label} trains for {fidelity.epochs:.3g} of the epochs (schedule "
                f"{fidelity.schedule!r}), and {benchmark.name} holds trainings of {held}"
                + (
                    ": it fits strategies that train in full only, such as random, evolution, "
                    "local, bananas, portfolio"
                    if len(benchmark.fidelities) == 1
                    else ": give least= and eta= whose rungs are among these, or strategies that "
                    "train in full, such as random, evolution, portfolio"
                )
            ) from None


def _fidelities(strategy: Strategy) -> Iterator[Fidelity]:
    """Yield the fidelities that a strategy with rungs trains at."""
    if isinstance(strategy, ASHA):
        yield from strategy.rungs
    elif isinstance(strategy, (SuccessiveHalving, Hyperband, BOHB)):
        for plan in strategy.brackets:
            yield from (fidelity for _, fidelity in plan)
    inner = getattr(strategy, "strategy", None)
    if isinstance(inner, Strategy):
        yield from (f for f in _fidelities(inner) if not f.full)
