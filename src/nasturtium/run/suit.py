"""What a strategy leaves to the search: evidence that depends on how long trainings are."""

from __future__ import annotations

from random import Random
from statistics import median

import numpy as np
import torch

from nasturtium.cost.plan import Counter
from nasturtium.estimate.together import Together
from nasturtium.estimate.train import Train
from nasturtium.space.base import Space
from nasturtium.space.choice import ChoiceSpace
from nasturtium.strategy.portfolio import Portfolio
from nasturtium.strategy.scored import Scores
from nasturtium.study.estimator import Estimator
from nasturtium.study.strategy import Strategy
from nasturtium.task.task import Task
from nasturtium.train.recipe import Recipe

__all__ = ["LONG", "suited"]

LONG = 1e13  # multiply-accumulates of a training: some minutes of a core
DRAWS = 9  # networks whose median is what a training works on
EXAMPLES = 32  # that scores look at
BACKWARD = 3  # a step forward and back is so many forward


def suited(
    strategy: Strategy, space: Space, task: Task, estimator: Estimator, recipe: Recipe
) -> Strategy:
    """The strategy with what it left open decided; by the data and the settings, not by a clock.

    A portfolio whose evidence is ``auto`` looks at zero-cost scores of examples of the task where a
    training of the median network is long, so that scoring candidates hardly counts beside it.
    """
    if not isinstance(strategy, Portfolio) or strategy.evidence != "auto":
        return strategy
    long = training_work(space, task, estimator, recipe) >= LONG
    evidence = Scores(*_examples(task)) if long else "counts"
    return Portfolio(**{**vars(strategy), "evidence": evidence})


def training_work(space: Space, task: Task, estimator: Estimator, recipe: Recipe) -> float:
    """Multiply-accumulates of training the median network; 0 where nothing is known to train."""
    parts = estimator.parts if isinstance(estimator, Together) else (estimator,)
    if not isinstance(space, ChoiceSpace) or not any(isinstance(part, Train) for part in parts):
        return 0.0
    counter, macs = Counter(), []
    for seed in range(DRAWS):
        try:
            plan = space.plan(space.sample(Random(seed)))
            if plan is None:
                return 0.0
            macs.append(counter.count(plan, task.inputs).macs)
        except Exception:  # a builder's own; the check of the space will name it
            return 0.0
    return float(median(macs)) * len(task.train) * recipe.epochs * BACKWARD


def _examples(task: Task) -> tuple[torch.Tensor, torch.Tensor]:
    """Training examples as networks are given them, and their labels."""
    train = task.train
    chosen = sorted(Random(0).sample(range(len(train)), min(EXAMPLES, len(train))))
    drawn = np.stack([np.asarray(train.inputs[place]) for place in chosen]).astype(np.float32)
    shape = (1, -1, *(1,) * (drawn.ndim - 2))
    mean, std = (
        np.asarray(values, dtype=np.float32).reshape(shape) for values in (task.mean, task.std)
    )
    labels = np.array([int(train.labels[place]) for place in chosen])
    return torch.from_numpy((drawn - mean) / std), torch.from_numpy(labels)
