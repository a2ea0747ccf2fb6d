"""NPENAS keeps the laws, and finds what random search does not."""

from __future__ import annotations

import pytest
from searching import mean_best, searched, without_equals

import nasturtium as nas
from nasturtium.contracts.strategies import check_strategy
from nasturtium.errors import StrategyError
from nasturtium.predict.gcn import GCN
from nasturtium.predict.gp import GP
from nasturtium.strategy.surrogate.npenas import NPENAS

QUICK = GCN(epochs=2, width=8)


def test_laws():
    check_strategy(NPENAS(every=15, mutants=15, predictor=QUICK), trials=30, cuts=3)
    check_strategy(NPENAS(every=15, mutants=15, explore=0.5, predictor=GP()), trials=30, cuts=2)


def test_finds_more_than_random_search():
    strategy = NPENAS(every=5, mutants=50, explore=0.3, predictor=GP())
    assert mean_best(strategy, 60) > mean_best(nas.RandomSearch(), 60) + 0.2


def test_cells_are_read_as_graphs():
    study = searched(
        NPENAS(every=10), 20, where=nas.zoo.nasbench201,
        metric=lambda a: sum(op == "nor_conv_3x3" for op in a.values()),
    )  # fmt: skip
    assert without_equals(study)
    _, frame = study.state.model.value
    assert frame.nodes >= 8 and "input" in frame.labels and "none" not in frame.labels


def test_messages():
    with pytest.raises(StrategyError, match="explore=1; expected a share"):
        NPENAS(explore=1)
    with pytest.raises(StrategyError, match="parents=0"):
        NPENAS(parents=0)
