"""Counting from blocks agrees with counting the built network, everywhere."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import nasturtium as nas
from nasturtium.cost.count import count
from nasturtium.cost.plan import Counter, conv
from nasturtium.space.zoo import SPACES

PLANNED = ("anynet", "anynet_e", "mobilenet", "nasbench201", "nasbenchmacro", "regnet")


@given(
    group=st.integers(1, 3),
    ins=st.integers(1, 4),
    outs=st.integers(1, 4),
    kernel=st.sampled_from((1, 3, 5, 7)),
    stride=st.integers(1, 2),
    height=st.integers(7, 12),
    width=st.integers(7, 12),
    bias=st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_a_convolution_in_closed_form(group, ins, outs, kernel, stride, height, width, bias):
    inputs, outputs = group * ins, group * outs
    layer = nn.Conv2d(
        inputs, outputs, kernel, stride, kernel // 2, groups=group, bias=bias, device="meta"
    )
    figures = conv((inputs, height, width), outputs, kernel, stride, group, bias)
    cost = count(layer, (inputs, height, width))
    assert figures[:3] == (cost.params, cost.macs, cost.activations)


@pytest.mark.parametrize("name", [name for name in PLANNED if name in SPACES])
@pytest.mark.parametrize("inputs", [(1, 8, 8), (3, 33, 32)])
def test_blocks_cost_what_the_network_costs(name, inputs):
    space = getattr(nas.zoo, name).using(inputs=inputs, classes=7)
    rng, counter = Random(3), Counter()
    for _ in range(6):
        architecture = space.sample(rng)
        plan = space.plan(architecture)
        assert plan is not None
        assert counter.count(plan, inputs) == count(space.skeleton(architecture), inputs)


def test_a_part_that_does_not_fit_is_named():
    plan = nas.chain(
        a=nas.block(nn.Conv2d, 3, 8, 3),
        b=nas.block(nn.Conv2d, 4, 8, 3),
    )
    with pytest.raises(nas.EstimateError, match=r"Conv2d\(4, 8, 3\) does not fit .* \(8, 30, 30\)"):
        Counter().count(plan, (3, 32, 32))
    head = nas.chain(a=nas.block(nn.Conv2d, 3, 8, 3), head=nas.block(nas.Classifier, 4, 2))
    with pytest.raises(nas.EstimateError, match="made for 4 channels is given"):
        Counter().count(head, (3, 32, 32))


def test_a_builder_of_modules_has_no_plan():
    @nas.space
    def net(choose, *, inputs, classes):
        width = choose("width", (4, 8))
        return lambda: nn.Sequential(nn.Conv2d(inputs[0], width, 1), nas.Classifier(width, classes))

    assert net.plan(net.sample(Random(0))) is None
