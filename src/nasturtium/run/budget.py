"""Whether a budget is enough for a strategy to begin."""

from __future__ import annotations

from nasturtium.errors import StrategyError
from nasturtium.strategy.bohb import BOHB
from nasturtium.strategy.halving import Hyperband, SuccessiveHalving
from nasturtium.strategy.local import LocalSearch
from nasturtium.study.strategy import Strategy

__all__ = ["check_budget"]


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
