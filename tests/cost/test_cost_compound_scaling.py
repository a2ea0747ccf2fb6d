"""Compound scaling: EfficientNet's family from its bases, and the grid of bases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasturtium.cost.block_costs import BlockCounter
from nasturtium.cost.compound_scaling import (
    CompoundScaling,
    Scale,
    find_scalings,
    measure_growth,
    round_channels,
)
from nasturtium.errors import EstimateError
from nasturtium.space.zoo.efficientnet import B0, SCALES, efficientnet

EFFICIENTNET = CompoundScaling(depth=1.2, width=1.1, resolution=1.15)
FAMILY = {
    "B0": (0, 5_288_548),
    "B1": (0.5, 7_794_184),
    "B2": (1, 9_109_994),
    "B3": (2, 12_233_232),
}


def cost_of(scale, side, counter):
    inputs = (3, side, side)
    space = efficientnet.bind(width=scale.width, depth=scale.depth, inputs=inputs, classes=1000)
    return counter.count(space.plan(B0), inputs)


@pytest.mark.parametrize("name", FAMILY)
def test_efficientnets_from_three_bases(name):
    phi, params = FAMILY[name]
    scale = EFFICIENTNET.at(phi, digits=1)
    side = scale.side(224, multiple=20)
    assert (scale.width, scale.depth, side) == SCALES[name]
    assert cost_of(scale, side, BlockCounter()).params == params


def test_the_larger_efficientnets_are_not_of_the_family():
    scales = [EFFICIENTNET.at(place / 100, digits=1) for place in range(1000)]
    made = {(scale.width, scale.depth, scale.side(224, multiple=20)) for scale in scales}
    assert {name for name, scale in SCALES.items() if scale in made} == {*FAMILY}


def test_the_bases_are_on_the_grid_of_the_formula():
    assert pytest.approx(1.92, abs=0.005) == EFFICIENTNET.growth
    candidates = find_scalings(tolerance=0.05)
    assert EFFICIENTNET in candidates
    misses = [abs(one.growth / 2 - 1) for one in candidates]
    assert misses == sorted(misses)
    assert misses[-1] <= 0.05
    assert len({*candidates}) == len(candidates)
    assert CompoundScaling(2.0, 1.0, 1.0) in candidates  # one dimension alone is a candidate too
    assert CompoundScaling(1.0, 1.4, 1.0) in candidates


def test_a_measured_grid_meets_the_counted_cost():
    counter = BlockCounter()
    growth = measure_growth(lambda scale: cost_of(scale, scale.side(224), counter))
    # 16 layers become 23, not 19, and images of 258 pixels are 1.33 times as large.
    assert growth(EFFICIENTNET) == pytest.approx(2.58, abs=0.02)
    found = find_scalings(growth, tolerance=0.02, step=0.1)
    base = cost_of(Scale(), 224, counter).macs
    for scaling in found:
        scale = scaling.at(1)
        assert cost_of(scale, scale.side(224), counter).macs / base == pytest.approx(2, rel=0.02)
    assert found
    assert EFFICIENTNET not in found


@given(st.floats(1.0, 2.0), st.floats(1.0, 1.5), st.floats(1.0, 1.5), st.floats(0, 3))
def test_phi_is_an_exponent(depth, width, resolution, phi):
    scaling = CompoundScaling(depth, width, resolution)
    assert scaling.at(0) == Scale()
    scale = scaling.at(phi)
    growth = scale.depth * scale.width**2 * scale.resolution**2
    assert growth == pytest.approx(scaling.growth**phi)


def test_rounding():
    scale = Scale(depth=1.2, width=1.1, resolution=1.15)
    assert [scale.layers(n) for n in (1, 2, 3, 4)] == [2, 3, 4, 5]
    assert [scale.channels(n) for n in (16, 24, 40, 1280)] == [16, 24, 48, 1408]
    assert (scale.side(224), scale.side(224, 32), Scale().side(224, 20)) == (258, 256, 224)
    assert [round_channels(c, 8) for c in (3, 12, 16.4, 18, 22)] == [8, 16, 16, 24, 24]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Scale(width=0.0), "a scale got depth, width, resolution"),
        (lambda: CompoundScaling(1.2, -1.1, 1.15), "a compound scaling got"),
        (lambda: find_scalings(budget=1.0), "a growth above 1"),
        (lambda: find_scalings(step=0.0), "positive numbers"),
    ],
)
def test_refuses_by_name(call, words):
    with pytest.raises(EstimateError, match=words):
        call()
