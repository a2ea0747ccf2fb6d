"""Blocks: factories that compare by what they build."""

from __future__ import annotations

import pickle

import pytest
from torch import nn

import nasturtium as nas
from nasturtium.errors import SpaceError


def test_equal_blocks_are_equal() -> None:
    first = nas.block(nn.Conv2d, 3, 8, kernel_size=3, bias=False)
    second = nas.block(nn.Conv2d, 3, 8, bias=False, kernel_size=3)
    assert first == second
    assert len({first, second, nas.block(nn.Conv2d, 3, 8, 3)}) == 2
    assert first != nn.Conv2d
    assert repr(first) == "Conv2d(3, 8, bias=False, kernel_size=3)"


def test_each_call_builds_anew_and_late_arguments_follow() -> None:
    made = nas.block(nn.Linear, 3)
    first, second = made(4), made(4, bias=False)
    assert isinstance(first, nn.Linear)
    assert first is not second
    assert first.weight.shape == (4, 3)
    assert second.bias is None


def test_nested_blocks_are_hashable_and_pickle() -> None:
    inner = nas.block(nn.Linear, 3, 4)
    outer = nas.chain({"a": inner}, b=nas.block(nn.ReLU))
    twin = pickle.loads(pickle.dumps(outer))
    assert twin == outer
    assert hash(twin) == hash(outer)
    assert [name for name, _ in twin().named_children()] == ["a", "b"]
    assert nas.chain([("a", inner)]) == nas.chain(a=inner)
    assert nas.chain(a=inner) != nas.chain(b=inner)


def test_messages() -> None:
    with pytest.raises(SpaceError, match=r"cannot be called.*not a module that is already built"):
        nas.block(3)  # type: ignore[arg-type]
    with pytest.raises(SpaceError, match=r"Linear.*cannot be hashed.*tuples instead of lists"):
        nas.block(nn.Linear, [1, 2])
    with pytest.raises(SpaceError, match=r"nas\.chain got .* for 'a'; each part has to be"):
        nas.chain(a=nn.ReLU())  # type: ignore[arg-type]
    with pytest.raises(SpaceError, match=r"same name twice in \['a', 'a'\]"):
        nas.chain([("a", nas.block(nn.ReLU)), ("a", nas.block(nn.ReLU))])
