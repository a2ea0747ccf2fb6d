"""BANANAS keeps the laws, and finds what random search does not."""

from __future__ import annotations

import pytest
from searching import mean_best, searched, without_equals

import nasturtium as nas
from nasturtium.contracts.strategies import check_strategy
from nasturtium.errors import StrategyError
from nasturtium.predict.forest import Forest
from nasturtium.predict.mlp import MLPEnsemble
from nasturtium.strategy.surrogate.bananas import BANANAS

QUICK = MLPEnsemble(members=2, layers=2, epochs=2)


def test_laws():
    check_strategy(BANANAS(every=15, mutants=15, predictor=QUICK), trials=30, cuts=3)


def test_finds_more_than_random_search():
    strategy = BANANAS(predictor=MLPEnsemble(layers=3, epochs=60), mutants=50)
    assert mean_best(strategy, 40, 3) > mean_best(nas.RandomSearch(), 40, 3) + 0.3


def test_any_predictor_serves():
    assert without_equals(searched(BANANAS(predictor=Forest(trees=5)), 25))


@pytest.mark.parametrize("encoding", ["auto", "onehot"])
def test_cells_are_encoded_by_paths(encoding):
    study = searched(
        BANANAS(every=5, predictor=QUICK, encoding=encoding), 16, where=nas.zoo.nasbench201,
        metric=lambda a: sum(op == "nor_conv_3x3" for op in a.values()),
    )  # fmt: skip
    assert len(study.history.finished) == 16
    model, known = study.state.model.value
    assert (len(known) > 0) == (encoding == "auto")
    width = len(known) or 30
    assert model.predict([[0.0] * width]).mean.shape == (1,)


def test_messages():
    with pytest.raises(StrategyError, match="encoding='paths'; expected auto, path or onehot"):
        BANANAS(encoding="paths")
    with pytest.raises(StrategyError, match="every=0"):
        BANANAS(every=0)
    with pytest.raises(StrategyError, match="how its architectures become graphs"):
        searched(BANANAS(predictor=QUICK, encoding="path"), 12)
