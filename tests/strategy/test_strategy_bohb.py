"""BOHB: densities by hand, the laws, and its share of uniform draws."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from searching import layered, mean_best, searched, worth

import nasturtium as nas
from nasturtium.contracts.strategies import check_strategy
from nasturtium.decision.one_of import OneOf
from nasturtium.decision.range import Range
from nasturtium.errors import StrategyError
from nasturtium.space.pool_space import PoolSpace
from nasturtium.strategy.multifidelity.bohb import BOHB
from nasturtium.strategy.multifidelity.hyperband import Hyperband
from nasturtium.strategy.surrogate.kernel_density import KDE, Density
from nasturtium.study.study import Study


def test_laws():
    check_strategy(KDE(samples=8), trials=40, cuts=4)
    check_strategy(BOHB(1 / 9, density=KDE(samples=8)), trials=40, cuts=4)


def test_density_of_options_by_hand():
    known = {"op": OneOf("op", ("a", "b", "c"))}
    density = Density([{"op": "a"}, {"op": "a"}, {"op": "b"}, {}], known, 0.3)
    # Three answers, two alike: as far from uniform as sqrt((1 - 5/9) / (1 - 1/3)); four records.
    width = 4 ** (-1 / 5) * np.sqrt((1 - 5 / 9) / (2 / 3))
    assert density.widths["op"] == pytest.approx(width)
    away = width * 3 / 4  # three options and "not asked"
    same, other = 1 - away, away / 3
    expected = [(2 * same + 2 * other) / 4, (same + 3 * other) / 4, 4 * other / 4]
    found = np.exp(density.logs([{"op": "a"}, {"op": "b"}, {"op": "c"}]))
    assert np.allclose(found, expected)
    everything = np.exp(density.logs([{"op": "a"}, {"op": "b"}, {"op": "c"}, {}]))
    assert everything.sum() == pytest.approx(1.0)


def test_density_of_ranges_by_hand():
    known = {"rate": Range("rate", 0.0, 2.0)}
    density = Density([{"rate": 0.5}, {"rate": 1.5}], known, 0.3)
    width = density.widths["rate"]
    assert width == pytest.approx(2 ** (-1 / 5) * np.sqrt(12) * 0.25)
    kernel = np.exp(-0.5 * (np.array([0.25, 0.75]) - 0.25) ** 2 / width**2) / width
    assert np.exp(density.logs([{"rate": 0.5}])[0]) == pytest.approx(kernel.mean())


def test_equal_answers_have_the_least_width():
    known = {"op": OneOf("op", ("a", "b"))}
    assert Density([{"op": "a"}] * 50, known, 0.3).widths == {"op": 0.3}


def test_draws_lie_about_the_points():
    centre = layered.sample(Random(0))
    decisions = {decision.name: decision for decision in layered.decisions(centre)}
    density = Density([centre] * 20, decisions, 0.3)
    rng = Random(1)

    def same(factor):
        drawn = [density.draw(layered, rng, factor) for _ in range(100)]
        return np.mean([[d.get(name) == value for name, value in centre.items()] for d in drawn])

    assert same(1.0) > same(3.0) + 0.2


def test_finds_more_than_random_search():
    assert mean_best(KDE(), 60) > mean_best(nas.RandomSearch(), 60) + 0.2


def test_finds_more_than_random_search_in_a_pool():
    """Rows of features, the sum of which is the worth: good rows are next to good rows."""
    rows = np.random.default_rng(0).integers(0, 4, (2000, 8))
    pool = PoolSpace("rows", [{"row": row} for row in range(len(rows))], rows, near=8)

    def best(strategy, seed):
        study = Study(pool, strategy, seed=seed)
        for _ in range(60):
            trial = study.ask()
            study.tell(trial, {"accuracy": float(rows[trial.architecture["row"]].sum())})
        return study.best.metrics["accuracy"]

    gains = [best(KDE(), seed) - best(nas.RandomSearch(), seed) for seed in range(5)]
    assert np.mean(gains) > 1


def test_the_random_share():
    study = searched(KDE(random=0.5), 200)
    assert 0.4 < np.mean([trial.proposal.uniform for trial in study.history[30:]]) < 0.6


def test_brackets_are_hyperbands_and_architectures_are_not():
    def fidelities(strategy):
        study = Study(layered, strategy, seed=3)
        for _ in range(60):
            trial = study.ask()
            study.tell(trial, {"accuracy": worth(trial.architecture) * trial.fidelity.epochs})
        return [trial.fidelity.epochs for trial in study.history], study

    (rungs, bohb), (same, plain) = fidelities(BOHB(1 / 9)), fidelities(Hyperband(None, 1 / 9))
    assert rungs == same
    full = [t for t in bohb.history if not t.proposal.uniform and t.fidelity.epochs < 0.2]
    assert full, "no architecture of a first rung came from the densities"
    assert bohb.best.metrics["accuracy"] >= plain.best.metrics["accuracy"]


def test_messages():
    with pytest.raises(StrategyError, match=r"good=1.5"):
        KDE(good=1.5)
    with pytest.raises(StrategyError, match="samples=0"):
        KDE(samples=0)
    with pytest.raises(StrategyError, match="GraphSpace 'evonet' asks none"):
        Study(nas.zoo.evonet, KDE()).ask()
