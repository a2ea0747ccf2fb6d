"""EfficientNet: the published networks as scalings of one record."""

from __future__ import annotations

from random import Random

import pytest

from nasturtium.cost.block_costs import BlockCounter
from nasturtium.cost.count import count
from nasturtium.errors import SpaceError
from nasturtium.space.zoo.efficientnet import B0, SCALES, efficientnet

PARAMETERS = {  # those of torchvision's model zoo
    "B0": 5_288_548,
    "B1": 7_794_184,
    "B2": 9_109_994,
    "B3": 12_233_232,
    "B4": 19_341_616,
    "B5": 30_389_784,
    "B6": 43_040_704,
    "B7": 66_347_960,
}
MACS = {  # torchvision's, in 10^9
    "B0": 0.386,
    "B1": 0.687,
    "B3": 1.827,
    "B4": 4.394,
    "B5": 10.266,
    "B6": 19.068,
    "B7": 37.746,
}


def cost_of(name, side=None):
    width, depth, published = SCALES[name]
    inputs = (3, side or published, side or published)
    space = efficientnet.bind(width=width, depth=depth, inputs=inputs, classes=1000)
    return BlockCounter().count(space.plan(B0), inputs)


@pytest.mark.parametrize("name", SCALES)
def test_published_parameters(name):
    assert cost_of(name).params == PARAMETERS[name]


@pytest.mark.parametrize("name", MACS)
def test_published_macs(name):
    assert cost_of(name).macs / 1e9 == pytest.approx(MACS[name], abs=5e-4)


def test_published_macs_at_another_size():
    assert cost_of("B2", 288).macs / 1e9 == pytest.approx(1.088, abs=5e-4)
    assert cost_of("B2").macs / 1e9 == pytest.approx(1.0, abs=0.05)  # the paper's, at 260 pixels


def test_b0_is_counted_as_it_is_built():
    space = efficientnet.bind(inputs=(3, 224, 224), classes=1000)
    assert count(space.skeleton(B0), (3, 224, 224)) == cost_of("B0")


def test_size():
    size = efficientnet.size(paths=50)
    assert (size.value, size.exact) == (24 * 72**5 * 48, True)


def test_refuses_by_name():
    with pytest.raises(SpaceError, match="positive scales"):
        efficientnet.bind(depth=0).sample(Random(0))
