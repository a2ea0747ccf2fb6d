"""NSGA-II and LEMONADE: exact on small examples, good on known fronts."""

from __future__ import annotations

import itertools
import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moocore import hypervolume

from nasturtium.errors import StrategyError
from nasturtium.space.choice import space
from nasturtium.strategy.lemonade import Lemonade, density
from nasturtium.strategy.nsga2 import NSGA2, contributions, crowding, fronts
from nasturtium.strategy.random import RandomSearch
from nasturtium.study.study import Study


@space
def cube(choose):
    for place in range(8):
        choose.range(f"x{place}", 0, 10)
    return lambda: None


def zdt1(architecture):
    first, *rest = (value / 10 for value in architecture.values())
    g = 1 + 9 * sum(rest) / len(rest)
    return {"f0": first, "f1": g * (1 - math.sqrt(first / g))}


def search(strategy, trials, seed=0, values=zdt1, objectives=("min:f0", "min:f1"), within=()):
    study = Study(cube, strategy, objectives=objectives, within=within, seed=seed)
    for _ in range(trials):
        trial = study.ask()
        study.tell(trial, values(trial.architecture))
    return study


def area(study):
    points = np.array([(t.metrics["f0"], t.metrics["f1"]) for t in study.history.finished])
    return float(hypervolume(points, ref=(1.1, 6.0)))


def by_hand(losses, violations):
    """Deb's definition, word by word: peel off what nothing left dominates."""

    def dominates(i, j):
        if violations[i] != violations[j]:
            return violations[i] < violations[j]
        if violations[i] > 0:
            return False
        pairs = list(zip(losses[i], losses[j], strict=True))
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

    left, found = set(range(len(losses))), []
    while left:
        front = sorted(i for i in left if not any(dominates(j, i) for j in left))
        found.append(front)
        left -= set(front)
    return found


@settings(deadline=None, max_examples=60)
@given(
    st.integers(2, 4).flatmap(
        lambda width: st.lists(
            st.tuples(*[st.integers(0, 4)] * width, st.integers(0, 2)), min_size=1, max_size=24
        )
    )
)
def test_fronts_are_those_of_brute_force(rows):
    losses = np.array([row[:-1] for row in rows], dtype=float)
    violations = np.array([row[-1] for row in rows], dtype=float)
    assert [sorted(front) for front in fronts(losses, violations)] == by_hand(losses, violations)


def test_crowding_of_a_small_front():
    # Sorted by the first objective the gaps of a point's neighbours are 2/4 and 3/6, then 3/4, 4/6.
    losses = np.array([(0.0, 6.0), (1.0, 4.0), (2.0, 3.0), (4.0, 0.0)])
    assert crowding(losses) == pytest.approx([math.inf, 2 / 4 + 3 / 6, 3 / 4 + 4 / 6, math.inf])
    assert crowding(losses[::-1])[1] == pytest.approx(3 / 4 + 4 / 6)
    assert np.isinf(crowding(np.ones((2, 2)))).all()


def test_contributions_are_differences_of_volumes():
    rng = np.random.default_rng(0)
    points = rng.random((40, 3))
    front = points[fronts(points)[0]]
    low, high = front.min(0), front.max(0)
    scaled = (front - low) / (high - low)
    whole = hypervolume(scaled, ref=[1.1] * 3)
    without = [hypervolume(np.delete(scaled, i, 0), ref=[1.1] * 3) for i in range(len(front))]
    assert contributions(front) == pytest.approx(whole - np.array(without))


def test_truncation_by_volume_keeps_the_better_set():
    rng = np.random.default_rng(1)
    points = rng.random((9, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)  # one front
    from nasturtium.strategy.nsga2 import _least_out

    kept = _least_out(points, 6)
    volumes = [
        hypervolume(points[list(some)], ref=[1.1] * 3)
        for some in itertools.combinations(range(9), 6)
    ]
    assert len(set(kept.tolist())) == 6
    assert hypervolume(points[kept], ref=[1.1] * 3) >= np.quantile(volumes, 0.9)


def test_nsga2_beats_random_search_on_zdt1():
    ours = [area(search(NSGA2(20), 400, seed)) for seed in range(6)]
    random = [area(search(RandomSearch(), 400, seed)) for seed in range(6)]
    assert min(ours) > max(random)


def test_nsga2_keeps_what_no_one_dominates():
    study = search(NSGA2(10), 200)
    strategy = study.strategy
    state = strategy.start()
    strategy._advance(state, study.searched)
    assert len(state.parents) == 10
    # Elitism: each member of the true front of all trials, or as many as there is room for.
    best = {study.history.vector(trial) for trial in study.front}
    kept = {study.history.vector(trial) for trial in state.parents}
    assert kept <= best or len(best) < 10


def test_nsga2_with_three_objectives_uses_volume():
    def values(architecture):
        return {**zdt1(architecture), "f2": architecture["x3"] / 10}

    three = ("min:f0", "min:f1", "min:f2")

    def volume(selection, seed):
        study = search(NSGA2(12, selection=selection), 300, seed, values, three)
        state = study.strategy.start()
        study.strategy._advance(state, study.searched)
        points = -np.array([study.history.vector(trial) for trial in state.parents])
        return hypervolume(points, ref=(1.1, 6.0, 1.1))

    assert (
        search(NSGA2(12), 60, 3, values, three).history[50]
        == (search(NSGA2(12, selection="hypervolume"), 60, 3, values, three).history[50])
    )
    gains = [volume("hypervolume", seed) - volume("crowding", seed) for seed in range(8)]
    assert np.mean(gains) > 0


def test_nsga2_finds_its_way_into_bounds():
    study = search(NSGA2(10), 300, within=("f1<1.5",))
    late = [study.history.violation(trial) for trial in study.history.finished[-50:]]
    early = [study.history.violation(trial) for trial in study.history.finished[:50]]
    assert np.mean(late) < 0.2 * np.mean(early)


def test_nsga2_refuses():
    with pytest.raises(StrategyError, match="at least 2 parents"):
        NSGA2(1)
    with pytest.raises(StrategyError, match="chances from 0 to 1"):
        NSGA2(crossover=1.5)
    with pytest.raises(StrategyError, match="auto, crowding or hypervolume"):
        NSGA2(selection="best")


def test_density_is_a_kernel_density():
    from scipy.stats import gaussian_kde

    points = np.random.default_rng(0).normal(size=(50, 1))
    points = (points - points.mean()) / points.std()
    ours = density(points, points)
    theirs = gaussian_kde(points.T, bw_method="scott")(points.T)
    # scipy scales by the sample deviation (n - 1); up to that, and a constant, they agree.
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9999


def test_lemonade_draws_where_it_is_thin():
    from nasturtium.strategy.lemonade import _thin

    known = np.array([[0.0], [0.1], [-0.1], [0.05], [3.0]])
    rng = Random(0)
    drawn = np.bincount([_thin(known, known, rng) for _ in range(5000)], minlength=5) / 5000
    chances = 1 / density(known, known)
    assert drawn == pytest.approx(chances / chances.sum(), abs=0.03)
    assert drawn[4] > 0.3


def test_lemonade_beats_random_search():
    def cheap(architecture):
        return [zdt1(architecture)["f0"] + 0.01]

    def values(architecture):
        found = zdt1(architecture)
        return {"f1": found["f1"], "f0": found["f0"] + 0.01}

    goals = ("min:f1", "min:f0")
    random = [area(search(RandomSearch(), 300, s, values, goals)) for s in range(5)]
    for strategy in (Lemonade(20, cheap), Lemonade(20)):
        ours = [area(search(strategy, 300, s, values, goals)) for s in range(5)]
        assert np.mean(ours) > max(random)


def test_lemonade_refuses():
    with pytest.raises(StrategyError, match="at least one cheap one"):
        search(Lemonade(3), 4, objectives=("min:f0",))
    with pytest.raises(StrategyError, match=r"gave 3 numbers; the study has 1 cheap objectives"):
        search(Lemonade(3, lambda architecture: (1.0, 2.0, 3.0)), 5)
    with pytest.raises(StrategyError, match="at least 1"):
        Lemonade(0)
