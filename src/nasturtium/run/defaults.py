"""Defaults of strategies that depend on the task and on the length of trainings.

Rungs that train for equally many epochs are merged, and it is decided whether a portfolio computes
zero-cost proxies. Fidelities are rounded to whole epochs, examples and pixels, as they are trained.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from random import Random
from typing import Any

import numpy as np
import torch

from nasturtium.estimate.combined import Combined
from nasturtium.estimate.train import Train
from nasturtium.space.base import Space
from nasturtium.space.choice_space import ChoiceSpace
from nasturtium.strategy.multifidelity.asha import ASHA
from nasturtium.strategy.multifidelity.bohb import BOHB
from nasturtium.strategy.multifidelity.hyperband import Hyperband
from nasturtium.strategy.multifidelity.successive_halving import SuccessiveHalving
from nasturtium.strategy.surrogate.portfolio import Portfolio
from nasturtium.strategy.surrogate.zero_cost import ZeroCostProxies
from nasturtium.study.estimator import Estimator
from nasturtium.study.fidelity import Fidelity
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal
from nasturtium.task.split import split_stratified
from nasturtium.task.task import Task
from nasturtium.train.recipe import Recipe
from nasturtium.train.scale_epochs import scale_epochs

__all__ = ["LONG", "merge_rungs", "resolve_defaults", "round_fidelities"]

# Proxies of 150 candidates run about 20,000 examples through networks, on the processor of the
# driver; a training may run on a device that is a hundred times as fast, at the same time.
LONG = 5_000_000  # examples that a training sees, from which on proxies cost little beside it
EXAMPLES = 32  # that proxies are computed on
SAMPLES = 20  # architectures drawn to find the fewest epochs that a space of recipes decides
RUNGS = (ASHA, BOHB, Hyperband, SuccessiveHalving)


def resolve_defaults(
    strategy: Strategy, space: Space, task: Task, estimator: Estimator, recipe: Recipe
) -> Strategy:
    """Return the strategy with its defaults decided by the data and the settings, not by a clock.

    A portfolio whose evidence is ``auto`` computes zero-cost proxies on examples of the task if
    trainings are long, so that the proxies cost little beside them. Rungs of equally many epochs
    are merged.

    Raises:
        StrategyError: all rungs mean equally many epochs.
    """
    epochs = _epochs(space, estimator)
    if epochs is not None:
        strategy = merge_rungs(strategy, epochs)
    if not isinstance(strategy, Portfolio) or strategy.evidence != "auto":
        return strategy
    parts = estimator.parts if isinstance(estimator, Combined) else (estimator,)
    trains = isinstance(space, ChoiceSpace) and any(isinstance(part, Train) for part in parts)
    long = trains and len(task.train) * recipe.epochs >= LONG
    evidence = ZeroCostProxies(*_examples(task)) if long else "counts"
    return Portfolio(**{**vars(strategy), "evidence": evidence})


def merge_rungs(strategy: Strategy, epochs: int) -> Strategy:
    """Return the strategy with rungs of different numbers of epochs, also inside another one.

    Raises:
        StrategyError: all rungs mean equally many epochs.
    """
    changes: dict[str, Any] = {}
    inner = getattr(strategy, "strategy", None)
    if isinstance(inner, Strategy) and (mended := merge_rungs(inner, epochs)) is not inner:
        changes["strategy"] = mended
    if isinstance(strategy, RUNGS) and strategy.epochs is None:
        changes["epochs"] = epochs
    if not changes:
        return strategy
    names = list(inspect.signature(type(strategy)).parameters)
    kept = {name: getattr(strategy, name) for name in names if hasattr(strategy, name)}
    return type(strategy)(**{**kept, **changes})


def round_fidelities(
    space: Space, task: Task, estimator: Estimator
) -> Callable[[Proposal], tuple[Fidelity, float | None]] | None:
    """Return a function that gives the fidelity at which a proposal is trained, and its epochs.

    Returns:
        ``None`` if the estimator does not train in epochs.
    """
    full = estimator.full_epochs()
    if full is None:
        return None
    own = getattr(space, "recipe", None)

    @cache
    def rounded(fidelity: Fidelity, epochs: int) -> Fidelity:
        found: dict[str, Any] = {"epochs": scale_epochs(epochs, fidelity.epochs) / epochs}
        if fidelity.data < 1:
            chosen, _ = split_stratified(task.train.labels, fidelity.data, seed=0, keep=0)
            found["data"] = len(chosen) / len(task.train)
        if fidelity.resolution < 1 and len(task.inputs) == 3:
            sides = [max(1, round(side * fidelity.resolution)) / side for side in task.inputs[1:]]
            found["resolution"] = math.sqrt(math.prod(sides))
        far = {name: s for name, s in found.items() if abs(s - getattr(fidelity, name)) > 1e-9}
        return replace(fidelity, **far)

    def train(proposal: Proposal) -> tuple[Fidelity, float | None]:
        epochs = full if own is None else own.of(proposal.architecture).epochs
        fidelity = proposal.fidelity
        return rounded(fidelity, epochs), scale_epochs(epochs, fidelity.epochs)

    return train


def _epochs(space: Space, estimator: Estimator) -> int | None:
    """Return the epochs of a full training; the fewest ones if a space of recipes decides them."""
    full, own = estimator.full_epochs(), getattr(space, "recipe", None)
    if full is None or own is None:
        return full
    rng = Random(0)
    return min(int(own.of(space.sample(rng)).epochs) for _ in range(SAMPLES))


def _examples(task: Task) -> tuple[torch.Tensor, torch.Tensor]:
    """Return normalised training examples and their labels."""
    train = task.train
    chosen = sorted(Random(0).sample(range(len(train)), min(EXAMPLES, len(train))))
    drawn = np.stack([np.asarray(train.inputs[place]) for place in chosen]).astype(np.float32)
    shape = (1, -1, *(1,) * (drawn.ndim - 2))
    mean, std = (
        np.asarray(values, dtype=np.float32).reshape(shape) for values in (task.mean, task.std)
    )
    labels = np.array([int(train.labels[place]) for place in chosen])
    return torch.from_numpy((drawn - mean) / std), torch.from_numpy(labels)
