"""Lanes: who reads what can be told from the text alone."""

from __future__ import annotations

from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import nasturtium as nas
from nasturtium.report.boxes import Box
from nasturtium.report.graph import graph
from nasturtium.report.text.dataflow import draw_branches, draw_lanes
from nasturtium.space.zoo.nasbench101 import from_matrix

BLOCKS = "●○+∥×"


def read_back(lines: list[str]) -> set[tuple[int, int]]:
    """The edges that lanes show: (line of the source, line of the reader)."""
    edges, holder = set(), dict[int, int]()
    for number, line in enumerate(lines):
        grid = {place // 2: sign for place, sign in enumerate(line) if place % 2 == 0}
        joins = {place // 2: sign for place, sign in enumerate(line) if place % 2}
        (here,) = (place for place, sign in grid.items() if sign in BLOCKS)
        touched = {here}
        for step in (-1, 1):
            place = here
            while joins.get(place if step == 1 else place - 1) == "─":
                place += step
                touched.add(place)
        for place in touched:
            sign = grid[place]
            if place != here and sign in "├┤┼╰╯┴":
                edges.add((holder[place], number))
                if sign in "╰╯┴":
                    del holder[place]
        if here in holder:
            edges.add((holder.pop(here), number))
        holder[here] = number
    return edges


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    """Graphs whose blocks are all read, but for the last one."""
    number = draw(st.integers(2, 8))
    pairs = [(a, b) for b in range(number) for a in range(b)]
    kept = draw(st.lists(st.sampled_from(pairs), unique=True))
    last = [(a, number - 1) for a in range(number - 1) if not any(x == a for x, _ in kept)]
    return number, sorted({*kept, *last})


@given(graphs())
@settings(max_examples=300, deadline=None)
def test_the_text_says_who_reads_what(drawn: tuple[int, list[tuple[int, int]]]) -> None:
    number, edges = drawn
    boxes = [Box(place, "block", "", "", (1,)) for place in range(number)]
    lines = [line.split("  1")[0] for line in draw_lanes(boxes, edges)]
    assert read_back(lines) == set(edges)


def test_a_cell_is_drawn_once_with_its_operations() -> None:
    matrix = [[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]]
    space = nas.zoo.nasbench101.bind(vertices=4, channels=8, stacks=2, cells=2)
    with torch.device("meta"):
        network = space.build(from_matrix(matrix, ["maxpool3x3", "conv1x1"], 4))
    lines = draw_branches(graph(network, (3, 8, 8)))
    assert lines[0] == "stack0.cell0, and 3 more like it:"
    assert [line.split()[-3:] for line in lines if "from" in line] == [["from", "stem", "8×8×8"]]
    words = [line.split("×")[0].split() for line in lines[1:]]
    assert sum("maxpool3x3" in row for row in words) == 1
    assert sum("conv1x1" in row for row in words) == 1
    assert lines[-1].startswith("+")  # the output: what was joined, and the input


@pytest.mark.parametrize(("name", "kinds"), [("nasbench201", 2), ("anynet", 2), ("chain", 0)])
def test_different_parts_are_drawn_once(name: str, kinds: int) -> None:
    space = getattr(nas.zoo, name).bind(inputs=(3, 32, 32))
    with torch.device("meta"):
        network = space.build(space.sample(Random(1)))
    lines = draw_branches(graph(network, (3, 32, 32), 10_000))
    assert sum(line.endswith("more like it:") for line in lines) == kinds


def test_parts_beyond_the_number_are_counted() -> None:
    space = nas.zoo.anynet.bind(inputs=(3, 32, 32))
    with torch.device("meta"):
        network = space.build(space.sample(Random(1)))
    lines = draw_branches(graph(network, (3, 32, 32), 10_000), most=1)
    assert lines[-1] == "and 1 more kind of part that branches"


def test_what_has_too_many_blocks_says_so() -> None:
    space = nas.zoo.randwired.bind(inputs=(3, 32, 32))
    with torch.device("meta"):
        network = space.build(space.sample(Random(1)))
    drawn = graph(network, (3, 32, 32), 10_000)
    assert draw_branches(drawn) == [
        f"the network: {len(drawn.boxes)} blocks, too many to be drawn as lanes"
    ]
