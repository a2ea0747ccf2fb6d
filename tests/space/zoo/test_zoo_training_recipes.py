"""Spaces of training settings, alone and searched together with an architecture."""

from __future__ import annotations

import json
import pickle
from random import Random

import pytest

import nasturtium as nas
from nasturtium.retraining.retrain import retrain
from nasturtium.run.names import build_part
from nasturtium.run.open_study import open_study
from nasturtium.run.resolve import parse_recipe
from nasturtium.run.store_address import find_store
from nasturtium.task.augmentation_policy import OPS
from nasturtium.train.recipe import Recipe

SMALL = "nasbench201(cells=1, channels=4)"


def joint(text):
    return build_part("space", SMALL).joined(build_part("recipe", text))


@pytest.mark.parametrize("name", ["training", "randaugment", "autoaugment"])
def test_every_answer_is_a_recipe(name):
    space, rng = joint(f"{name}(epochs=2)"), Random(0)
    assert pickle.loads(pickle.dumps(space)).recipe.arguments == {"epochs": 2}
    assert space.describe()["recipe"] == f"{name}(epochs=2)"
    record = space.sample(rng)
    for _ in range(20):
        recipe = space.recipe.of(record)
        assert recipe.epochs == 2
        assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
        record = space.mutate(record, rng)


def test_sizes():
    networks = build_part("space", SMALL).size().value
    assert joint("autoaugment").size().value == networks * (14 * 11 * 10) ** 10
    assert joint("randaugment").size().value == networks * 3 * 10


def test_settings_of_an_optimiser_are_asked_for_that_one_only():
    space, rng = joint("training"), Random(1)
    for _ in range(30):
        record = space.sample(rng)
        optimizer = record["recipe.optimizer"]
        rates = [name for name in record if name.endswith(".lr")]
        assert rates == [f"recipe.{optimizer}.lr"]
        assert space.recipe.of(record).lr == record[rates[0]]


def test_policies():
    rand = joint("randaugment(flip=True)")
    augment = rand.recipe.of(rand.sample(Random(0))).augment
    assert [sub[0][0] for sub in augment.policy] == list(OPS)
    assert augment.flip and augment.draws in (1, 2, 3)
    auto = joint("autoaugment(policies=3)")
    augment = auto.recipe.of(auto.sample(Random(0))).augment
    assert [len(sub) for sub in augment.policy] == [2, 2, 2]
    assert augment.draws == 1


@pytest.mark.parametrize("name", ["training", "autoaugment"])
def test_a_joint_search_is_reopened_and_finished(name, tmp_path):
    study = nas.search(
        "digits",
        space=SMALL,
        recipe=f"{name}(epochs=1)",
        strategy="evolution(population=2, sample=1)",
        trials=3,
        executor="here",
        numerics="threads=1",
        store=tmp_path / "study.db",
        control=0,
    )
    done = study.history.finished
    assert len(done) == 3
    assert len({trial.architecture.recipe.key for trial in done}) > 1
    opened = open_study(*find_store(str(tmp_path / "study.db")), with_space=True)
    finished = retrain(opened, recipe="epochs=1")
    assert finished.architecture == study.best.architecture
    again = nas.resume(tmp_path / "study.db", trials=4)
    assert len(again.history.finished) == 4


def test_where_settings_have_to_be_given_a_space_of_them_is_refused():
    with pytest.raises(
        nas.EstimateError, match="'training' asks for settings, which only a search"
    ):
        parse_recipe("training", Recipe())
    assert parse_recipe("epochs=3", Recipe()).epochs == 3
    with pytest.raises(nas.SpaceError, match="cannot be joined with recipe 'training'"):
        nas.search("digits", space="evonet", recipe="training", store=None, trials=1)
