"""Whether a budget is enough for a strategy to begin, and a table holds what it asks for."""

from __future__ import annotations

from collections.abc import Iterator

from nasturtium.bench.base import Benchmark
from nasturtium.errors import EstimateError, StrategyError
from nasturtium.strategy.local_search import LocalSearch
from nasturtium.strategy.multifidelity.asha import ASHA
from nasturtium.strategy.multifidelity.bohb import BOHB
from nasturtium.strategy.multifidelity.hyperband import Hyperband
from nasturtium.strategy.multifidelity.successive_halving import SuccessiveHalving
from nasturtium.study.fidelity import Fidelity
from nasturtium.study.strategy import Strategy

__all__ = ["check_budget", "check_fidelities"]


def check_budget(label: str, strategy: Strategy, trials: int) -> None:
    """Refuse a budget that ends before a strategy has used a single result.

    Surrogates are let pass: what they start with is spread over the space, and worth having.

    Args:
        label: what the strategy is called in the message.
        strategy: one with a ``population``, or with rungs, or that climbs; also inside another.
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
    """Refuse a strategy that trains at fidelities which a table does not hold.

    Args:
        label: what the strategy is called in the message.
        strategy: one with rungs, also inside another; others train in full.
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
    """The fidelities that a strategy with rungs trains at."""
    if isinstance(strategy, ASHA):
        yield from strategy.rungs
    elif isinstance(strategy, (SuccessiveHalving, Hyperband, BOHB)):
        for plan in strategy.brackets:
            yield from (fidelity for _, fidelity in plan)
    inner = getattr(strategy, "strategy", None)
    if isinstance(inner, Strategy):
        yield from (f for f in _fidelities(inner) if not f.full)
