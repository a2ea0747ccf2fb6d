"""Decision: one named question of a builder and the values that it allows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from fractions import Fraction
from random import Random

from nasturtium.architecture import Value, plain
from nasturtium.errors import SpaceError

__all__ = ["Decision", "checked_options"]


class Decision(ABC):
    """One named question and the answers that it allows.

    Attributes:
        name: full name, scopes included, e.g. ``block2.kernel``.
    """

    __slots__ = ("name",)

    name: str

    @abstractmethod
    def draw(self, rng: Random) -> Value:
        """A random answer; uniform unless the decision says otherwise."""

    @abstractmethod
    def vary(self, value: Value, rng: Random) -> Value:
        """A random answer other than ``value``; a :class:`Subset` moves to a neighbour.

        Raises:
            SpaceError: there is no other answer.
        """

    @abstractmethod
    def neighbours(self, value: Value) -> Iterator[Value]:
        """Every answer one move away from ``value``."""

    @abstractmethod
    def allows(self, value: object) -> bool:
        """Whether ``value`` is an answer, its type included."""

    @abstractmethod
    def nearest(self, value: Value) -> Value:
        """The allowed answer closest to ``value``: how an old record is repaired."""

    @abstractmethod
    def encode(self, value: Value) -> tuple[float, ...]:
        """``value`` as numbers."""

    @property
    @abstractmethod
    def count(self) -> float:
        """How many answers there are; ``inf`` for a continuous range."""

    @abstractmethod
    def chance(self, value: Value) -> Fraction:
        """The probability that :meth:`draw` gives ``value`` (exact; 1 for a continuous range)."""

    @abstractmethod
    def options_text(self) -> str:
        """The allowed answers, for messages."""


def checked_options(name: object, options: Iterable[Value]) -> tuple[Value, ...]:
    """Options as plain values.

    Raises:
        SpaceError: none, equal ones, one that is not plain, or a text or set in their place.
    """
    if not isinstance(name, str):
        raise SpaceError(f"a decision got the name {name!r}; names are texts")
    if isinstance(options, (str, set, frozenset)):
        kind = "text" if isinstance(options, str) else "set"
        raise SpaceError(f"decision {name!r} got the {kind} {options!r} as options; give a tuple")
    made = tuple(plain(option) for option in options)
    if not made:
        raise SpaceError(f"decision {name!r} got no options; give at least one")
    if len(set(made)) != len(made):
        raise SpaceError(f"decision {name!r} got equal options: {made!r}")
    return made
