"""RegNet: the golden table of published models, and the rule that makes the stages."""

from __future__ import annotations

from math import log2
from random import Random

import pytest

from nasturtium.cost.count import count
from nasturtium.errors import Rejected, SpaceError
from nasturtium.space.zoo.regnet import REGNETS, regnet, stages_of

# flops, parameters, activations of "Designing Network Design Spaces" as the authors count them
PUBLISHED = {
    "X-200MF": (199040872, 2684792, 2164056),
    "X-600MF": (600891112, 6196040, 3975096),
    "X-1.6GF": (1602850792, 9190136, 7933512),
    "X-4.0GF": (3964499816, 22118248, 12201608),
    "X-12GF": (12086679016, 46106056, 21366568),
    "X-32GF": (31735930792, 107811560, 36302160),
    "Y-400MF": (401849056, 4344144, 3892496),
    "Y-800MF": (797183328, 6263168, 5249888),
    "Y-3.2GF": (3176496162, 19436338, 11263418),
    "Y-6.4GF": (6355221876, 30583252, 16407188),
    "Y-12GF": (12092395504, 51822544, 21384496),
    "Y-32GF": (32279583362, 145046770, 30261570),
}
IMAGENET = regnet.bind(inputs=(3, 224, 224), classes=1000)


@pytest.mark.parametrize("name", REGNETS)
def test_published_costs(name):
    space = IMAGENET.bind(squeeze=0.25 if name[0] == "Y" else 0.0)
    network = space.skeleton(REGNETS[name])
    cost = count(network, (3, 224, 224))
    # The authors add one operation per biased output (all of 1x1 maps), and the classifier's
    # outputs to the activations.
    biases = sum(
        parameter.numel()
        for path, parameter in network.named_parameters()
        if path.endswith(".bias") and ".norm." not in path
    )
    assert (cost.macs + biases, cost.params, cost.activations + 1000) == PUBLISHED[name]


def test_every_published_model_is_a_point():
    for model in REGNETS.values():
        assert [d.name for d in IMAGENET.decisions(model)] == list(model)
    assert len({IMAGENET.canonical(model) for model in REGNETS.values()}) == 11  # X-12GF is Y-12GF


def test_the_line_of_widths():
    assert stages_of(13, 24, 36.44, 2.49) == ([(24, 1), (56, 1), (152, 4), (368, 7)], False)
    assert stages_of(1, 8, 8.0, 2.0) == ([(8, 1)], False)
    assert stages_of(3, 8, 256.0, 1.5)[1]  # from 8 to 264 leaps over powers of 1.5


def test_samples_have_four_stages():
    rng = Random(0)
    for _ in range(30):
        record = regnet.mutate(regnet.sample(rng), rng)
        line, skips = stages_of(*(record[name] for name in ("depth", "w0", "wa", "wm")))
        assert len(line) == 4
        assert not skips
        assert sum(depth for _, depth in line) == record["depth"]
    with pytest.raises(Rejected, match="does not end in stage 4"):
        regnet.decide(lambda d: 1 if d.name == "depth" else d.nearest(8))


def test_the_refined_space():
    refined = regnet.restrict(depth=(12, 28), wm=(2.0, 3.0), bottleneck=1)
    record = refined.sample(Random(1))
    assert 12 <= record["depth"] <= 28
    assert record["bottleneck"] == 1
    assert log2(refined.bind(stages=3).size(paths=300).value) > 20


def test_refuses_by_name():
    with pytest.raises(SpaceError, match="space 'regnet' got stages=0"):
        regnet.bind(stages=0).sample(Random(0))
