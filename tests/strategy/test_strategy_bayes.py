"""Bayesian optimisation keeps the laws, and finds what random search does not."""

from __future__ import annotations

import pytest
from searching import layered, mean_best, searched, without_equals

import nasturtium as nas
from nasturtium.contracts.strategies import check_strategy
from nasturtium.errors import StrategyError
from nasturtium.predict.graph_encodings import Graph
from nasturtium.strategy.surrogate.bayesian_optimization import BayesianOptimization


def chain(architecture):
    ops = [str(value) for name, value in architecture.items() if name.endswith("op")]
    labels = ("in", *(f"{place}{op}" for place, op in enumerate(ops)), "out")
    return Graph(labels, tuple((i, i + 1) for i in range(len(labels) - 1)))


SMALL = {"start_with": 6, "mutants": 30, "fresh": 10}


def test_laws():
    check_strategy(BayesianOptimization(**SMALL, most=20), trials=40, cuts=4)


@pytest.mark.parametrize("settings", [{}, {"kernel": "wl", "graph": chain}], ids=["answers", "wl"])
def test_finds_more_than_random_search(settings):
    strategy = BayesianOptimization(**SMALL, **settings)
    assert mean_best(strategy, 40, 3) > mean_best(nas.RandomSearch(), 40, 3) + 0.3


def test_never_asks_twice():
    assert without_equals(searched(BayesianOptimization(**SMALL), 30))


def test_known_cells_need_no_graph():
    cells = nas.zoo.nasbench201
    study = searched(
        BayesianOptimization(**SMALL, kernel="wl"), 10, where=cells,
        metric=lambda a: sum(op == "nor_conv_3x3" for op in a.values()),
    )  # fmt: skip
    assert max(t.metrics["accuracy"] for t in study.history.finished) >= 4


def test_messages():
    with pytest.raises(StrategyError, match="kernel='rbf'; expected 'hamming' or 'wl'"):
        BayesianOptimization(kernel="rbf")
    with pytest.raises(StrategyError, match="start_with=1; expected at least 2"):
        BayesianOptimization(start_with=1)
    with pytest.raises(StrategyError, match=r"declare it, @nas.space\(graph=f\)"):
        searched(BayesianOptimization(**SMALL, kernel="wl"), 8, where=layered)
