"""Records: frozen, plain, hashable, and the same after JSON, pickling and on every machine."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nasturtium as nas
from nasturtium.architecture import Value, plain
from nasturtium.errors import SpaceError

LEAVES = (
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=6)
RECORDS = st.dictionaries(st.text(), VALUES, max_size=6)


def typed(value: object) -> object:
    return (type(value), [typed(v) for v in value] if isinstance(value, tuple) else value)


@given(st.text(), RECORDS)
def test_json_and_pickle_and_back(space: str, record: dict[str, object]) -> None:
    architecture = nas.Architecture(space, record)  # type: ignore[arg-type]
    text = json.dumps(architecture.to_json())
    for twin in (
        nas.Architecture.from_json(json.loads(text)),
        pickle.loads(pickle.dumps(architecture)),
    ):
        assert twin == architecture
        assert hash(twin) == hash(architecture)
        assert twin.key == architecture.key
        assert list(twin) == list(architecture)
        assert all(typed(twin[name]) == typed(architecture[name]) for name in architecture)


@given(RECORDS)
def test_order_does_not_matter_for_equality(record: dict[str, object]) -> None:
    first = nas.Architecture("s", record)  # type: ignore[arg-type]
    second = nas.Architecture("s", dict(reversed(record.items())))  # type: ignore[arg-type]
    assert first == second
    assert first.key == second.key
    assert first != nas.Architecture("t", record)  # type: ignore[arg-type]


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), ((1,), (1.0,)), (0, None)])
def test_equality_agrees_with_keys(one: Value, other: Value) -> None:
    first, second = nas.Architecture("s", {"a": one}), nas.Architecture("s", {"a": other})
    assert first != second
    assert first.key != second.key
    assert len({first, second}) == 2
    assert nas.Architecture("s", {"a": -0.0}).key == nas.Architecture("s", {"a": 0.0}).key


def test_the_key_is_the_same_everywhere() -> None:
    architecture = nas.Architecture("net", {"width": 32, "ops": ("a", "b"), "rate": 0.5})
    assert architecture.key == "a5e706bb6790d815"


def test_it_is_frozen() -> None:
    architecture = nas.Architecture("net", {"width": 32})
    with pytest.raises(AttributeError, match="frozen; cannot set 'space'"):
        architecture.space = "other"
    with pytest.raises(TypeError):
        architecture.decisions["width"] = 3  # type: ignore[index]
    given = {"width": 32}
    kept = nas.Architecture("net", given)
    given["width"] = 64
    assert kept["width"] == 32


def test_network_and_recipe_are_its_two_parts() -> None:
    both = nas.Architecture("net", {"width": 32, "recipe.lr": 0.1, "recipes": 1})
    assert dict(both.network) == {"width": 32, "recipes": 1}
    assert dict(both.recipe) == {"recipe.lr": 0.1}
    alone = both.network
    assert alone.network is alone


def test_plain_values() -> None:
    assert plain([1, (2, [3.5])]) == (1, (2, (3.5,)))
    assert type(plain(np.int64(3))) is int
    assert type(plain(np.float32(0.5))) is float
    assert type(plain(np.bool_(True))) is bool
    assert type(plain(np.str_("a"))) is str


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_are_finite(value: float) -> None:
    with pytest.raises(SpaceError, match="values have to be finite"):
        plain(value)


@pytest.mark.parametrize("value", [{}, object(), np.zeros(2), b"x"])
def test_what_is_not_plain(value: object) -> None:
    with pytest.raises(SpaceError, match=r"cannot be an option.*choose\.module"):
        plain(value)


@pytest.mark.parametrize("data", [{}, [], None, {"space": 1, "decisions": {}}, {"space": "net"}])
def test_what_is_not_a_record(data: object) -> None:
    with pytest.raises(SpaceError, match="not the record of an architecture"):
        nas.Architecture.from_json(data)  # type: ignore[arg-type]
