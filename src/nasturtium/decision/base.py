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
    """A named decision of a builder and the answers that it allows.

    Attributes:
        name: full name, scopes included, e.g. ``block2.kernel``.

    Example:
        >>> import nasturtium as nas
        >>> from random import Random
        >>> for decision in nas.zoo.nasbench201.discover()[:2]:
        ...     decision.name, decision.count, decision.draw(Random(0))
        ('edge0_1', 5, 'avg_pool_3x3')
        ('edge0_2', 5, 'avg_pool_3x3')
    """

    __slots__ = ("name",)

    name: str

    @abstractmethod
    def draw(self, rng: Random) -> Value:
        """Draw a random answer; all are equally likely unless the decision has weights."""

    @abstractmethod
    def mutate(self, value: Value, rng: Random) -> Value:
        """Draw another answer than ``value``; a :class:`Subset` moves to a neighbour.

        Raises:
            SpaceError: there is no other answer.
        """

    @abstractmethod
    def neighbours(self, value: Value) -> Iterator[Value]:
        """Yield every answer that is one move away from ``value``."""

    @abstractmethod
    def allows(self, value: object) -> bool:
        """Return whether ``value`` is an answer, its type included."""

    @abstractmethod
    def nearest(self, value: Value) -> Value:
        """Return the allowed answer closest to ``value``, to repair an old record."""

    @abstractmethod
    def encode(self, value: Value) -> tuple[float, ...]:
        """Encode ``value`` as numbers."""

    @property
    @abstractmethod
    def count(self) -> float:
        """The number of answers; ``inf`` for a continuous range."""

    @abstractmethod
    def chance(self, value: Value) -> Fraction:
        """Return the exact probability that :meth:`draw` returns ``value``; 1 if continuous."""

    @abstractmethod
    def options_text(self) -> str:
        """Return the allowed answers as text, for messages."""


def checked_options(name: object, options: Iterable[Value]) -> tuple[Value, ...]:
    """Convert options to plain values, and check them.

    Raises:
        SpaceError: none, equal ones, one that is not plain, or a text or set in their place.
    """
    if not isinstance(name, str):
        raise SpaceError(f"a decision got the name {name!r}; names are texts")
    if isinstance(options, (str, set, frozenset)):
        kind = "text" if isinstance(options, str) else "set"
        raise SpaceError(f"decision {name!r} got the {kind} {options!r} as options; give a tuple")
    values = tuple(plain(option) for option in options)
    if not values:
        raise SpaceError(f"decision {name!r} got no options; give at least one")
    if len(set(values)) != len(values):
        raise SpaceError(f"decision {name!r} got equal options: {values!r}")
    return values
