"""Spaces described for people, with an example drawn."""

from __future__ import annotations

import json
import re

import pytest
from torch import nn

import nasturtium as nas
from nasturtium.cost.count import count
from nasturtium.run.describe import of_space
from nasturtium.run.tree import tree
from nasturtium.space.ops import ConvBN


def test_a_network_drawn():
    network = nas.chain(
        stem=nas.block(ConvBN, 3, 8),
        body=nas.chain((f"layer{place}", nas.block(ConvBN, 8, 8)) for place in range(3)),
        head=nas.block(nas.Classifier, 8, 10),
    )()
    lines = tree(network, (3, 8, 8))
    assert [re.split(r"  +", line.strip("│ "))[0] for line in lines] == [
        "Sequential",
        "├─ stem",
        "├─ body",
        "└─ layer0 to layer2, each",
        "└─ head",
    ]
    assert lines[1].split()[2:] == ["ConvBN", "8x8x8", "232", "params", "13.8", "k", "MACs"]
    assert lines[3].split()[-5:] == ["592", "params", "36.9", "k", "MACs"]
    assert count(network, (3, 8, 8)).params == 232 + 3 * 592 + 90
    assert len({len(line) for line in lines[:-1]}) == 1  # in columns


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("mobilenet(blocks=2)", ("├─ stem", "├─ block1", "└─ classifier")),
        ("evonet", ("├─ stem", "├─ body", "└─ head")),
        ("mlp(inputs=(64,))", ("on inputs of 64", "├─ body", "└─ head")),
    ],
)
def test_a_space_has_its_example_drawn(text, parts):
    told = json.loads(json.dumps(of_space(text)))
    drawn = "\n".join(told["its parts"])
    assert all(part in drawn for part in parts)
    assert told["paper"]


def test_a_space_that_grows():
    told = of_space("evonet")
    assert told["size"] == "without bound"
    assert len(told["mutations"]) == 8
    assert "conv" in told["example"]
    assert "decisions" not in told


def test_a_network_of_one_part():
    assert len(tree(nn.Linear(4, 2), (4,))) == 2
