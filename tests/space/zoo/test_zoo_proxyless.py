"""ProxylessNAS: its size, and the published mobile network."""

from __future__ import annotations

from random import Random

import pytest
import torch

from nasturtium.cost.count import count
from nasturtium.errors import SpaceError
from nasturtium.space.ops import Residual
from nasturtium.space.zoo.proxyless import MOBILE, proxyless


def test_six_or_seven_kinds_a_layer():
    assert (proxyless.size(paths=50).value, proxyless.size(paths=50).exact) == (6**6 * 7**15, True)


def test_the_published_mobile_network():
    space = proxyless.using(widths=(32, 40, 80, 96, 192, 320), inputs=(3, 224, 224), classes=1000)
    cost = count(space.skeleton(MOBILE), (3, 224, 224))
    assert cost.params == 4_080_512
    assert cost.macs == pytest.approx(320e6, rel=5e-3)


def test_zero_leaves_a_layer_out():
    space = proxyless.using(inputs=(3, 8, 8), multiplier=0.25)
    record = space.restrict({"stage0.layer1": "zero"}).sample(Random(0))
    layer = space.build(record, seed=0).stage0.layer1
    assert isinstance(layer, Residual)
    assert not list(layer.parameters())
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(layer(x), x)


@pytest.mark.parametrize("arguments", [{"widths": (8, 16)}, {"multiplier": 0.0}])
def test_refuses_by_name(arguments):
    with pytest.raises(SpaceError, match="a width for each of 6 stages"):
        proxyless.using(**arguments).sample(Random(0))
