"""Decisions and records in few lines, of which none is lost."""

from __future__ import annotations

from random import Random

import pytest

import nasturtium as nas
from nasturtium.decision.base import Decision
from nasturtium.decision.one_of import OneOf
from nasturtium.decision.range import Range
from nasturtium.decision.subset import Subset
from nasturtium.decision.summary import summarize_decisions, summarize_options
from nasturtium.display.architecture import architecture_lines


@pytest.mark.parametrize(
    ("decision", "text"),
    [
        (OneOf("w", tuple(range(8, 1025, 8))), "8 to 1024 in steps of 8 (128 values)"),
        (OneOf("d", tuple(range(1, 17))), "1 to 16 (16 values)"),
        (OneOf("g", (1, 2, 4, 8, 16, 32)), "1, 2, 4, 8, 16 or 32"),
        (OneOf("r", (0.1, 0.2, 0.3, 0.4, 0.5)), "0.1 to 0.5 in steps of 0.1 (5 values)"),
        (OneOf("b", (False, True)), "False or True"),
        (OneOf("one", ("only",)), "'only'"),
        (OneOf("down", (5, 4, 3, 2, 1)), "5, 4, 3, 2 or 1"),
        (OneOf("o", tuple("abcdefghijklmn")), "'a', 'b', 'c', 'd', ... or 'n' (14 options)"),
        (Range("n", 1, 63), "1 to 63 (63 values)"),
        (Range("w0", 8, 320, 8, True), "8 to 320 in steps of 8 (40 values), even in the logarithm"),
        (Range("lr", 0.001, 1.0, log=True), "0.001 to 1.0, even in the logarithm"),
        (Subset("s", ("a", "b", "c"), 1, 2), "1 to 2 of 'a', 'b' and 'c'"),
        (Subset("t", (0, 1), 2, 2), "2 of 0 and 1"),
    ],
)
def test_options_in_words(decision: Decision, text: str) -> None:
    assert summarize_options(decision) == text


def test_scopes_that_ask_alike_are_one() -> None:
    assert summarize_decisions(nas.zoo.anynet.discover()) == [
        "stage0 to stage3, each:",
        "  depth: 1 to 16 (16 values)",
        "  width: 8 to 1024 in steps of 8 (128 values)",
        "  bottleneck: 1, 2 or 4",
        "  group: 1, 2, 4, 8, 16 or 32",
    ]


def test_what_differs_stands_apart() -> None:
    space = nas.zoo.chain.restrict({"stage1.depth": (1, 2)})
    assert summarize_decisions(space.discover()) == [
        "stage0 and stage2, each:",
        "  depth: 1, 2, 3, 4, 5, 8, 11, 17 or 24",
        "stage0 to stage2, each:",
        "  width: 16, 24, 32, 40, 48, 64, 80, 96, 128, 160, 200 or 256",
        "stage1:",
        "  depth: 1 or 2",
    ]


def test_names_that_differ_in_numbers_are_one() -> None:
    assert summarize_decisions(nas.zoo.nasbench101.discover()) == [
        "edge0_1 to edge5_6 (21), each: False or True",
        "vertex1 to vertex5, each: 'conv3x3', 'conv1x1' or 'maxpool3x3'",
    ]
    gap = [OneOf(f"op{number}", ("a", "b")) for number in (0, 1, 4)]
    assert summarize_decisions(gap) == ["op0 to op4 (3), each: 'a' or 'b'"]
    assert summarize_decisions(gap[:2]) == ["op0 and op1, each: 'a' or 'b'"]


def test_scopes_of_several_kinds() -> None:
    asked = [OneOf(f"{cell}.node{place}", ("a", "b")) for cell in "xy" for place in range(3)]
    assert summarize_decisions(asked) == ["x and y, each:", "  node0 to node2, each: 'a' or 'b'"]
    deep = [OneOf(f"{cell}.node{place}.op", ("a", "b")) for cell in "xy" for place in range(3)]
    assert summarize_decisions(deep)[0] == "x.node0 to x.node2 and y.node0 to y.node2, each:"
    assert summarize_decisions(deep[:2] + deep[3:5])[0] == (
        "x.node0 and x.node1, and y.node0 and y.node1, each:"
    )


def test_records_by_scope() -> None:
    record = nas.Architecture("net", {"act": "relu", "a.width": 8, "a.depth": 2, "b.width": 16})
    assert architecture_lines(record) == ["act=relu", "a: width=8, depth=2", "b: width=16"]
    cell = nas.zoo.nasbench101.sample(Random(0))
    (line,) = architecture_lines(cell)
    yes = [name for name, value in cell.items() if value is True]
    assert line.startswith(f"{' '.join(yes)} of edge0_1 to edge5_6 (21)")
    others = [f"{name}={value}" for name, value in cell.items() if name.startswith("vertex")]
    assert line.endswith(", ".join(["(21)", *others]))
    few = nas.Architecture("net", {"a": True, "b": False})
    assert architecture_lines(few) == ["a=True, b=False"]
