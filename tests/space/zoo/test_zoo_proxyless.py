"""ProxylessNAS: its size, and the published networks."""

from __future__ import annotations

from random import Random

import pytest
import torch

from nasturtium.cost.count import count
from nasturtium.errors import SpaceError
from nasturtium.space.operations import Residual
from nasturtium.space.zoo.proxyless import CPU, GPU, MOBILE, proxyless


def test_six_or_seven_kinds_a_layer():
    assert (proxyless.size(paths=50).value, proxyless.size(paths=50).exact) == (6**6 * 7**15, True)


# Parameters of osmr's ports of the released networks; millions of multiply-accumulates of the logs
# in the authors' repository, which also print 4.08, 4.36 and 7.12 million parameters.
PUBLISHED = [
    (MOBILE, {"widths": (32, 40, 80, 96, 192, 320)}, 4_080_512, 320.4),
    (CPU, {"multiplier": 1.12}, 4_361_648, 439.2),
    (GPU, {"multiplier": 1.35}, 7_119_848, 465.3),
]


@pytest.mark.parametrize(("network", "given", "params", "macs"), PUBLISHED)
def test_the_published_networks(network, given, params, macs):
    space = proxyless.bind(inputs=(3, 224, 224), classes=1000, **given)
    cost = count(space.skeleton(network), (3, 224, 224))
    assert (cost.params, round(cost.macs / 1e6, 1)) == (params, macs)


def test_zero_leaves_a_layer_out():
    space = proxyless.bind(inputs=(3, 8, 8), multiplier=0.25)
    record = space.restrict({"stage0.layer1": "zero"}).sample(Random(0))
    layer = space.build(record, seed=0).stage0.layer1
    assert isinstance(layer, Residual)
    assert not list(layer.parameters())
    x = torch.randn(2, 8, 4, 4)
    assert torch.equal(layer(x), x)


@pytest.mark.parametrize("arguments", [{"widths": (8, 16)}, {"multiplier": 0.0}])
def test_refuses_by_name(arguments):
    with pytest.raises(SpaceError, match="a width for each of 6 stages"):
        proxyless.bind(**arguments).sample(Random(0))
