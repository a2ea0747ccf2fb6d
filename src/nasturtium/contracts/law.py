"""What all contracts are written with: a law, likeness, and generators that nobody may touch."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

__all__ = ["alike", "law", "leaves_randomness_alone", "unchanged"]

ATOMS = (str, bytes, int, float, complex, bool, type(None), type, FunctionType, ModuleType)


def law(holds: bool, text: str) -> None:
    """Raise an ``AssertionError`` with this text unless the law holds."""
    if not holds:
        raise AssertionError(text)


def alike(one: Any, other: Any, _seen: frozenset[int] = frozenset()) -> bool:
    """Whether two objects hold the same: by their attributes where they have some, else by ``==``.

    Functions, classes and modules are alike when they are the same.
    """
    if one is other or id(one) in _seen:
        return True
    if type(one) is not type(other):
        return False
    seen = _seen | {id(one)}
    if isinstance(one, ATOMS):
        return bool(one == other) or (one != one and other != other)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(partial(alike, _seen=seen), one, other))
    if isinstance(one, Mapping):
        return list(one) == list(other) and all(alike(one[key], other[key], seen) for key in one)
    if isinstance(one, MethodType):
        return one.__func__ is other.__func__ and alike(one.__self__, other.__self__, seen)
    if hasattr(one, "tobytes"):  # NumPy
        return bool(one.shape == other.shape and one.tobytes() == other.tobytes())
    if hasattr(one, "numpy"):  # torch
        return alike(one.detach().cpu().numpy(), other.detach().cpu().numpy())
    if isinstance(one, random.Random):
        return bool(one.getstate() == other.getstate())
    if hasattr(one, "__dict__") and getattr(type(one), "__eq__", None) is object.__eq__:
        return alike(vars(one), vars(other), seen)
    return bool(one == other)


@contextmanager
def unchanged(part: object) -> Iterator[None]:
    """Nothing is kept on the instance: it holds afterwards what it held before."""
    before = deepcopy(vars(part))
    yield
    after = vars(part)
    for name in sorted({*before, *after}):
        law(
            name in before and name in after and alike(before[name], after[name]),
            f"{type(part).__name__} keeps something on the instance: its attribute {name!r} "
            f"changed from {before.get(name, 'nothing')!r} to {after.get(name, 'nothing')!r} in "
            "use; one instance may serve two studies, so what is learned belongs into the state "
            "that fold returns, or into files",
        )


@contextmanager
def leaves_randomness_alone(what: str, *, torch: bool = True) -> Iterator[None]:
    """The global generators of Python, NumPy and torch are where they were."""

    def states() -> dict[str, Any]:
        found: dict[str, Any] = {"random": random.getstate()}
        if "numpy" in sys.modules:
            state = sys.modules["numpy"].random.get_state()
            found["numpy.random"] = (state[0], state[1].tobytes(), *state[2:])
        if torch and "torch" in sys.modules:
            found["torch"] = sys.modules["torch"].get_rng_state().numpy().tobytes()
        return found

    before = states()
    yield
    after = states()
    for name in before:
        law(
            before[name] == after[name],
            f"{what} draws from the global generator of {name}; use the one that is given, so that "
            "the same seed gives the same study",
        )
