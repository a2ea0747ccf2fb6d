"""What a strategy leaves to the search: evidence that depends on how long trainings are."""

from __future__ import annotations

from random import Random

import numpy as np
import torch

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

# Scoring 150 candidates runs some 20,000 examples through networks, here, on a processor; a
# training may run on something that is a hundred times as fast, while the next proposal is made.
LONG = 5_000_000  # examples that a training sees, from which on scores hardly count beside it
EXAMPLES = 32  # that scores look at


def suited(
    strategy: Strategy, space: Space, task: Task, estimator: Estimator, recipe: Recipe
) -> Strategy:
    """The strategy with what it left open decided; by the data and the settings, not by a clock.

    A portfolio whose evidence is ``auto`` looks at zero-cost scores of examples of the task where
    trainings are long, so that scoring candidates hardly counts beside them.
    """
    if not isinstance(strategy, Portfolio) or strategy.evidence != "auto":
        return strategy
    parts = estimator.parts if isinstance(estimator, Together) else (estimator,)
    trains = isinstance(space, ChoiceSpace) and any(isinstance(part, Train) for part in parts)
    long = trains and len(task.train) * recipe.epochs >= LONG
    evidence = Scores(*_examples(task)) if long else "counts"
    return Portfolio(**{**vars(strategy), "evidence": evidence})


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
