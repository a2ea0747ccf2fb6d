"""OneOf: a decision between finitely many values."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate
from random import Random
from typing import final

from nasturtium.architecture import Value, same
from nasturtium.decision.base import Decision, checked_options
from nasturtium.errors import SpaceError

__all__ = ["OneOf"]

_DEEP = object()  # stands for the type of a tuple, whose members all have to have equal types


@final
class OneOf(Decision):
    """One of finitely many plain values.

    Args:
        name: full name.
        options: distinct plain values.
        weights: integer weights for :meth:`draw`; by default all options are equally likely.

    Raises:
        SpaceError: no options, equal options, or an option that is not plain.

    Example:
        >>> import nasturtium as nas
        >>> kernel = nas.OneOf("kernel", (3, 5, 7))
        >>> kernel.allows(5), kernel.encode(5), kernel.nearest(6)
        (True, (0.0, 1.0, 0.0), 5)
    """

    __slots__ = ("_bounds", "_count", "_kinds", "options", "weights")

    def __init__(
        self, name: str, options: Sequence[Value], weights: tuple[int, ...] | None = None
    ) -> None:
        self.name = name
        self.options = checked_options(name, options)
        self._count = len(self.options)
        self._kinds = {o: _DEEP if type(o) is tuple else type(o) for o in self.options}
        self.weights = weights
        self._bounds = list(accumulate(weights)) if weights else None

    def draw(self, rng: Random) -> Value:
        if self._bounds is None:
            return self.options[int(rng.random() * self._count)]
        return self.options[bisect_right(self._bounds, rng.randrange(self._bounds[-1]))]

    def mutate(self, value: Value, rng: Random) -> Value:
        if self._count == 1:
            raise SpaceError(f"decision {self.name!r} has one option only; nothing to mutate")
        place = self.options.index(value)
        other = int(rng.random() * (self._count - 1))
        return self.options[other + (other >= place)]

    def neighbours(self, value: Value) -> Iterator[Value]:
        return (option for option in self.options if option != value)

    def allows(self, value: object) -> bool:
        try:
            kind = self._kinds.get(value)  # type: ignore[call-overload]
        except TypeError:
            return False
        if kind is type(value):
            return True
        return kind is _DEEP and any(same(value, option) for option in self.options)

    def nearest(self, value: Value) -> Value:
        if self.allows(value):
            return value
        numbers = [o for o in self.options if isinstance(o, (int, float))]
        if isinstance(value, (int, float)) and numbers:
            return min(numbers, key=lambda option: abs(option - value))
        return self.options[0]

    def encode(self, value: Value) -> tuple[float, ...]:
        return tuple(1.0 if option == value else 0.0 for option in self.options)

    @property
    def count(self) -> float:
        return self._count

    def chance(self, value: Value) -> Fraction:
        if self.weights is None or self._bounds is None:
            return Fraction(1, self._count)
        return Fraction(self.weights[self.options.index(value)], self._bounds[-1])

    def options_text(self) -> str:
        return f"one of {self.options!r}"

    def __repr__(self) -> str:
        return f"OneOf({self.name!r}, {self.options!r})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, OneOf)
            and self.name == other.name
            and self.options == other.options
            and self.weights == other.weights
        )

    def __hash__(self) -> int:
        return hash((self.name, self.options))
