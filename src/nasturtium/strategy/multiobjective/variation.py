"""Variation of architectures whose decisions are numbers: simulated binary crossover, small steps.

Deb & Agrawal (1995), "Simulated binary crossover for continuous search space"; Deb & Goyal (1996),
"A combined genetic adaptive search", for polynomial mutation; both bounded as in Deb's own code of
NSGA-II (2002).

Implemented: of two parents each decision is taken from either, evenly; a number is blended with
chance 1/2, so that it lies about its parents, the nearer the more likely. Then each decision is
changed with chance 1 / (number of decisions): a number by a small step, another by a new draw.
Deviations: steps are taken in the logarithm where a range is logarithmic; two parents have one
child, not two; ranges with few values are options.
The tests check means and bounds of children, and the density of steps.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from nasturtium.decision.range import Range
from nasturtium.space.answer_sources import MISSING

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

    from nasturtium.architecture import Architecture, Value
    from nasturtium.decision.base import Decision
    from nasturtium.space.base import Space
    from nasturtium.space.choice_space import ChoiceSpace

__all__ = ["at", "away", "blended", "fine", "stepped", "varied"]

FEW = 16  # values of a range that is an option rather than a number
FAR = 100  # mutations on top of each other
BLEND, STEP = 15.0, 20.0  # distribution indices of NSGA-II; larger stays nearer to the parents


def fine(decision: Decision) -> bool:
    """Return whether a decision is a number to be blended and stepped."""
    return isinstance(decision, Range) and (decision.step is None or decision.count > FEW)


def varied(
    space: ChoiceSpace, parents: Sequence[Architecture], rng: Random, *, mutates: bool
) -> Architecture:
    """Return a child of one or two parents.

    Args:
        space: where they come from; it draws what no parent was asked.
        parents: one or two.
        rng: draws.
        mutates: change each decision with chance 1 / (number of decisions).

    Raises:
        Rejected: the space refuses the child.
    """
    chance = 1.0 / len(parents[0]) if mutates and parents[0] else 0.0
    mother, father = parents[0].decisions, parents[-1].decisions
    draw = rng.random

    def answer(decision: Decision) -> Value:
        name = decision.name
        value: Value = mother.get(name, MISSING)
        other: Value = father.get(name, MISSING)
        if value is MISSING or (other is not MISSING and draw() < 0.5):
            value, other = other, value
        if value is MISSING:
            return decision.draw(rng)
        number = decision if isinstance(decision, Range) and fine(decision) else None
        if (
            number is not None
            and value != other
            and type(value) is type(other) is type(number.low)
            and draw() < 0.5
        ):
            value = _between(number, value, other, rng)
        elif not decision.allows(value):  # what is allowed may hang on other answers
            value = other if decision.allows(other) else decision.draw(rng)
        if chance and draw() < chance and decision.count > 1:
            if number:
                return at(number, stepped(_place(number, value), rng))
            return decision.mutate(value, rng)
        return value

    return space.run(answer)[0]


def away(space: Space, child: Architecture, tried: Set[Architecture], rng: Random) -> Architecture:
    """Mutate repeatedly until the child was not tried, at most a hundred times."""
    for _ in range(FAR):
        child = space.mutate(child, rng)
        if child not in tried:
            break
    return child


def _place(decision: Range, value: Value) -> float:
    """Return the place of a number in a range, from 0 to 1."""
    return min(max(decision.encode(value)[1], 0.0), 1.0)


def _between(decision: Range, one: Any, two: Any, rng: Random) -> Value:
    if decision.log:
        return at(decision, blended(_place(decision, one), _place(decision, two), rng))
    low, high = decision.low, decision.high
    if not (low <= one <= high and low <= two <= high):  # the range hangs on other answers
        one, two = min(max(one, low), high), min(max(two, low), high)
    child = blended(one, two, rng, low, high)
    return child if decision.step is None else decision.nearest(child)


def blended(one: float, two: float, rng: Random, low: float = 0.0, high: float = 1.0) -> float:
    """Return one of the two children of simulated binary crossover.

    Args:
        one: a parent's number.
        two: the other's.
        rng: draws.
        low: where their range begins.
        high: where it ends.
    """
    if one > two:
        one, two = two, one
    gap = two - one
    if gap <= 1e-14 * (high - low):
        return one
    left = rng.random() < 0.5
    beta = 1.0 + 2.0 * (one - low if left else high - two) / gap
    alpha = 2.0 - beta ** -(BLEND + 1.0)
    draw = rng.random() * alpha
    spread: float = (draw if draw <= 1.0 else 1.0 / (2.0 - draw)) ** (1.0 / (BLEND + 1.0))
    child = (one + two - spread * gap if left else one + two + spread * gap) / 2.0
    return low if child < low else high if child > high else child


def stepped(place: float, rng: Random) -> float:
    """Return a polynomial mutation of a place in a range, from 0 to 1."""
    draw, power = rng.random(), STEP + 1.0
    step: float
    if draw < 0.5:
        step = (2.0 * draw + (1.0 - 2.0 * draw) * (1.0 - place) ** power) ** (1.0 / power) - 1.0
    else:
        step = 1.0 - (2.0 - 2.0 * draw + (2.0 * draw - 1.0) * place**power) ** (1.0 / power)
    return min(max(place + step, 0.0), 1.0)


def at(decision: Range, place: float) -> Value:
    """Return the number at a place from 0 to 1 of a range."""
    if decision.log:
        return decision.nearest(decision.low * (decision.high / decision.low) ** place)
    return decision.nearest(decision.low + (decision.high - decision.low) * place)
