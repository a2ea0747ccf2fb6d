"""What a builder can ask: one of several options, a subset of them, or a number in a range."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import accumulate, combinations, pairwise
from random import Random
from typing import Any, final

from nasturtium.architecture import Value, plain, same
from nasturtium.errors import SpaceError

__all__ = ["Decision", "OneOf", "Range", "Subset", "union"]

_DEEP = object()  # stands for the type of a tuple, of which the types of all members count
NEAR = 1e-6  # of a step: numbers this near to a point of a grid are that point
EXACT = 2**53  # integers up to here are exact as floats
WIDE = 1e150  # floats up to here have products and quotients


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


def _options(name: object, options: Iterable[Value]) -> tuple[Value, ...]:
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


@final
class OneOf(Decision):
    """One of finitely many plain values.

    Args:
        name: full name.
        options: distinct plain values.
        weights: relative integer chances for :meth:`draw`; uniform where ``None``.

    Raises:
        SpaceError: no options, equal options, or an option that is not plain.
    """

    __slots__ = ("_bounds", "_count", "_kinds", "options", "weights")

    def __init__(
        self, name: str, options: Sequence[Value], weights: tuple[int, ...] | None = None
    ) -> None:
        self.name = name
        self.options = _options(name, options)
        self._count = len(self.options)
        self._kinds = {o: _DEEP if type(o) is tuple else type(o) for o in self.options}
        self.weights = weights
        self._bounds = list(accumulate(weights)) if weights else None

    def draw(self, rng: Random) -> Value:
        if self._bounds is None:
            return self.options[int(rng.random() * self._count)]
        return self.options[bisect_right(self._bounds, rng.randrange(self._bounds[-1]))]

    def vary(self, value: Value, rng: Random) -> Value:
        if self._count == 1:
            raise SpaceError(f"decision {self.name!r} has one option only; nothing to vary")
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


@final
class Subset(Decision):
    """Between ``least`` and ``most`` of the options; an answer is a tuple in the options' order.

    Draws are uniform over all allowed subsets. A neighbour adds, removes or exchanges one member.

    Raises:
        SpaceError: no options, equal options, or bounds that no subset meets.
    """

    __slots__ = ("_places", "_sizes", "least", "most", "options", "texts")

    def __init__(self, name: str, options: Sequence[Value], least: int, most: int) -> None:
        self.name = name
        self.options = _options(name, options)
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

    def vary(self, value: Value, rng: Random) -> Value:
        others = list(self.neighbours(value))
        if not others:
            raise SpaceError(f"decision {self.name!r} has one subset only; nothing to vary")
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
        """All allowed subsets."""
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


@final
class Range(Decision):
    """A number between two ends, both included; on a grid where ``step`` is given.

    Two integers with no step make an integer range of step 1. The grid begins at ``low``; a
    ``high`` that is not on it is moved down to the last point that is. ``log`` draws evenly in the
    logarithm. A neighbour is one step away, or a twentieth of the range where it is continuous.

    Attributes:
        low: the lowest answer.
        high: the highest answer.
        step: the distance of answers; ``None`` for a continuous range.
        log: whether draws are even in the logarithm.

    Raises:
        SpaceError: ends that are not finite numbers in order, a step that is not positive or too
            small for floats to tell its points apart, or ``log`` over a range that reaches zero.
    """

    __slots__ = ("_digits", "_from", "_origin", "_steps", "high", "log", "low", "step")

    def __init__(
        self,
        name: str,
        low: float,
        high: float,
        step: float | None = None,
        log: bool = False,
    ) -> None:
        self.name = name
        given = (low, high) if step is None else (low, high, step)
        ends: Any = plain(given)
        if not all(isinstance(end, (int, float)) and not isinstance(end, bool) for end in ends):
            raise SpaceError(f"range {name!r} got {(low, high, step)!r}; expected numbers")
        low, high = ends[:2]
        if low > high or (step is not None and ends[2] <= 0) or (log and low <= 0):
            raise SpaceError(
                f"range {name!r} got low={low}, high={high}, step={step}, log={log}; expected "
                "low <= high, step > 0, and low > 0 where log is set"
            )
        whole = isinstance(low, int) and isinstance(high, int)
        step = (1 if whole else None) if step is None else ends[2]
        whole = whole and isinstance(step, int)
        size = max(abs(low), abs(high))
        if size > (EXACT if whole else WIDE) or (step and size > step * EXACT / 1000):
            raise SpaceError(
                f"range {name!r} got low={low}, high={high}, step={step}; numbers that large are "
                "not exact in steps that small: use smaller numbers or larger steps"
            )
        if log and not whole and low < 1 / WIDE:
            raise SpaceError(
                f"range {name!r} got low={low}; expected at least {1 / WIDE} where log is set"
            )
        self.low, self.high = (low, high) if whole else (float(low), float(high))
        self.log, self.step = log, step
        self._origin, self._from = self.low, 0
        self._digits = ".12g"
        self._steps: int | None = None
        if step is not None:
            if size > step * 1e6:
                self._digits = f".{min(17, math.ceil(math.log10(size / step)) + 6)}g"
            ratio = (self.high - self.low) / step
            self._steps = int((high - low) // step if whole else ratio * (1 + 1e-12) + 1e-9)
            self.low, self.high = self.at(0), self.at(self._steps)

    def within(self, low: float, high: float) -> Range | None:
        """The part of this range between two ends, on the same grid; ``None`` if it is empty."""
        if self._steps is None or self.step is None:
            bottom, top = max(float(low), self.low), min(float(high), self.high)
            return None if bottom > top else Range(self.name, bottom, top, log=self.log)
        bottom, top = max(low, self.low), min(high, self.high)
        if bottom > top:
            return None
        start = math.ceil((bottom - self.low) / self.step - NEAR)
        end = min(self._steps, math.floor((top - self.low) / self.step + NEAR))
        if start > end:
            return None
        part = Range(self.name, self.low, self.high, self.step, self.log)
        part._digits, part._origin, part._from = self._digits, self._origin, self._from + start
        part._steps = end - start
        part.low, part.high = part.at(0), part.at(part._steps)
        return part

    def _on_grid(self, place: float) -> float:
        """The grid point nearest to ``place``."""
        assert self._steps is not None and self.step is not None
        index = min(max(round((place - self.low) / self.step), 0), self._steps)
        return self.at(index)

    def at(self, index: int) -> float:
        """The grid point of that index, from 0."""
        assert self.step is not None
        value = self._origin + (self._from + index) * self.step
        if isinstance(value, int):
            return value
        return float(format(value, self._digits)) if abs(value) > NEAR * self.step else 0.0

    def draw(self, rng: Random) -> Value:
        if self._steps is not None and not self.log:
            return self.at(int(rng.random() * (self._steps + 1)))
        if self.log:
            spread = math.log(self.high) - math.log(self.low)
            value = math.exp(math.log(self.low) + rng.random() * spread)
        else:
            value = self.low + rng.random() * (self.high - self.low)
        value = min(max(value, self.low), self.high)
        return value if self._steps is None else self._on_grid(value)

    def vary(self, value: Value, rng: Random) -> Value:
        if self.count == 1:
            raise SpaceError(f"range {self.name!r} has one value only; nothing to vary")
        if self._steps is not None and not self.log:
            assert isinstance(value, (int, float)) and self.step is not None
            place = round((value - self.low) / self.step)
            other = int(rng.random() * self._steps)
            return self.at(other + (other >= place))
        new = self.draw(rng)
        while new == value:
            new = self.draw(rng)
        return new

    def neighbours(self, value: Value) -> Iterator[Value]:
        assert isinstance(value, (int, float))
        if self._steps is not None and self.step is not None:
            place = round((value - self.low) / self.step)
            near = [self.at(i) for i in (place - 1, place + 1) if 0 <= i <= self._steps]
        elif self.log:
            factor = (self.high / self.low) ** 0.05
            near = [value / factor, value * factor]
        else:
            width = (self.high - self.low) * 0.05
            near = [value - width, value + width]
        return (v for v in near if self.low <= v <= self.high and v != value)

    def allows(self, value: object) -> bool:
        if type(value) is not type(self.low) or not isinstance(value, (int, float)):
            return False
        if self.step is None:
            return self.low <= value <= self.high
        near = NEAR * self.step
        if not self.low - near <= value <= self.high + near:
            return False
        return abs(value - self._on_grid(value)) <= near

    def nearest(self, value: Value) -> Value:
        if not isinstance(value, (int, float)):
            return self.low
        inside = min(max(value, self.low), self.high)
        return type(self.low)(inside) if self._steps is None else self._on_grid(inside)

    def encode(self, value: Value) -> tuple[float, ...]:
        if not isinstance(value, (int, float)):
            return (0.0, 0.0)
        if self.high == self.low:
            return (1.0, 0.0)
        if self.log:
            value = value if value > 0 else self.low  # of another range under the same name
            place = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            place = (value - self.low) / (self.high - self.low)
        return (1.0, place)

    @property
    def count(self) -> float:
        if self._steps is not None:
            return self._steps + 1
        return 1 if self.low == self.high else math.inf

    def chance(self, value: Value) -> Fraction:
        if self._steps is None:
            return Fraction(1)
        if not self.log:
            return Fraction(1, self._steps + 1)
        assert isinstance(value, (int, float)) and self.step is not None
        if self._steps == 0:
            return Fraction(1)
        lower = max(self.low, value - self.step / 2)
        upper = min(self.high, value + self.step / 2)
        return Fraction(math.log(upper / lower) / math.log(self.high / self.low))

    def options_text(self) -> str:
        grid = "" if self.step is None else f" in steps of {self.step}"
        return f"{type(self.low).__name__} from {self.low} to {self.high}{grid}"

    def __repr__(self) -> str:
        return f"Range({self.name!r}, {self.low}, {self.high}, step={self.step}, log={self.log})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Range)
            and self.name == other.name
            and (self.low, self.high, self.step) == (other.low, other.high, other.step)
            and self.log == other.log
        )

    def __hash__(self) -> int:
        return hash((self.name, self.low, self.high, self.step, self.log))


def union(one: Decision, other: Decision) -> Decision | None:
    """One decision with the answers of two of the same name; ``None`` if they differ in kind.

    Of two ranges it is their hull, on a grid that has the points of both where there is one.
    """
    name = one.name
    if one == other:
        return one
    if isinstance(one, OneOf) and isinstance(other, OneOf):
        new = [option for option in other.options if option not in one.options]
        return OneOf(name, (*one.options, *new)) if new else one
    if isinstance(one, Subset) and isinstance(other, Subset):
        new = [option for option in other.options if option not in one.options]
        bounds = min(one.least, other.least), max(one.most, other.most)
        return Subset(name, (*one.options, *new), *bounds)
    if not isinstance(one, Range) or not isinstance(other, Range):
        return None
    low, high = min(one.low, other.low), max(one.high, other.high)
    step: float | None = None
    if isinstance(low, int) and isinstance(high, int):
        steps = (part.step for part in (one, other))
        step = math.gcd(*map(int, filter(None, steps)), abs(int(one.low - other.low)))
    elif one.step is not None and one.step == other.step:
        offset = (one.low - other.low) / one.step
        step = one.step if abs(offset - round(offset)) <= NEAR else None
    return Range(name, low, high, step, one.log and other.log)
