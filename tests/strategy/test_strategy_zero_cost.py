"""Zero-cost scores as evidence on probation."""

from __future__ import annotations

import math
from random import Random

import pytest
import torch
from searching import searched
from torch import nn

import nasturtium as nas
from nasturtium.contracts.strategies import check_strategy
from nasturtium.errors import StrategyError
from nasturtium.proxy.zero_cost_scores import compute_scores
from nasturtium.strategy.surrogate.model_selection import JUDGED
from nasturtium.strategy.surrogate.portfolio import Portfolio
from nasturtium.strategy.surrogate.zero_cost import ZeroCostProxies

CELLS = nas.zoo.nasbench201.bind(cells=1, channels=4, inputs=(3, 8, 8), classes=3)
DEAD = nas.Architecture(
    "nasbench201", {name: "none" for name, _ in CELLS.sample(Random(0)).items()}
)


@nas.space
def perceptron(choose, *, inputs, classes):
    first, second = choose("first", (2, 4, 8, 16)), choose("second", (2, 4, 8, 16))
    act = choose.module("act", {"relu": nas.block(nn.ReLU), "gelu": nas.block(nn.GELU)})
    return lambda: nas.chain(
        one=nas.block(nn.Linear, inputs[0], first),
        act=act,
        two=nas.block(nn.Linear, first, second),
        last=nas.block(nn.ReLU),
        three=nas.block(nn.Linear, second, classes),
    )


SMALL = perceptron.bind(inputs=(6,), classes=3)


def test_they_are_the_scores_of_the_network():
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    cell = CELLS.sample(Random(1))
    found = ZeroCostProxies(images, names=("naswot", "synflow")).on(CELLS)(cell)
    expected = compute_scores(CELLS.build(cell, seed=0), images, names=("naswot", "synflow"))
    assert found == pytest.approx(tuple(expected.values()))
    labels = torch.tensor([0, 1, 2, 0])
    found = ZeroCostProxies(images, labels).on(CELLS)(cell)
    expected = compute_scores(CELLS.build(cell, seed=0), images, labels)
    assert found == pytest.approx(tuple(expected.values()))


def test_what_is_not_defined_is_not_a_number():
    scored = ZeroCostProxies(names=("synflow", "naswot")).on(CELLS)
    assert math.isnan(scored(DEAD)[0])
    assert scored.only(("synflow",))._known is scored._known


@pytest.mark.parametrize(("told", "kept"), [(True, True), (False, False)])
def test_what_does_not_order_the_first_results_is_dropped(told, kept):
    flow = ZeroCostProxies(names=("synflow",))
    scored = flow.on(SMALL)

    def metric(architecture):
        return scored(architecture)[0] if told else Random(architecture.key).random()

    strategy = Portfolio(mutants=8, fresh=4, evidence=flow, surrogates=("process",), min_skill=0.5)
    study = searched(strategy, JUDGED + 2, where=SMALL, metric=metric)
    assert (study.state.observations.encoding.value._scores is not None) == kept


def test_laws():
    flow = ZeroCostProxies(names=("synflow",))
    strategy = Portfolio(mutants=4, fresh=2, evidence=flow, surrogates=("process",), min_skill=0.6)
    check_strategy(strategy, SMALL, trials=JUDGED + 4, cuts=3)


def test_messages():
    with pytest.raises(StrategyError, match="there are synflow, jacov, naswot, and with labels"):
        ZeroCostProxies(names=("snip",))
    with pytest.raises(StrategyError, match=r"labels of shape \(3,\) and images of shape"):
        ZeroCostProxies(torch.zeros(4, 3, 8, 8), torch.zeros(3))
    with pytest.raises(StrategyError, match=r"images of shape \(1, 3, 8, 8\), expected"):
        ZeroCostProxies(images=torch.zeros(1, 3, 8, 8))
    with pytest.raises(StrategyError, match=r"images of shape \(1, 8, 8\); space 'nasbench201'"):
        ZeroCostProxies(images=torch.zeros(4, 1, 8, 8)).on(CELLS)
    with pytest.raises(StrategyError, match="whose inputs are not known; bind them with nasben"):
        ZeroCostProxies().on(nas.zoo.nasbench201)


def test_images_are_part_of_what_a_study_is():
    one, two = (
        ZeroCostProxies(images=torch.full((2, 3, 8, 8), value)).to_json() for value in (0.0, 1.0)
    )
    assert one["names"] == two["names"] and one["examples"] != two["examples"]
    assert ZeroCostProxies().to_json()["examples"] is None


def test_nothing_is_scored_to_spread_the_first_trials():
    study = searched(Portfolio(evidence="scores"), 5, where=CELLS, metric=lambda cell: len(cell))
    assert not study.state.observations.encoding.value._scores._known
