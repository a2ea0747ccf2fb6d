"""Limits on what a builder asks: fewer options, shared answers, answers in order.

AnyNet A to E are one builder under growing limits; progressive shrinking widens them again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import final

from nasturtium.architecture import Value
from nasturtium.decision import Decision, OneOf, Range, Subset
from nasturtium.errors import Rejected, SpaceError

__all__ = ["Limits"]


@final
@dataclass(frozen=True)
class Limits:
    """What ``restrict``, ``tie`` and ``ordered`` ask for; applied while a builder is read.

    Attributes:
        options: allowed values by full name.
        leaders: by full name, the name of the earlier decision whose answer it shares.
        before: by full name, the name of the decision whose answer it may not fall below, and how
            many ordered decisions follow it.
    """

    options: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    leaders: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, tuple[str | None, int]] = field(default_factory=dict)
    _narrowed: dict[tuple[str, Value | None], tuple[Decision, Decision]] = field(
        default_factory=dict, compare=False, repr=False
    )

    def __call__(self, decision: Decision, made: Mapping[str, Value]) -> Decision | Value:
        """The decision that is left to make, or the answer where none is left."""
        name = decision.name
        allowed = self.options.get(name)
        if allowed is not None:
            decision = _restricted(decision, allowed)
        leader = self.leaders.get(name)
        if leader is not None and leader in made:
            value = made[leader]
            if not decision.allows(value):
                raise Rejected(
                    f"{name!r} is tied to {leader!r}, whose answer {value!r} it does not allow "
                    f"({decision.options_text()})"
                )
            return value
        step = self.before.get(name)
        if step is not None:
            floor = None if step[0] is None else made.get(step[0])
            known = self._narrowed.get((name, floor))
            if known is None or known[0] is not decision:
                narrow = _not_below(decision, floor, step[1])
                known = self._narrowed[name, floor] = (decision, narrow)
            return known[1]
        return decision

    def to_json(self) -> dict[str, object]:
        """As plain JSON, empty where nothing is limited."""
        parts = {
            "options": {name: list(values) for name, values in self.options.items()},
            "leaders": dict(self.leaders),
            "before": {name: list(step) for name, step in self.before.items()},
        }
        return {name: part for name, part in parts.items() if part}

    def restrict(self, options: Mapping[str, object], names: Sequence[str]) -> Limits:
        """With fewer options, by full name or pattern."""
        more = dict(self.options)
        for pattern, allowed in options.items():
            values = tuple(allowed) if isinstance(allowed, (tuple, list, range)) else (allowed,)
            for name in matching(pattern, names):
                more[name] = values
        return Limits(more, self.leaders, self.before)

    def tie(self, group: str | Iterable[str], names: Sequence[str]) -> Limits:
        """With one answer for a whole group, given by the first of it that is asked."""
        members = expanded(group, names)
        tied = dict.fromkeys(members[1:], members[0])
        return Limits(self.options, {**self.leaders, **tied}, self.before)

    def ordered(self, group: str | Iterable[str], names: Sequence[str]) -> Limits:
        """With answers that never fall along a group."""
        members = expanded(group, names)
        earlier: tuple[str | None, ...] = (None, *members)
        left = range(len(members) - 1, -1, -1)
        steps = {n: (b, rest) for n, b, rest in zip(members, earlier, left, strict=False)}
        return Limits(self.options, self.leaders, {**self.before, **steps})


def expanded(group: str | Iterable[str], names: Sequence[str]) -> tuple[str, ...]:
    """The names of a group, patterns spelled out, in the order in which they are asked."""
    patterns = (group,) if isinstance(group, str) else tuple(group)
    found = [name for pattern in patterns for name in matching(pattern, names)]
    members = tuple(dict.fromkeys(found))
    if len(members) < 2:
        raise SpaceError(
            f"{group!r} names {len(members)} decision(s): {members!r}; a group needs two or more"
        )
    return members


def matching(pattern: str, names: Sequence[str]) -> tuple[str, ...]:
    """The names that a name or pattern such as ``stage*.width`` stands for."""
    found = tuple(name for name in names if name == pattern or fnmatchcase(name, pattern))
    if found:
        return found
    from difflib import get_close_matches

    near = get_close_matches(pattern, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    raise SpaceError(f"no decision is called {pattern!r}{hint} (there are: {shown})")


def _restricted(decision: Decision, allowed: tuple[Value, ...]) -> Decision:
    if isinstance(decision, OneOf):
        left = tuple(option for option in decision.options if option in allowed)
        if left:
            return OneOf(decision.name, left)
    elif isinstance(decision, Subset):
        left = tuple(option for option in decision.options if option in allowed)
        if len(left) >= decision.least:
            return Subset(decision.name, left, decision.least, decision.most)
    elif isinstance(decision, Range) and len(allowed) == 2:
        low, high = allowed
        if isinstance(low, (int, float)) and isinstance(high, (int, float)):
            bottom, top = max(low, decision.low), min(high, decision.high)
            if bottom <= top and decision.allows(decision.nearest(bottom)):
                return Range(decision.name, bottom, top, step=decision.step, log=decision.log)
    raise SpaceError(
        f"restricting {decision.name!r} to {allowed!r} leaves nothing: it asks for "
        f"{decision.options_text()}; give some of these (for a range: low and high)"
    )


def _not_below(decision: Decision, floor: Value | None, following: int) -> Decision:
    """Options from ``floor`` up, weighted so that whole rising sequences are equally likely.

    With n options left and m decisions to follow, an option with k options above or equal to it
    begins C(k + m - 1, m) rising sequences.
    """
    if not isinstance(decision, OneOf):
        raise SpaceError(
            f"ordered() works on choices between numbers; {decision.name!r} asks for "
            f"{decision.options_text()}"
        )
    numbers: list[int | float] = []
    for option in decision.options:
        if not isinstance(option, (int, float)):
            raise SpaceError(f"ordered() needs numbers; {decision.name!r} has {option!r}")
        if floor is None or option >= floor:  # type: ignore[operator]
            numbers.append(option)
    if not numbers:
        raise Rejected(f"{decision.name!r} has no option from {floor!r} up")
    numbers.sort()
    above = range(len(numbers), 0, -1)
    return OneOf(
        decision.name, tuple(numbers), tuple(math.comb(k + following - 1, following) for k in above)
    )
