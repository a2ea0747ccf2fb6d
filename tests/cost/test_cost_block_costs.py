"""Counting from blocks agrees with counting the built network, everywhere."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import nasturtium as nas
from nasturtium.cost.block_costs import BlockCounter, conv, total
from nasturtium.cost.count import count, forward_meta
from nasturtium.module_factory import like
from nasturtium.space.operations import MBConv, SepConv, SqueezeExcite
from nasturtium.space.zoo import SPACES
from nasturtium.space.zoo.anynet import Bottleneck
from nasturtium.space.zoo.chain import Basic
from nasturtium.space.zoo.mobilenet import OPS, Layer

ARGUMENTS = {
    "chain": {"residual": True},
    "regnet": {"squeeze": 0.25},
    "ofa": {"resolutions": (16,)},
}
PLANNED = sorted({*SPACES} - {"evonet"})  # asks for no blocks
CELLS = {
    "darts": {"layers": 5, "auxiliary": True, "drop_path": 0.2},
    "nasnet": {"repeats": 2, "bypass": True, "kept": ((0,), (1, 3)), "drop_path": 0.2},
}


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


@pytest.mark.parametrize("name", PLANNED)
@pytest.mark.parametrize("inputs", [(1, 8, 8), (3, 33, 32)])
def test_blocks_cost_what_the_network_costs(name, inputs):
    space = getattr(nas.zoo, name).bind(inputs=inputs, classes=7, **ARGUMENTS.get(name, {}))
    rng, counter = Random(3), BlockCounter()
    for _ in range(3):
        architecture = space.sample(rng)
        plan = space.plan(architecture)
        assert plan is not None
        assert counter.count(plan, inputs) == count(space.skeleton(architecture), inputs)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("inputs", [(1, 9, 13), (3, 65, 70)])
def test_cells_that_read_two_others_cost_what_the_network_costs(name, inputs):
    space = getattr(nas.zoo, name).bind(inputs=inputs, classes=7, channels=8, **CELLS[name])
    rng, counter = Random(3), BlockCounter()
    for _ in range(3):
        architecture = space.sample(rng)
        plan = space.plan(architecture)
        assert counter.count(plan, inputs) == count(space.skeleton(architecture), inputs)
        assert counter.count(plan, inputs) == count(plan(), inputs)


def test_compositions_use_cached_parts():
    class Twice(nn.Module):
        @staticmethod
        def composed(of, shape, part, times):
            return total(*[of(part, shape)] * times)

        def __init__(self, part, times):
            super().__init__()
            self.parts = nn.ModuleList(part() for _ in range(times))

        def forward(self, x):
            return sum(part(x) for part in self.parts)

    part, counter = nas.block(nn.Conv2d, 3, 4, 3), BlockCounter()
    for times in (2, 3):
        plan = nas.chain(a=nas.block(Twice, part, times), head=nas.block(nas.Classifier, 4, 5))
        assert counter.count(plan, (3, 8, 8)) == count(plan(), (3, 8, 8))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "nasturtium.cost.block_costs._count_built", None
            )  # nothing is counted again
            counter.count(nas.block(Twice, part, 7), (3, 8, 8))


numbers = st.integers(1, 6)
strides = st.integers(1, 2)
kernels = st.sampled_from((1, 3, 5, 7))


@given(
    made=st.one_of(
        st.tuples(st.just(SepConv), numbers, numbers, kernels, strides),
        st.tuples(st.just(MBConv), numbers, numbers, numbers, kernels, strides),
        st.builds(
            lambda *given: (MBConv, *given, "swish", 3, "hsigmoid"),
            *(numbers, numbers, numbers, kernels, strides),
        ),
        st.tuples(st.just(SqueezeExcite), numbers, numbers),
        st.tuples(st.just(Basic), numbers, numbers, strides),
        st.builds(lambda *given: (Bottleneck, *given, 2), numbers, numbers, numbers, numbers),
        st.builds(
            lambda op, kernel, *given: (Layer, op, kernel, *given),
            *(st.sampled_from(OPS), kernels, numbers, numbers, strides),
            st.sampled_from(("none", "identity", "projection")),
        ),
    ),
    height=st.integers(5, 9),
    width=st.integers(5, 9),
)
@settings(max_examples=60, deadline=None)
def test_closed_forms_agree_with_counting(made, height, width):
    kind, *given = made
    if kind is Bottleneck:
        inputs, outputs, group, groups, squeeze = given
        given = [inputs, outputs, group * groups, group, 1 + height % 2, squeeze]
    module = kind(*given)
    shape = (given[2] if kind is Layer else given[0], height, width)
    figures = kind.cost(shape, *given)
    cost = count(module, shape)
    assert figures[:3] == (cost.params, cost.macs, cost.activations)
    assert figures.shape == forward_meta(module, shape)[1:]


def test_a_block_with_the_cost_of_another_is_counted_as_it():
    @like(lambda body, times: nas.chain((str(place), body) for place in range(times)))
    def repeated(body, times):
        return nn.Sequential(*(body() for _ in range(times)))

    plan = nas.chain(a=nas.block(repeated, nas.block(SepConv, 4, 4), 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nasturtium.cost.block_costs._count_built", None)  # nothing needs to be built
        assert BlockCounter().count(plan, (4, 8, 8)) == count(plan(), (4, 8, 8))


def test_a_part_that_does_not_fit_is_named():
    plan = nas.chain(
        a=nas.block(nn.Conv2d, 3, 8, 3),
        b=nas.block(nn.Conv2d, 4, 8, 3),
    )
    with pytest.raises(nas.EstimateError, match=r"Conv2d\(4, 8, 3\) does not fit .* \(8, 30, 30\)"):
        BlockCounter().count(plan, (3, 32, 32))
    head = nas.chain(a=nas.block(nn.Conv2d, 3, 8, 3), head=nas.block(nas.Classifier, 4, 2))
    with pytest.raises(nas.EstimateError, match="for 4 channels got"):
        BlockCounter().count(head, (3, 32, 32))


def test_a_builder_of_modules_has_no_plan():
    @nas.space
    def net(choose, *, inputs, classes):
        width = choose("width", (4, 8))
        return lambda: nn.Sequential(nn.Conv2d(inputs[0], width, 1), nas.Classifier(width, classes))

    assert net.plan(net.sample(Random(0))) is None
