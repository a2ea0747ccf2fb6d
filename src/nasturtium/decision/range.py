"""Range: a decision for a number between two ends."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from random import Random
from typing import Any, final

from nasturtium.architecture import Value, plain
from nasturtium.decision.base import Decision
from nasturtium.errors import SpaceError

__all__ = ["NEAR", "Range"]

NEAR = 1e-6  # of a step: a number this close to a grid point is that point
EXACT = 2**53  # integers up to this size are exact as floats
WIDE = 1e150  # floats up to this size have finite products and quotients


@final
class Range(Decision):
    """A number between two ends, both included; on a grid where ``step`` is given.

    Two integers without a step make an integer range of step 1. The grid begins at ``low``; a
    ``high`` between two points moves down to the lower one. With ``log``, draws are even in the
    logarithm. A neighbour is one step away, or a twentieth of a continuous range.

    Attributes:
        low: the lowest answer.
        high: the highest answer.
        step: the distance of answers; ``None`` for a continuous range.
        log: whether draws are even in the logarithm.

    Raises:
        SpaceError: ends that are not finite numbers in order, a step that is not positive or too
            small for distinct floats, or ``log`` over a range that reaches zero.

    Example:
        >>> import nasturtium as nas
        >>> width = nas.Range("width", 16, 64, step=16)
        >>> width.count, list(width.neighbours(32)), width.nearest(50)
        (4, [16, 48], 48)
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
        """Return the part of this range between two ends, on the same grid; ``None`` if empty."""
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
        """Return the grid point nearest to ``place``."""
        assert self._steps is not None and self.step is not None
        index = min(max(round((place - self.low) / self.step), 0), self._steps)
        return self.at(index)

    def at(self, index: int) -> float:
        """Return the grid point of an index that counts from 0."""
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

    def mutate(self, value: Value, rng: Random) -> Value:
        if self.count == 1:
            raise SpaceError(f"range {self.name!r} has one value only; nothing to mutate")
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
