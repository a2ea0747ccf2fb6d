"""Places of boxes and frames: nothing overlaps, and edges lead down."""

from __future__ import annotations

from itertools import combinations, pairwise
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import nasturtium as nas
from nasturtium.report.draw import box_size
from nasturtium.report.graph import graph
from nasturtium.report.layered_layout import GAP
from nasturtium.report.layout import Plan, Rectangle, plan

SLACK = 1e-6


def apart(a: Rectangle, b: Rectangle) -> bool:
    across = a.x + a.width <= b.x + SLACK or b.x + b.width <= a.x + SLACK
    return across or a.y + a.height <= b.y + SLACK or b.y + b.height <= a.y + SLACK


def inside(a: Rectangle, b: Rectangle) -> bool:
    left = b.x <= a.x + SLACK and b.y <= a.y + SLACK
    right = a.x + a.width <= b.x + b.width + SLACK
    return left and right and a.y + a.height <= b.y + b.height + SLACK


def check(
    laid: Plan,
    sizes: dict[int, tuple[float, float]],
    edges: list[tuple[int, int]],
    frames: list[tuple[int, ...]],
) -> None:
    boxes = {
        n: Rectangle(laid.places[n][0] - w / 2, laid.places[n][1] - h / 2, w, h)
        for n, (w, h) in sizes.items()
    }
    whole = Rectangle(0, 0, laid.width, laid.height)
    assert all(inside(one, whole) for one in (*boxes.values(), *laid.frames))
    assert all(apart(a, b) for a, b in combinations(boxes.values(), 2))
    for members, frame in zip(frames, laid.frames, strict=True):
        for number, box in boxes.items():
            assert inside(box, frame) if number in members else apart(box, frame)
    for (one, a), (two, b) in combinations(list(zip(frames, laid.frames, strict=True)), 2):
        if set(one) & set(two):
            assert inside(b, a) or inside(a, b)
        else:
            assert apart(a, b)
    assert set(laid.routes) == set(edges)
    for (a, b), route in laid.routes.items():
        assert all(one[1] <= two[1] + SLACK for one, two in pairwise(route))
        for number, end, side in ((a, route[0], 0.5), (b, route[-1], -0.5)):
            x, y = laid.places[number]
            assert end == pytest.approx((x, y + side * sizes[number][1]))
        for (x0, y0), (x1, y1) in pairwise(route):
            path = Rectangle(min(x0, x1), y0, abs(x1 - x0), y1 - y0)
            assert all(apart(path, box) for n, box in boxes.items() if n not in (a, b))


@st.composite
def frames_of(draw: st.DrawFn, count: int) -> list[tuple[int, ...]]:
    """Runs of boxes, and runs inside them, each outer one first."""
    frames, start = [], 0
    while start < count:
        stop = draw(st.integers(start + 1, count))
        if draw(st.booleans()):
            frames.append(tuple(range(start, stop)))
            cut = draw(st.integers(start, stop))
            frames += [run for run in (tuple(range(start, cut)), tuple(range(cut, stop))) if run]
        start = stop
    return frames


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_nothing_overlaps_and_edges_lead_down(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 14))
    pairs = [(a, b) for b in range(count) for a in range(b)]
    edges = data.draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    sizes = {n: (data.draw(st.floats(10, 200)), 40.0) for n in range(count)}
    frames = data.draw(frames_of(count))
    check(plan(sizes, edges, frames), sizes, edges, frames)


def test_boxes_of_a_layer_keep_their_distance() -> None:
    laid = plan(dict.fromkeys(range(4), (50.0, 20.0)), [(0, 1), (0, 2), (0, 3)])
    x = sorted(laid.places[n][0] for n in (1, 2, 3))
    assert [b - a for a, b in pairwise(x)] == pytest.approx([50 + GAP] * 2)


def test_edges_of_one_source_share_a_lane() -> None:
    edges = [(0, 1), (1, 2), (2, 3), (3, 4), *((0, n) for n in (2, 3, 4))]
    laid = plan(dict.fromkeys(range(5), (50.0, 20.0)), edges)
    assert laid.routes[0, 4][:3] == laid.routes[0, 3][:3] == laid.routes[0, 2][:3]


@pytest.mark.parametrize(
    "name", ["darts", "nasnet", "nasbench101", "nasbench201", "mobilenet", "randwired"]
)
def test_frames_of_cells_do_not_overlap(name: str) -> None:
    space = getattr(nas.zoo, name).bind(inputs=(3, 32, 32))
    for seed in range(2):
        with torch.device("meta"):
            network = space.build(space.sample(Random(seed)))
        drawn = graph(network, (3, 32, 32))
        sizes = {box.number: box_size(box) for box in drawn.boxes}
        frames = [frame.members for frame in drawn.frames]
        check(plan(sizes, drawn.edges, frames), sizes, list(drawn.edges), frames)
        for frame in drawn.frames:
            named = {box.number for box in drawn.boxes if box.name.startswith(f"{frame.name}.")}
            assert frame.copies > 1 or named <= set(frame.members)
