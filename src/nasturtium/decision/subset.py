"""Subset: a decision for some of several options."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate, combinations, pairwise
from random import Random
from typing import final

from nasturtium.architecture import Value, same
from nasturtium.decision.base import Decision, checked_options
from nasturtium.errors import SpaceError

__all__ = ["Subset"]


@final
class Subset(Decision):
    """Between ``least`` and ``most`` of the options; an answer is a tuple in the options' order.

    All allowed subsets are equally likely. A neighbour adds, removes or exchanges one member.

    Raises:
        SpaceError: no options, equal options, or numbers of members that no subset has.

    Example:
        >>> import nasturtium as nas
        >>> inputs = nas.Subset("inputs", ("a", "b", "c"), least=1, most=2)
        >>> inputs.count, list(inputs.neighbours(("a",)))
        (6, [('a', 'b'), ('a', 'c'), ('b',), ('c',)])
    """

    __slots__ = ("_places", "_sizes", "least", "most", "options", "texts")

    def __init__(self, name: str, options: Sequence[Value], least: int, most: int) -> None:
        self.name = name
        self.options = checked_options(name, options)
        self._places = {option: place for place, option in enumerate(self.options)}
        self.texts = all(isinstance(option, str) for option in self.options)
        if not 0 <= least <= most or least > len(self.options):
            raise SpaceError(
                f"decision {name!r} asks for {least} to {most} of {len(self.options)} options; "
                "expected 0 <= least <= most and least <= the number of options"
            )
        self.least = least
        self.most = min(most, len(self.options))
        sizes = range(self.least, self.most + 1)
        self._sizes = list(accumulate(math.comb(len(self.options), size) for size in sizes))

    def draw(self, rng: Random) -> Value:
        total = len(self.options)
        size = self.least + bisect_right(self._sizes, rng.randrange(self._sizes[-1]))
        places = sorted(rng.sample(range(total), size))
        return tuple(self.options[place] for place in places)

    def mutate(self, value: Value, rng: Random) -> Value:
        others = list(self.neighbours(value))
        if not others:
            raise SpaceError(f"decision {self.name!r} has one subset only; nothing to mutate")
        return others[int(rng.random() * len(others))]

    def neighbours(self, value: Value) -> Iterator[Value]:
        assert isinstance(value, tuple)
        inside = [self._places[option] for option in value]
        outside = [place for place in range(len(self.options)) if place not in inside]
        near: list[list[int]] = []
        if len(inside) < self.most:
            near += [[*inside, new] for new in outside]
        if len(inside) > self.least:
            near += [[p for p in inside if p != old] for old in inside]
        near += [[*(p for p in inside if p != old), new] for old in inside for new in outside]
        return (tuple(self.options[p] for p in sorted(places)) for places in near)

    def allows(self, value: object) -> bool:
        if not isinstance(value, tuple) or not self.least <= len(value) <= self.most:
            return False
        try:
            places = [self._places[member] for member in value]
        except (KeyError, TypeError):
            return False
        return all(a < b for a, b in pairwise(places)) and all(
            type(self.options[p]) is type(member)
            and (not isinstance(member, tuple) or same(self.options[p], member))
            for p, member in zip(places, value, strict=True)
        )

    def nearest(self, value: Value) -> Value:
        if self.allows(value):
            return value
        members = value if isinstance(value, tuple) else (value,)
        kept = sorted({self._places[m] for m in members if m in self._places})[: self.most]
        rest = [p for p in range(len(self.options)) if p not in kept]
        kept += rest[: max(0, self.least - len(kept))]
        return tuple(self.options[p] for p in sorted(kept))

    def encode(self, value: Value) -> tuple[float, ...]:
        members = value if isinstance(value, tuple) else ()
        return tuple(1.0 if option in members else 0.0 for option in self.options)

    @property
    def count(self) -> float:
        return self._sizes[-1]

    def chance(self, value: Value) -> Fraction:
        return Fraction(1, self._sizes[-1])

    def every(self) -> Iterator[Value]:
        """Yield all allowed subsets."""
        for size in range(self.least, self.most + 1):
            yield from combinations(self.options, size)

    def options_text(self) -> str:
        return f"a tuple of {self.least} to {self.most} of {self.options!r}, in this order"

    def __repr__(self) -> str:
        return f"Subset({self.name!r}, {self.options!r}, least={self.least}, most={self.most})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Subset)
            and self.name == other.name
            and self.options == other.options
            and (self.least, self.most) == (other.least, other.most)
        )

    def __hash__(self) -> int:
        return hash((self.name, self.options, self.least, self.most))
