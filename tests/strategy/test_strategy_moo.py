"""NSGA-II and LEMONADE: exact on small examples, good on known fronts."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from moocore import hypervolume

from nasturtium.errors import StrategyError
from nasturtium.space.decorator import space
from nasturtium.strategy.multiobjective.lemonade import LEMONADE, Terrain, density
from nasturtium.strategy.multiobjective.nsga2 import NSGA2
from nasturtium.strategy.random_search import RandomSearch
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


def search(strategy, trials, seed=0, values=zdt1, objectives=("min:f0", "min:f1"), constraints=()):
    study = Study(cube, strategy, objectives=objectives, constraints=constraints, seed=seed)
    for _ in range(trials):
        trial = study.ask()
        study.tell(trial, values(trial.architecture))
    return study


def area(study):
    points = np.array([(t.metrics["f0"], t.metrics["f1"]) for t in study.history.finished])
    return float(hypervolume(points, ref=(1.1, 6.0)))


def test_nsga2_beats_random_search_on_zdt1():
    ours = [area(search(NSGA2(20), 400, seed)) for seed in range(6)]
    random = [area(search(RandomSearch(), 400, seed)) for seed in range(6)]
    assert min(ours) > max(random)


def test_nsga2_keeps_what_no_one_dominates():
    study = search(NSGA2(10), 200)
    state = study.state
    assert len(state.parents) == 10
    # Elitism: each member of the true front of all trials, or as many as there is room for.
    best = {study.history.vector(trial) for trial in study.front}
    kept = {study.history.vector(trial) for trial in state.parents}
    assert kept <= best or len(best) < 10


THREE = ("min:f0", "min:f1", "min:f2")


def sphere(architecture):
    """DTLZ2's front: an eighth of a sphere."""
    a, b, *rest = (math.pi / 20 * value for value in architecture.values())
    g = 1 + sum((value / (math.pi / 2) - 0.5) ** 2 for value in rest)
    return {
        "f0": g * math.cos(a) * math.cos(b),
        "f1": g * math.cos(a) * math.sin(b),
        "f2": g * math.sin(a),
    }


def last(study):
    """The losses of the last population."""
    return -np.array([study.history.vector(trial) for trial in study.state.parents])


def test_three_objectives_are_spread_better_than_by_crowding():
    def volumes(selection):
        runs = (search(NSGA2(21, selection=selection), 420, s, sphere, THREE) for s in range(6))
        return np.array([hypervolume(last(study), ref=(1.5, 1.5, 1.5)) for study in runs])

    crowded = volumes("crowding")
    assert (volumes("reference") - crowded).mean() > 0
    assert (volumes("hypervolume") - crowded).mean() > 0


def test_auto_is_volume_for_three_objectives():
    auto, volume, crowded = (
        search(NSGA2(12, selection=selection), 60, 3, sphere, THREE).history[50:]
        for selection in ("auto", "hypervolume", "crowding")
    )
    assert auto == volume != crowded


def test_nsga2_finds_its_way_into_bounds():
    study = search(NSGA2(10), 300, constraints=("f1<1.5",))
    late = [study.history.violation(trial) for trial in study.history.finished[-50:]]
    early = [study.history.violation(trial) for trial in study.history.finished[:50]]
    assert np.mean(late) < 0.2 * np.mean(early)


def test_nsga2_refuses():
    with pytest.raises(StrategyError, match="at least 2 parents"):
        NSGA2(1)
    with pytest.raises(StrategyError, match="chances from 0 to 1"):
        NSGA2(crossover=1.5)
    with pytest.raises(StrategyError, match="auto, crowding, reference or hypervolume"):
        NSGA2(selection="best")


@pytest.mark.parametrize("selection", ["auto", "crowding", "reference", "hypervolume"])
def test_one_objective_is_climbed(selection):
    study = search(NSGA2(6, selection=selection), 150, objectives=("min:f1",))
    assert study.best.metrics["f1"] < search(RandomSearch(), 150).best.metrics["f1"]


def test_studies_that_a_selection_is_not_made_for():
    with pytest.raises(
        StrategyError, match=r"of 3 numbers, \(1, 2, 3\); the study has 2 objectives"
    ):
        search(NSGA2(8, selection="hypervolume", reference=(1, 2, 3)), 1)
    with pytest.raises(StrategyError, match="3 objectives need a population of at least 3; got 2"):
        search(NSGA2(2, selection="reference"), 1, objectives=("min:f0", "min:f1", "min:f2"))
    with pytest.raises(StrategyError, match="is what selection='hypervolume' measures from"):
        NSGA2(selection="crowding", reference=(1, 1))


def test_a_reference_point_says_what_counts():
    """Nothing beyond the point has volume, so the population gathers within it."""

    def inside(reference):
        strategy = NSGA2(3, selection="hypervolume", reference=reference)
        return np.mean([(last(search(strategy, 300, s)) < (0.5, 10)).all(1) for s in range(3)])

    assert inside((0.5, 10.0)) == 1.0 > inside((1.0, 10.0))


def test_density_is_a_kernel_density():
    from scipy.stats import gaussian_kde

    points = np.random.default_rng(0).normal(size=(50, 1))
    points = (points - points.mean()) / points.std()
    ours = density(points, points)
    theirs = gaussian_kde(points.T, bw_method="scott")(points.T)
    # scipy scales by the sample deviation (n - 1); up to that, and a constant, they agree.
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9999


def test_lemonade_draws_where_it_is_thin():
    costs = np.exp([[0.0], [0.1], [-0.1], [0.05], [3.0]])
    rng, terrain = Random(0), Terrain(costs)
    known = (np.log(costs) - np.log(costs).mean()) / np.log(costs).std()
    chances = 1 / density(known, known)
    for places in (None, costs):  # as parents, and as children in the same places
        drawn = np.bincount([terrain.thin(rng, places) for _ in range(5000)], minlength=5) / 5000
        assert drawn == pytest.approx(chances / chances.sum(), abs=0.03)
        assert drawn[4] > 0.3


def test_lemonade_keeps_the_front():
    study = search(LEMONADE(10), 200)
    state = study.state
    assert {trial.number for trial in state.members} <= {t.number for t in study.history.finished}
    best = {study.history.vector(trial) for trial in study.front}
    assert {study.history.vector(trial) for trial in state.members} == best
    assert state.vectors.tolist() == [list(study.history.vector(t)) for t in state.members]


@pytest.mark.parametrize("strategy", [NSGA2(8), LEMONADE(5), NSGA2(8, selection="reference")])
def test_nothing_is_proposed_twice_while_there_is_more(strategy):
    @space
    def small(choose):
        for place in range(4):
            choose(f"x{place}", (0, 2, 5, 10))
        return lambda: None

    study = Study(small, strategy, objectives=("min:f0", "min:f1"))
    for _ in range(200):  # of 256
        trial = study.ask()
        study.tell(trial, zdt1(trial.architecture))
    found = {trial.architecture for trial in study.history}
    twice = len(study.history) - len(found)
    drawn = sum(trial.proposal.uniform for trial in study.history)
    assert twice <= drawn  # only what is drawn uniformly at first may repeat itself
    assert NSGA2 is not type(strategy) or twice == 0


def test_lemonade_beats_random_search():
    def cheap(architecture):
        return [zdt1(architecture)["f0"] + 0.01]

    def values(architecture):
        found = zdt1(architecture)
        return {"f1": found["f1"], "f0": found["f0"] + 0.01}

    goals = ("min:f1", "min:f0")
    random = [area(search(RandomSearch(), 300, s, values, goals)) for s in range(5)]
    for strategy in (LEMONADE(20, cheap), LEMONADE(20)):
        ours = [area(search(strategy, 300, s, values, goals)) for s in range(5)]
        assert np.mean(ours) > max(random)


def test_lemonade_refuses():
    with pytest.raises(StrategyError, match="at least one cheap one"):
        search(LEMONADE(3), 4, objectives=("min:f0",))
    with pytest.raises(StrategyError, match=r"gave 3 numbers; the study has 1 cheap objectives"):
        search(LEMONADE(3, lambda architecture: (1.0, 2.0, 3.0)), 5)
    with pytest.raises(StrategyError, match="at least 1"):
        LEMONADE(0)
