"""What a portfolio leaves open is decided by the data and the settings."""

from __future__ import annotations

import numpy as np

import nasturtium as nas
from nasturtium.estimate.combined import Combined
from nasturtium.estimate.hardware import Hardware
from nasturtium.estimate.train import Train
from nasturtium.run.defaults import LONG, resolve_defaults
from nasturtium.strategy.surrogate.zero_cost import ZeroCostProxies

SPACE = nas.zoo.nasbench201.bind(inputs=(3, 16, 16), classes=2)


def task(examples):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (examples, 3, 16, 16), dtype=np.uint8)
    return nas.load((images, np.arange(examples) % 2))


def test_long_trainings_are_worth_scores():
    data = task(50)
    enough = -(-LONG // len(data.train))
    short, long = nas.Recipe(epochs=enough - 1), nas.Recipe(epochs=enough)
    given = nas.Portfolio(mutants=7)
    assert resolve_defaults(given, SPACE, data, Train(), short).evidence == "counts"
    assert resolve_defaults(given, SPACE, data, Hardware(), long).evidence == "counts"
    chosen = resolve_defaults(given, SPACE, data, Combined(Hardware(), Train()), long)
    assert isinstance(chosen, nas.Portfolio) and chosen.mutants == 7
    assert isinstance(chosen.evidence, ZeroCostProxies)
    images = chosen.evidence.images
    assert images is not None and images.shape[1:] == (3, 16, 16)
    assert abs(float(images.mean())) < 0.2 and 0.8 < float(images.std()) < 1.2
    assert chosen.evidence.labels is not None and set(chosen.evidence.labels.tolist()) == {0, 1}
    assert len(chosen.evidence.names) == 5
    assert (
        chosen.evidence.to_json()
        == resolve_defaults(given, SPACE, data, Train(), long).evidence.to_json()
    )


def test_what_was_said_stays():
    asked = nas.Portfolio(evidence="none")
    assert resolve_defaults(asked, SPACE, task(50), Train(), nas.Recipe(epochs=10**9)) is asked
    other = nas.RandomSearch()
    assert resolve_defaults(other, SPACE, task(50), Train(), nas.Recipe()) is other
