"""Size of a space: exact by enumeration where possible, else an unbiased estimate.

Knuth (1975), "Estimating the efficiency of backtrack programs", section 2: the product of the
branching factors along a random path, more generally one over the path's probability, has the
number of leaves as its expectation. A path that is rejected counts zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import exp, inf, log, log10, sqrt
from random import Random
from typing import final

from nasturtium.architecture import Architecture, Value
from nasturtium.decision.base import Decision
from nasturtium.decision.one_of import OneOf
from nasturtium.decision.range import Range
from nasturtium.decision.subset import Subset
from nasturtium.errors import Rejected, SpaceError
from nasturtium.space.decision_space import DecisionSpace

__all__ = ["Size", "count_canonical_forms", "estimate_size", "every", "walk"]

SMALL = 50_000
LARGE = 10**300  # smaller numbers are floats


@final
@dataclass(frozen=True)
class Size:
    """The number of records in a space.

    Attributes:
        value: the number; an integer where it is exact or beyond floats, ``inf`` for a continuous
            space.
        low: lower end of the 95 % interval.
        high: upper end of the 95 % interval.
        method: ``walked`` (every record was visited), ``fixed`` (every path seen has the same
            branching), ``estimated`` (Knuth) or ``continuous``.
        paths: random paths that an estimate rests on.
    """

    value: float
    low: float
    high: float
    method: str
    paths: int = 0

    @property
    def exact(self) -> bool:
        return self.method in ("walked", "fixed")

    def __str__(self) -> str:
        if self.value == inf:
            return "infinite (a continuous range)"
        if self.exact:
            return f"{self.value:,}" if self.value < 10**9 else f"{_short(self.value)} (exact)"
        return (
            f"about {_short(self.value)} (95 % interval {_short(self.low)} to {_short(self.high)}, "
            f"{self.paths} paths)"
        )


def _short(value: float) -> str:
    if value < 10**6:
        return f"{value:,.0f}"
    if value < LARGE:
        digits, exponent = f"{value:.2e}".split("e")
        return f"{digits}e{int(exponent)}"
    return f"10^{log10(value):.0f}"


@final
class _Endless(SpaceError):
    """A continuous range was met on a walk."""


def every(decision: Decision) -> tuple[Value, ...]:
    """Return all answers of a decision.

    Raises:
        SpaceError: it is a continuous range.
    """
    return tuple(_answers(decision))


def _answers(decision: Decision) -> Iterator[Value]:
    if isinstance(decision, OneOf):
        return iter(decision.options)
    if isinstance(decision, Subset):
        return decision.every()
    assert isinstance(decision, Range)
    if decision.count == inf:
        raise _Endless(f"{decision!r} is continuous and cannot be walked through; give it a step")
    if decision.step is None:
        return iter((decision.low,))
    return (decision.at(index) for index in range(int(decision.count)))


@final
class _Odometer:
    """Answers that run through all paths: the last free answer turns fastest."""

    def __init__(self) -> None:
        self.wheels: list[tuple[Value, Iterator[Value]]] = []
        self.depth = 0

    def __call__(self, decision: Decision) -> Value:
        if self.depth == len(self.wheels):
            rest = _answers(decision)
            self.wheels.append((next(rest), rest))
        value = self.wheels[self.depth][0]
        self.depth += 1
        return value

    def turn(self) -> bool:
        """Step to the next path; false when there is none."""
        del self.wheels[self.depth :]
        self.depth = 0
        while self.wheels:
            _, rest = self.wheels.pop()
            for value in rest:
                self.wheels.append((value, rest))
                return True
        return False


def walk(space: DecisionSpace) -> Iterator[Architecture]:
    """Yield every architecture of a space, depth first."""
    odometer = _Odometer()
    more = True
    while more:
        try:
            yield space.run(odometer)[0]
        except Rejected:
            pass
        more = odometer.turn()


@final
class _Path:
    """Draws answers and keeps the probability of the path."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.leaves = Fraction(1)
        self.continuous = False

    def __call__(self, decision: Decision) -> Value:
        value = decision.draw(self.rng)
        self.leaves /= decision.chance(value)
        self.continuous = self.continuous or decision.count == inf
        return value


def estimate_size(space: DecisionSpace, paths: int, seed: int) -> Size:
    """Count, or estimate from ``paths`` random paths (see :class:`Size`)."""
    rng = Random(seed)
    leaves: list[Fraction] = []
    rejected = False
    for _ in range(paths):
        path = _Path(rng)
        try:
            space.run(path)
        except Rejected:
            path.leaves = Fraction(0)
            rejected = True
        if path.continuous:
            return Size(inf, inf, inf, "continuous")
        leaves.append(path.leaves)
    mean = sum(leaves, Fraction(0)) / paths
    if mean <= SMALL and (walked := _count(space, 2 * SMALL)) is not None:
        how = "continuous" if walked == inf else "walked"
        return Size(walked, walked, walked, how)
    if not rejected and len(set(leaves)) == 1 and leaves[0].denominator == 1:
        value = int(leaves[0])
        return Size(value, value, value, "fixed", paths)
    # Relative to the largest, since a space may have more records than a float can say.
    top = max(leaves) or Fraction(1)
    low, high = _interval([float(leaf / top) for leaf in leaves])
    ends = _number(max(Fraction(1), low * top)), _number(high * top)
    return Size(_number(mean), *ends, "estimated", paths)


def _number(value: Fraction) -> float:
    """Return a float if the number is small enough, else an integer."""
    return float(value) if value < LARGE else int(value)


def _interval(leaves: list[float]) -> tuple[Fraction, Fraction]:
    """Return a 95 % interval of the mean that also covers long tails.

    Few paths carry most of the sum where depths vary, and the normal interval of their mean is
    then too narrow. It is joined with the one of a log-normal law (Cox's method; Zhou & Gao 1997)
    of those paths that were not rejected.
    """
    number = len(leaves)
    mean = sum(leaves) / number
    spread = sqrt(sum((leaf - mean) ** 2 for leaf in leaves) / max(1, number - 1))
    margin = 1.96 * spread / sqrt(number)
    low, high = mean - margin, mean + margin
    logs = [log(leaf) for leaf in leaves if leaf > 0.0]
    if len(logs) > 1:
        centre = sum(logs) / len(logs)
        variance = sum((one - centre) ** 2 for one in logs) / (len(logs) - 1)
        width = 1.96 * sqrt(variance / len(logs) + variance**2 / (2 * (len(logs) - 1)))
        middle = centre + variance / 2 + log(len(logs) / number)
        return min(Fraction(low), _exp(middle - width)), max(Fraction(high), _exp(middle + width))
    return Fraction(low), Fraction(high)


def _exp(power: float) -> Fraction:
    """E to a power that floats may not reach."""
    return Fraction(exp(power)) if abs(power) < 600 else Fraction(Decimal(power).exp())


def _count(space: DecisionSpace, limit: int) -> float | None:
    """Return the number of records if at most ``limit`` paths have to be walked."""
    odometer = _Odometer()
    number = 0
    for _ in range(limit):
        try:
            space.run(odometer)
            number += 1
        except Rejected:
            pass
        except _Endless:
            return inf
        if not odometer.turn():
            return number
    return None


def count_canonical_forms(space: DecisionSpace, limit: int) -> int:
    """Return the number of distinct canonical forms."""
    forms = set()
    for number, architecture in enumerate(walk(space), 1):
        if number > limit:
            raise SpaceError(
                f"space {space.name!r} has more than {limit:,} records; counting its canonical "
                "forms would walk through all of them (raise the limit, or restrict the space)"
            )
        forms.add(space.canonical(architecture))
    return len(forms)
