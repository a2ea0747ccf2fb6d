"""What strategies with a surrogate share: columns, targets, candidates."""

from __future__ import annotations

import pickle
from random import Random

import numpy as np
import pytest
from searching import layered, observed, searched
from torch import nn

import nasturtium as nas
from nasturtium.errors import StrategyError
from nasturtium.predict.cell_to_graph import vertex_cell
from nasturtium.predict.graph_encodings import Graph, find_paths
from nasturtium.space.choice_space import ChoiceSpace
from nasturtium.space.decorator import space
from nasturtium.space.pool_space import PoolSpace
from nasturtium.space.zoo.training_recipes import training
from nasturtium.strategy.random_search import RandomSearch
from nasturtium.strategy.surrogate.acquisition import expected_improvement
from nasturtium.strategy.surrogate.bananas import BANANAS
from nasturtium.strategy.surrogate.bayesian_optimization import BayesianOptimization
from nasturtium.strategy.surrogate.candidates import candidates
from nasturtium.strategy.surrogate.cell_graphs import graph_of
from nasturtium.strategy.surrogate.features import Encoding, counts
from nasturtium.strategy.surrogate.npenas import NPENAS
from nasturtium.strategy.surrogate.observations import (
    best_and_latest,
    best_trials,
    fitted,
    winsorized,
)

CELLS = nas.zoo.nasbench201.bind(inputs=(3, 32, 32), classes=10)


def test_columns_are_answers_tallies_and_counts():
    cell = CELLS.sample(Random(0))
    encoding = Encoding(CELLS, counts(CELLS))
    hot, tally, free = encoding.groups([cell, CELLS.sample(Random(1))])
    assert hot.shape == (2, 30) and hot[0].sum() == 6
    ops = list(cell.values())
    options = CELLS.encoder().discovered[0].options
    assert tally[0].tolist() == [ops.count(option) for option in options]
    assert free.shape == (2, 3)
    many = encoding.groups([CELLS.sample(Random(n)) for n in range(60)])[2]
    assert np.abs(many.mean(0)).max() < 0.5 and 0.7 < many.std(0).min() < 1.4


def test_counts_only_where_they_are_free():
    assert counts(nas.zoo.nasbench201) is None  # not bound to its inputs
    assert counts(layered) is None
    params = counts(CELLS)(CELLS.sample(Random(0)))[0]
    network = CELLS.build(CELLS.sample(Random(0)))
    assert np.expm1(params) == pytest.approx(sum(p.numel() for p in network.parameters()))


def test_a_pool_has_columns_and_tallies():
    features = np.array([[0, 1, 5], [1, 1, 7], [1, 0, 5]])
    pool = PoolSpace("three", [{"k": 1}, {"k": 3}, {"k": 5}], features, near=1)
    hot, tally, free = Encoding(pool).groups(pool.architectures)
    assert hot.shape == (3, 6) and (hot.sum(1) == 3).all()
    assert tally.tolist() == [[1, 1], [0, 2], [1, 1]]  # zeros and ones of the first two columns
    assert free.shape == (3, 0)


@space
def secret(choose):
    """A decision that hides behind a conjunction which no probing finds."""
    bits = [choose(f"bit{place}", (0, 1, 2, 3)) for place in range(8)]
    if bits == [3] * 8:
        choose("hidden", ("p", "q"))
    return lambda: None


def test_columns_grow_with_what_was_finished():
    found = secret.decide(lambda decision: decision.options[-1])
    assert "hidden" in found
    encoding = Encoding(secret)
    before = encoding.columns
    assert encoding.groups([found])[0].shape == (1, before)  # only looked at
    assert encoding.columns == before
    encoding.meet(found)
    assert encoding.columns == before + 2
    hot, tally, _ = encoding.groups([found, secret.sample(Random(0))])
    assert hot.shape == (2, before + 2) and hot[0].sum() == 9
    assert tally.shape == (2, 4)


def test_spaces_without_decisions_are_refused():
    class Odd(nas.Space):
        name = "odd"
        sample = mutate = cross = build = canonical = bind = describe = lambda *_: None

    with pytest.raises(StrategyError, match=r"Odd 'odd' asks none\. Use RegularizedEvolution"):
        Encoding(Odd())


def test_evidence_that_is_not_defined_lies_below():
    def evidence(architecture):
        return (float(len(architecture)) if architecture["layer0.op"] == "a" else float("nan"),)

    rng = Random(0)
    drawn = [layered.sample(rng) for _ in range(40)]
    free = Encoding(layered, evidence).groups(drawn)[2][:, 0]
    has = np.array([architecture["layer0.op"] == "a" for architecture in drawn])
    assert np.isfinite(free).all() and free[~has].max() < free[has].min()


@pytest.mark.parametrize("evidence", [lambda a: (1.0, float("-inf")), lambda a: (float("inf"),)])
def test_evidence_has_to_be_finite(evidence):
    with pytest.raises(StrategyError, match="expected finite numbers"):
        Encoding(layered, evidence).groups([layered.sample(Random(0))])


def test_targets_that_break_a_constraint_lie_below_the_others():
    study = nas.Study(layered, RandomSearch(), constraints=("latency<5",))
    for accuracy, latency in ((0.5, 4.0), (0.9, 10.0), (0.7, 3.0), (0.8, 6.0)):
        study.tell(study.ask(), {"accuracy": accuracy, "latency": latency})
    observations = observed(study.searched)
    targets = observations.targets()
    assert targets[[0, 2]].tolist() == [0.5, 0.7]
    assert targets[1] < targets[3] < 0.5
    assert [trial.number for trial in best_trials(observations, 3)] == [2, 0, 3]


def test_winsorized_targets_keep_the_order_of_the_better_half():
    y = np.array([10.0, 60.0, 90.0, 91.0, 92.0, 93.0, 94.0])
    drawn = winsorized(y)
    assert drawn[3] == 0.0 and (np.diff(drawn[3:]) > 0).all()
    assert drawn[0] == drawn[1] == pytest.approx(-2.0)


def test_expected_improvement_is_a_mean():
    drawn = np.random.default_rng(0).normal(1.0, 2.0, 400_000)
    found = expected_improvement(np.array([1.0]), np.array([2.0]), 2.5)
    assert found[0] == pytest.approx(np.maximum(drawn - 2.5, 0.0).mean(), rel=0.01)


def test_candidates_are_new_and_different():
    study = searched(RandomSearch(), 40)
    observations = observed(study.searched)
    some = candidates(
        observations,
        study.searched,
        Random(0),
        best=best_trials(observations, 3),
        mutants=50,
        fresh=20,
    )
    keys = {candidate.architecture.key for candidate in some}
    assert len(keys) == len(some) and 50 <= len(some) <= 70
    assert keys.isdisjoint(trial.architecture.key for trial in study.history)
    assert {candidate.parent for candidate in some} == {
        t.number for t in best_trials(observations, 3)
    } | {None}


def test_a_space_that_is_used_up_is_searched_on():
    @space
    def tiny(choose):
        choose("bit", (0, 1))
        return lambda: None

    study = searched(RandomSearch(), 12, where=tiny, metric=lambda a: float(a["bit"]))
    observations = observed(study.searched)
    some = candidates(
        observations, study.searched, Random(0), best=best_trials(observations, 2), mutants=5
    )
    assert len(some) == 1


def test_models_follow_from_their_results_alone():
    study = searched(RandomSearch(), 17)
    fits = []

    def fit(count, seed):
        fits.append((count, seed))
        return count

    observations = observed(study.searched)
    assert fitted(observations, 5, fit) == fitted(observations, 5, fit) == 15
    assert len(fits) == 1
    early = observed(searched(RandomSearch(), 15).searched)
    fitted(early, 5, fit)
    assert fits[0] == fits[1]


def test_the_best_and_the_latest_are_kept():
    targets = np.arange(10.0)[::-1]
    assert best_and_latest(targets, 20).tolist() == list(range(10))
    assert best_and_latest(targets, 4).tolist() == [0, 1, 8, 9]


def test_cells_as_graphs():
    ops = ("nor_conv_3x3", "none", "skip_connect", "none", "avg_pool_3x3", "nor_conv_1x1")
    names = ("edge0_1", "edge0_2", "edge1_2", "edge0_3", "edge1_3", "edge2_3")
    graph = nas.zoo.nasbench201.graph
    cell = nas.Architecture("nasbench201", dict(zip(names, ops, strict=True)))
    assert find_paths(graph(cell)) == {
        ("nor_conv_3x3", "avg_pool_3x3"),
        ("nor_conv_3x3", "skip_connect", "nor_conv_1x1"),
    }
    dead = nas.Architecture("nasbench201", dict.fromkeys(names, "none"))
    assert find_paths(graph(dead)) == frozenset()
    vertex = nas.Architecture("nasbench101", {"edges": ((0, 1), (1, 2), (0, 2)), "ops": ("conv",)})
    assert find_paths(vertex_cell(vertex)) == {("conv",), ()}


def chain_graph(architecture):
    labels = tuple(str(op) for name, op in sorted(architecture.items()))
    steps = range(len(labels) + 1)
    return Graph(("input", *labels, "output"), tuple((step, step + 1) for step in steps))


@nas.space(graph=chain_graph)
def ops_in_a_row(choose):
    for place in range(5):
        choose(f"op{place}", ("conv", "pool", "skip"))
    return nas.block(nn.Identity)


def test_a_space_says_how_its_architectures_become_graphs():
    for one in (ops_in_a_row, pickle.loads(pickle.dumps(ops_in_a_row)), ops_in_a_row.tie("op*")):
        assert graph_of(one) is chain_graph
    sent = ChoiceSpace(*ops_in_a_row.by_value()[1])
    assert graph_of(sent) is chain_graph
    assert ops_in_a_row.joined(training).graph is None
    with pytest.raises(
        StrategyError, match=r"space 'regnet' does not say .* @nas.space\(graph=f\)"
    ):
        graph_of(nas.zoo.regnet)
    asked = []

    def heard(architecture):
        asked.append(architecture)
        return chain_graph(architecture)

    listening = ops_in_a_row.derived(graph=heard)
    for strategy in (
        BANANAS(start_with=5, every=5),
        NPENAS(start_with=5, every=5),
        BayesianOptimization(start_with=5, kernel="wl"),
    ):
        asked.clear()
        searched(
            strategy, 8, where=listening, metric=lambda a: sum(v == "conv" for v in a.values())
        )
        assert asked, type(strategy).__name__
