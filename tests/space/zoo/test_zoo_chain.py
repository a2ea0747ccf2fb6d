"""Chains: the size of the published spaces, ResNet-56."""

from __future__ import annotations

from random import Random

import pytest
import torch

from nasturtium.cost.count import count
from nasturtium.space.zoo.chain import DEPTHS, WIDTHS, chain, network


def test_nine_depths_and_twelve_widths():
    assert (len(set(DEPTHS)), len(set(WIDTHS))) == (9, 12)
    assert (DEPTHS[0], DEPTHS[-1], WIDTHS[0], WIDTHS[-1]) == (1, 24, 16, 256)
    size = chain.size(paths=50)
    assert (size.value, size.exact) == (1_259_712, True)


def test_resnet56():
    with torch.device("meta"):
        resnet = network((3, 32, 32), 10, ((9, 16), (9, 32), (9, 64)), True)()
    cost = count(resnet, (3, 32, 32))
    assert cost.params == pytest.approx(0.856e6, rel=1e-3)
    assert cost.macs == pytest.approx(0.127e9, rel=1e-2)


def test_depth_keeps_the_first_layers():
    record = chain.restrict({"*.depth": (2,)}).sample(Random(0))
    deeper = chain.repair({**record, "stage0.depth": 4})
    paths = [set(dict(chain.skeleton(a).named_parameters())) for a in (record, deeper)]
    assert paths[0] < paths[1]
