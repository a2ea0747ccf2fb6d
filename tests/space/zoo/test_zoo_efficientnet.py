"""EfficientNet: the published networks as scalings of one record."""

from __future__ import annotations

from random import Random

import pytest

from nasturtium.cost.count import count
from nasturtium.errors import SpaceError
from nasturtium.space.zoo.efficientnet import B0, SCALES, efficientnet

PARAMETERS = {"B0": 5_288_548, "B1": 7_794_184, "B2": 9_109_994, "B3": 12_233_232}


@pytest.mark.parametrize("name", SCALES)
def test_published_parameters(name):
    width, depth, side = SCALES[name]
    space = efficientnet.using(width=width, depth=depth, inputs=(3, side, side), classes=1000)
    network = space.skeleton(B0)
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS[name]


def test_published_macs():
    space = efficientnet.using(inputs=(3, 224, 224), classes=1000)
    assert count(space.skeleton(B0), (3, 224, 224)).macs == pytest.approx(0.39e9, rel=2e-2)


def test_size():
    size = efficientnet.size(paths=50)
    assert (size.value, size.exact) == (24 * 72**5 * 48, True)


def test_refuses_by_name():
    with pytest.raises(SpaceError, match="positive scales"):
        efficientnet.using(depth=0).sample(Random(0))
