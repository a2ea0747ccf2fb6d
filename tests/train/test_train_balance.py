from __future__ import annotations

from statistics import mean

import numpy as np
import pytest
import torch
from torch import nn

import nasturtium as nas
from nasturtium.errors import EstimateError
from nasturtium.task.augment import Augment
from nasturtium.task.make_task import make_task
from nasturtium.task.task import Task
from nasturtium.train.evaluate import Batches
from nasturtium.train.fit import fit
from nasturtium.train.numerics import Numerics
from nasturtium.train.recipe import Recipe

RARE = 0.05


def overlapping(count: int = 1200) -> Task:
    """Two overlapping clouds, one of which is rare."""
    rng = np.random.default_rng(0)
    y = (np.arange(count) % round(1 / RARE) == 0).astype(int)
    x = rng.normal(size=(count, 4)) + 0.8 * y[:, None]
    return make_task(x, y, name="clouds", fractions=(0.4, 0.2))


def balanced_accuracy(recipe: Recipe, seed: int) -> float:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    return fit(net, overlapping(), recipe, seed=seed).metrics["balanced_accuracy"]


@pytest.mark.parametrize("augment", [Augment(), Augment(mixup=0.2)])
def test_balance_raises_balanced_accuracy(augment: Augment) -> None:
    recipe = Recipe(epochs=5, lr=0.05, augment=augment)
    plain = mean(balanced_accuracy(recipe, seed) for seed in range(3))
    balanced = mean(balanced_accuracy(recipe.replace(balance=True), seed) for seed in range(3))
    assert plain < 0.6  # the rare class is hardly ever answered
    assert balanced > plain + 0.1


def test_weights_have_the_mean_one_over_the_examples() -> None:
    task = overlapping()
    batches = Batches.place(task.train, task, torch.device("cpu"), Numerics())
    weights = batches.balance()
    assert weights[batches.labels].mean().item() == pytest.approx(1)
    sizes = torch.bincount(batches.labels)
    assert (weights * sizes / sizes.sum()).tolist() == pytest.approx([0.5, 0.5])


def test_balance_changes_nothing_where_classes_are_equal() -> None:
    x = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    task = make_task(x, np.arange(100) % 2, name="t")
    curves = []
    for balance in (False, True):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            net = nn.Linear(4, 2)
        fitted = fit(net, task, Recipe(epochs=2, balance=balance), seed=0)
        curves.append([point["loss"] for point in fitted.curve])
    assert curves[0] == pytest.approx(curves[1], rel=1e-5)


def test_recipes_from_before_there_was_balance_are_the_same() -> None:
    old = Recipe().to_json()
    assert "balance" not in old
    assert Recipe.from_json(old) == Recipe()
    assert Recipe(balance=True).to_json()["balance"] is True
    assert Recipe.from_json(Recipe(balance=True).to_json()).balance
    with pytest.raises(EstimateError, match="balance='yes'; expected True or False"):
        Recipe(balance="yes")  # type: ignore[arg-type]


def test_a_search_for_balanced_accuracy() -> None:
    study = nas.search(
        overlapping(200),
        space="mlp",
        trials=3,
        recipe="epochs=2,balance=True",
        objectives=("balanced_accuracy",),
        executor="here",
        store=None,
        control=0,
    )
    found = [trial.metrics["balanced_accuracy"] for trial in study.history.finished]
    assert study.best.metrics["balanced_accuracy"] == max(found) > 0.5
    assert study.manifest["recipe"]["balance"] is True
    finished = nas.retrain(study)
    assert finished.recipe.balance
    assert 0 < finished.metrics["balanced_accuracy"] <= 1
