"""A network's graph: what is opened, what is drawn once, and the picture of it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from torch import nn

import nasturtium as nas
from nasturtium.errors import EstimateError
from nasturtium.report.draw import draw, picture, rows
from nasturtium.report.graph import graph


class Shortcut(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.act = nn.ReLU()
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return x + self.second(self.act(self.norm(self.first(x))))


def test_a_branching_module_is_opened_and_equal_ones_are_drawn_once():
    network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Sequential(*(Shortcut(8) for _ in range(4))))
    drawn = graph(network, (3, 8, 8))
    assert [(box.kind, box.type, box.copies) for box in drawn.boxes] == [
        ("input", "input", 1),
        ("block", "Conv2d", 1),
        ("block", "Conv2d, BatchNorm2d, ReLU", 4),
        ("block", "Conv2d", 4),
        ("sum", "sum", 4),
        ("output", "output", 1),
    ]
    places = {box.number: index for index, box in enumerate(drawn.boxes)}
    edges = {(places[a], places[b]) for a, b in drawn.edges}
    assert edges == {(0, 1), (1, 2), (2, 3), (1, 4), (3, 4), (4, 5)}
    assert [(frame.name, frame.copies) for frame in drawn.frames] == [("1.0", 4)]


def test_a_tensor_that_is_handed_through_keeps_its_other_readers():
    class Cell(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.skip = nn.Identity()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x):
            return self.skip(x) + self.conv(x)

    drawn = graph(nn.Sequential(Cell()), (3, 4, 4))
    kinds = {box.number: box.type for box in drawn.boxes}
    edges = {(kinds[a], kinds[b]) for a, b in drawn.edges}
    assert ("input", "Identity") in edges and ("input", "Conv2d") in edges
    assert ("Identity", "Conv2d") not in edges


def test_too_many_boxes_are_closed_to_modules():
    network = nn.Sequential(*(Shortcut(2) for _ in range(3)), nn.Flatten())
    assert len(graph(network, (2, 4, 4), most=5).boxes) <= 6
    wide = nn.Sequential(*(Shortcut(4) if i % 2 else nn.Conv2d(4, 4, i + 1) for i in range(6)))
    assert len(graph(wide, (4, 16, 16)).boxes) > 12
    closed = graph(wide, (4, 16, 16), most=12)
    assert [box.type for box in closed.boxes].count("Shortcut, like 1") == 2
    closed = graph(wide, (4, 16, 16), most=8)
    assert [box.type for box in closed.boxes].count("Shortcut") == 3


def test_the_picture_is_an_svg_with_shapes_and_costs():
    space = nas.zoo.nasbench201.bind(cells=1)
    architecture = space.decide(lambda decision: "nor_conv_3x3")
    picture = ElementTree.fromstring(draw(space.skeleton(architecture), (3, 32, 32)))
    text = " ".join(picture.itertext())
    assert "input 3×32×32" in text and "16×32×32" in text and "2.34 k par" in text
    assert "stage0.cell0.edge0_1: nor_conv_3x3 (ReLUConvBN)" in text


def test_a_chosen_option_is_one_box():
    space = nas.zoo.darts.bind(layers=3, channels=4)
    architecture = space.decide(
        lambda asked: "skip_connect" if "skip_connect" in asked.options else asked.options[:2]
    )
    types = [box.type for box in graph(space.build(architecture), (3, 16, 16)).boxes]
    assert "skip_connect (FactorizedReduction)" in types
    assert "skip_connect (Identity)" in types


def test_the_table_lists_all_costs():
    drawn = graph(nn.Sequential(nn.Conv2d(3, 8, 1), Shortcut(8), Shortcut(8)), (3, 8, 8))
    assert sum(row[3] for row in rows(drawn)) == 32 + 2 * (2 * 584 + 16)


def test_names_of_a_network_cannot_break_the_picture():
    network = nn.Sequential()
    network.add_module('<b>&"', nn.Conv2d(1, 1, 1))
    assert "&lt;b&gt;&amp;" in picture(graph(network, (1, 2, 2)))
    ElementTree.fromstring(draw(network, (1, 2, 2)))


def test_an_input_that_does_not_fit_is_refused_in_words():
    with pytest.raises(EstimateError, match=r"Conv2d.*\(1, 1, 8, 8\)"):
        draw(nn.Sequential(nn.Conv2d(3, 4, 3)), (1, 8, 8))
