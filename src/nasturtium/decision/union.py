"""The union of two decisions with the same name."""

from __future__ import annotations

import math

from nasturtium.decision.base import Decision
from nasturtium.decision.one_of import OneOf
from nasturtium.decision.range import NEAR, Range
from nasturtium.decision.subset import Subset

__all__ = ["union"]


def union(one: Decision, other: Decision) -> Decision | None:
    """Return a decision with the answers of two; ``None`` if they differ in kind.

    The union of two ranges is their hull, on a grid with the points of both if there is one.
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
