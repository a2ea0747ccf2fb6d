"""The MobileNet space: its size, MobileNetV2 as a point of it, and small images."""

from __future__ import annotations

from random import Random

import pytest
import torch

from nasturtium.cost.compound_scaling import round_channels
from nasturtium.cost.count import count, forward_meta
from nasturtium.errors import SpaceError
from nasturtium.space.zoo.image_skeleton import fitting
from nasturtium.space.zoo.mobilenet import MOBILENETV2, mobilenet

IMAGENET = mobilenet.bind(inputs=(3, 224, 224), classes=1000)


def test_288_choices_a_block():
    size = IMAGENET.size(paths=50)
    assert (size.value, size.method) == (288**7, "fixed")
    assert mobilenet.bind(blocks=1).size().value == 288


def test_mobilenetv2_is_a_point():
    network = IMAGENET.bind(shortcut="identity").skeleton(MOBILENETV2)
    cost = count(network, (3, 224, 224))
    assert (cost.params, cost.macs) == (3_504_872, 300_774_272)


@pytest.mark.parametrize("side", [1])
def test_check(side):
    assert mobilenet.bind(blocks=2).check((1, side, side), 10, samples=3).rejected == 0


@pytest.mark.parametrize(
    ("side", "last"), [(8, 4), (28, 4), (32, 4), (64, 4), (65, 5), (96, 6), (224, 7)]
)
def test_last_map(side, last):
    space = mobilenet.bind(inputs=(3, side, side), multiplier=0.25, blocks=7)
    network = space.skeleton(space.sample(Random(0)))
    features = torch.nn.Sequential(*list(network.children())[:-1])
    assert forward_meta(features, (3, side, side))[2:] == (last, last)


def test_width_rules():
    wide = {"block0.width": 2.0, "block1.width": 0.5}
    for rule, widths in {"base": (32, 12), "previous": (64, 32)}.items():
        space = mobilenet.bind(width_rule=rule, multiplier=1.0, blocks=2, classes=10)
        network = space.skeleton(space.restrict(wide).sample(Random(0)))
        blocks = [network.block0.layer0, network.block1.layer0]
        made = [dict(layer.named_modules()) for layer in blocks]
        outputs = [(m.get("sep.project.conv") or m.get("mb.project.conv")) for m in made]
        assert [conv.out_channels for conv in outputs] == [round_channels(w, 8) for w in widths]


def test_paths_keep_their_names_whatever_the_width_skip_and_expansion():
    space = mobilenet.bind(inputs=(1, 8, 8), classes=10)
    mother = space.sample(Random(1))
    for name, values in {
        "block1.width": (0.5, 2.0),
        "block1.kernel": (3, 7),
        "block1.skip": (0, 1),
        "block1.depth": (1, 4),
    }.items():
        less, more = (
            set(dict(space.skeleton(space.repair({**mother, name: v})).named_parameters()))
            for v in values
        )
        assert {path for path in less if "shortcut" not in path} <= more
    paths = [
        set(dict(space.skeleton(space.repair({**mother, "block1.op": op})).named_parameters()))
        for op in ("mb3", "mb6")
    ]
    assert paths[0] == paths[1]


def test_a_skip_connection_of_every_kind():
    space = mobilenet.bind(inputs=(3, 8, 8), classes=10, blocks=2)
    space = space.restrict({"*.skip": (1,), "block0.width": (1.0,)})
    record = space.sample(Random(3))
    x = torch.randn(2, 3, 8, 8)
    for shortcut in ("projection", "identity"):
        network = space.bind(shortcut=shortcut).build(record, seed=0).eval()
        layer = network.block0.layer0
        stem = network.stem(x)
        body = layer.get_submodule(layer.kind)(stem)
        if shortcut == "projection":
            assert torch.allclose(layer(stem), body + layer.shortcut(stem))
        else:
            assert torch.equal(layer(stem), body)


def test_trains_on_digits_at_once():
    space = mobilenet.bind(inputs=(1, 8, 8), classes=10)
    network = space.build(space.sample(Random(0)), seed=0)
    assert network(torch.randn(4, 1, 8, 8)).sum().backward() is None
    assert all(p.grad is not None for p in network.parameters())
    assert (
        max(count(space.skeleton(space.sample(Random(s))), (1, 8, 8)).macs for s in range(9)) < 9e6
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"blocks": 8}, "1 to 7 blocks"),
        ({"multiplier": 0.0}, "positive"),
        ({"width_rule": "last"}, "'base', 'previous'"),
        ({"shortcut": "none"}, "'projection', 'identity'"),
        ({"inputs": (8, 8)}, "channels, height, width"),
    ],
)
def test_refuses_by_name(arguments, words):
    with pytest.raises(SpaceError, match=words):
        mobilenet.bind(**arguments).sample(Random(0))


def test_strides_that_fit():
    assert fitting((2, 1, 2, 2, 2, 1, 2, 1), 224) == (2, 1, 2, 2, 2, 1, 2, 1)
    assert fitting((1, 2, 2, 2), 8) == (1, 2, 1, 1)
    assert fitting((2,), 3) == (1,)


def test_rounding_never_loses_a_tenth():
    assert [round_channels(c, 8) for c in (3, 12, 16.4, 18, 22)] == [8, 16, 16, 24, 24]
    assert all(round_channels(c / 4, 8) >= 0.9 * c / 4 for c in range(1, 2000))
