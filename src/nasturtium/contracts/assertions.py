"""Assertions that the contracts share: equal content, unchanged objects and generators."""

from __future__ import annotations

import random
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import is_dataclass
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

__all__ = ["alike", "leaves_randomness_alone", "require", "unchanged"]

ATOMS = (str, bytes, int, float, complex, bool, type(None), type, FunctionType, ModuleType)


def require(condition: bool, message: str) -> None:
    """Raise an ``AssertionError`` with this message unless the condition holds."""
    if not condition:
        raise AssertionError(message)


def alike(one: Any, other: Any, _seen: frozenset[int] = frozenset()) -> bool:
    """Return whether two objects have equal content.

    Objects with attributes are compared by them, others by ``==``. Functions, classes and modules
    are alike if they are identical.
    """
    if one is other or id(one) in _seen:
        return True
    if type(one) is not type(other):
        return False
    seen = _seen | {id(one)}
    if isinstance(one, ATOMS):
        return bool(one == other) or (one != one and other != other)
    if isinstance(one, (list, tuple, deque)):
        return len(one) == len(other) and all(map(partial(alike, _seen=seen), one, other))
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(alike(one[key], other[key], seen) for key in one)
    if isinstance(one, MethodType):
        return one.__func__ is other.__func__ and alike(one.__self__, other.__self__, seen)
    if hasattr(one, "tobytes"):  # NumPy, array
        shapes = [getattr(array, "shape", None) for array in (one, other)]
        return bool(shapes[0] == shapes[1] and one.tobytes() == other.tobytes())
    if hasattr(one, "numpy"):  # torch
        return alike(one.detach().cpu().numpy(), other.detach().cpu().numpy())
    if isinstance(one, random.Random):
        return bool(one.getstate() == other.getstate())
    plain = is_dataclass(one) or getattr(type(one), "__eq__", None) is object.__eq__
    if plain and hasattr(one, "__dict__"):
        return alike(vars(one), vars(other), seen)
    return bool(one == other)


@contextmanager
def unchanged(part: object) -> Iterator[None]:
    """Check that the attributes of an object do not change in the ``with`` block."""
    before = deepcopy(vars(part))
    yield
    after = vars(part)
    for name in sorted({*before, *after}):
        require(
            name in before and name in after and alike(before[name], after[name]),
            f"{type(part).__name__} keeps something on the instance: its attribute {name!r} "
            f"changed from {before.get(name, 'nothing')!r} to {after.get(name, 'nothing')!r} in "
            "use; one instance may serve two studies, so what is learned belongs into the state "
            "that update returns, or into files",
        )


@contextmanager
def leaves_randomness_alone(what: str, *, torch: bool = True) -> Iterator[None]:
    """Check that the global generators of Python, NumPy and torch do not change in the block.

    Args:
        what: what runs in the block, for the message.
        torch: whether torch's generator is checked.
    """

    def states() -> dict[str, Any]:
        state_of: dict[str, Any] = {"random": random.getstate()}
        if "numpy" in sys.modules:
            state = sys.modules["numpy"].random.get_state()
            state_of["numpy.random"] = (state[0], state[1].tobytes(), *state[2:])
        if torch and "torch" in sys.modules:
            state_of["torch"] = sys.modules["torch"].get_rng_state().numpy().tobytes()
        return state_of

    before = states()
    yield
    after = states()
    for name in before:
        require(
            before[name] == after[name],
            f"{what} draws from the global generator of {name}; use the given one, so that the "
            "same seed gives the same study",
        )
