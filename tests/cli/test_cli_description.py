"""Spaces described for people, with an example drawn."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree

import pytest
from torch import nn

import nasturtium as nas
from nasturtium.cli.description import describe_space
from nasturtium.cost.count import count
from nasturtium.errors import SpaceError, StoreError
from nasturtium.report.flow import trace_flow
from nasturtium.report.text.network_tree import draw_tree
from nasturtium.space.operations import ConvBN

BARE = """
import nasturtium as nas
from torch import nn

@nas.space
def net(choose):
    width = choose("width", (4, 8))
    return nas.block(nn.Linear, 5, width)
"""


def test_a_network_drawn():
    network = nas.chain(
        stem=nas.block(ConvBN, 3, 8),
        body=nas.chain((f"layer{place}", nas.block(ConvBN, 8, 8)) for place in range(3)),
        head=nas.block(nas.Classifier, 8, 10),
    )()
    lines = draw_tree(trace_flow(network, (3, 8, 8)))
    assert [re.split(r"  +", line.strip("│ "))[0] for line in lines] == [
        "Sequential",
        "├── stem",
        "├── body",
        "└── layer0 to layer2, each",
        "└── head",
    ]
    assert lines[1].split()[2:] == ["ConvBN", "8×8×8", "232", "params", "13.8", "k", "MACs"]
    assert lines[3].split()[-5:] == ["592", "params", "36.9", "k", "MACs"]
    assert count(network, (3, 8, 8)).params == 232 + 3 * 592 + 90
    assert len({len(line) for line in lines[:-1]}) == 1  # in columns


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("mobilenet(blocks=2)", ("├── stem", "├── block1", "└── classifier")),
        ("evonet", ("├── stem", "├── body", "└── head")),
        ("mlp(inputs=(64,))", ("on inputs of 64", "├── body", "└── head")),
    ],
)
def test_a_space_has_its_example_drawn(text, parts):
    told = json.loads(json.dumps(describe_space(text)))
    drawn = "\n".join(told["its parts"])
    assert all(part in drawn for part in parts)
    assert told["paper"]


def test_a_space_that_grows():
    told = describe_space("evonet")
    assert told["size"] == "without bound"
    assert len(told["mutations"]) == 8
    assert "conv" in told["example"]
    assert "decisions" not in told


def test_a_network_of_one_part():
    assert len(draw_tree(trace_flow(nn.Linear(4, 2), (4,)))) == 2


def test_all_is_told_or_what_repeats_once():
    full, short = describe_space("anynet"), describe_space("anynet", complete=False)
    assert len(full["decisions"]) == 16
    assert "1016, 1024)" in full["decisions"][1]
    assert short["decisions"][0] == "stage0 to stage3, each:"
    assert max(map(len, short["decisions"])) < 60
    assert full["example"].count("=") == 16
    assert [line.partition(":")[0] for line in short["example"]] == [f"stage{i}" for i in range(4)]
    assert full["what branches"] == short["what branches"]
    assert any("├─●" in line for line in full["what branches"])


def test_a_picture_stands_alone(tmp_path):
    file = tmp_path / "cell.svg"
    told = describe_space("nasbench201(cells=1)", svg=file)
    assert told["picture"].startswith(f"{file}, ")
    svg = ElementTree.parse(file).getroot()
    style = svg.find("{http://www.w3.org/2000/svg}style")
    assert style is not None and ".edge" in style.text
    assert "var(" not in style.text


def test_pictures_that_cannot_be(tmp_path):
    with pytest.raises(StoreError, match=r"cannot be written to .*none.*: there is no folder"):
        describe_space("mlp", svg=tmp_path / "none" / "net.svg")
    program = tmp_path / "bare.py"
    program.write_text(BARE)
    with pytest.raises(SpaceError, match=r"inputs of space 'net' is unknown.*classes\)"):
        describe_space(f"{program}:net", svg=tmp_path / "net.svg")
    program = tmp_path / "other.py"
    program.write_text(BARE.replace("choose)", "choose, *, inputs, classes)"))
    with pytest.raises(SpaceError, match="inputs of 3x32x32 do not fit the example"):
        describe_space(f"{program}:net", svg=tmp_path / "net.svg")
    assert not (tmp_path / "net.svg").exists()
    assert describe_space(f"{program}:net")["its parts"][0].startswith("not drawn, since inputs of")
