"""Restrictions of a builder's decisions: fewer options, tied answers, ordered answers.

AnyNet B to E are AnyNet A with more and more of them; progressive shrinking removes them again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, final

from nasturtium.architecture import Value, plain
from nasturtium.decision.base import Decision
from nasturtium.decision.one_of import OneOf
from nasturtium.decision.range import Range
from nasturtium.decision.subset import Subset
from nasturtium.errors import Rejected, SpaceError

__all__ = ["Limit", "Limits"]

Limit = Callable[[Decision, Mapping[str, Value]], Decision | Value]
_Bound = tuple[Any, int]  # an answer, and how many members lie between that are yet to come
_NONE: Any = object()  # stands for an answer where there is none


@final
class _Step:
    """A member of an ordered group: restricts its options to those between the others' answers."""

    __slots__ = ("above", "before", "below", "known", "turn", "turns")

    def __init__(self, name: str, members: tuple[str, ...], turns: Mapping[str, int]) -> None:
        place = members.index(name)
        self.turns, self.turn = turns, turns[name]
        self.below, self.above = members[:place][::-1], members[place + 1 :]
        self.before = members[place - 1] if place else ""
        self.known: dict[object, tuple[Decision, Decision]] = {}

    def __call__(self, decision: Decision, made: Mapping[str, Value]) -> Decision:
        """Return the decision between the nearest answers below and above."""
        key: object = made.get(self.before, _NONE)  # alone where all are asked in their order
        if (key is _NONE and self.below) or not made.keys().isdisjoint(self.above):
            key = self._bound(self.below, made), self._bound(self.above, made)
        known = self.known.get(key)
        if known is None or known[0] is not decision:
            low, high = self._bound(self.below, made), self._bound(self.above, made)
            known = self.known[key] = (decision, _between(decision, low, high))
        return known[1]

    def _bound(self, others: tuple[str, ...], made: Mapping[str, Value]) -> _Bound:
        """Return the nearest answer, and the number of members before it that will be asked."""
        coming = 0
        for other in others:
            if other in made:
                return made[other], coming
            coming += self.turns[other] > self.turn
        return _NONE, coming


@final
class _Plan:
    """All restrictions of one decision."""

    __slots__ = ("allowed", "cut", "source", "steps", "tied")

    def __init__(
        self,
        allowed: tuple[tuple[Value, ...], ...],
        steps: tuple[_Step, ...],
        tied: tuple[str, ...],
    ) -> None:
        self.allowed, self.steps, self.tied = allowed, steps, tied
        self.source: Decision | None = None
        self.cut: Decision | None = None

    def __call__(self, decision: Decision, made: Mapping[str, Value]) -> Decision | Value:
        """Return the restricted decision, or the answer that a tied decision has.

        Raises:
            Rejected: no option is left with the answers given so far.
        """
        if self.allowed:
            if self.cut is None or self.source is not decision:
                cut = decision
                for values in self.allowed:
                    cut = _restricted(cut, values)
                self.source, self.cut = decision, cut
            decision = self.cut
        for step in self.steps:
            decision = step(decision, made)
        for member in self.tied:
            if member in made:
                value = made[member]
                if not decision.allows(value):
                    raise Rejected(
                        f"{decision.name!r} is tied to {member!r}, whose answer {value!r} it does "
                        f"not allow ({decision.options_text()})"
                    )
                return value
        return decision


@final
@dataclass(frozen=True)
class Limits:
    """The restrictions of ``restrict``, ``tie`` and ``ordered``; applied while a builder runs.

    Attributes:
        options: by full name, the options of each ``restrict``.
        leaders: by full name, another member of the group that is tied together.
        orders: the groups whose answers never decrease, and the order in which each is asked.
    """

    options: Mapping[str, tuple[tuple[Value, ...], ...]] = field(default_factory=dict)
    leaders: Mapping[str, str] = field(default_factory=dict)
    orders: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()

    @cached_property
    def plans(self) -> Mapping[str, Limit]:
        """By full name, the restriction of a decision given the answers before it."""
        steps: dict[str, list[_Step]] = {}
        for members, asked in self.orders:
            turns = {name: turn for turn, name in enumerate(asked)}
            for name in members:
                steps.setdefault(name, []).append(_Step(name, members, turns))
        return {
            name: _Plan(
                self.options.get(name, ()),
                tuple(steps.get(name, ())),
                tuple(other for other in self.group(name) if other != name),
            )
            for name in {*self.options, *steps, *self._groups}
        }

    @cached_property
    def _groups(self) -> Mapping[str, tuple[str, ...]]:
        groups: dict[str, list[str]] = {}
        for name in dict.fromkeys((*self.leaders.values(), *self.leaders)):
            groups.setdefault(_root(name, self.leaders), []).append(name)
        return {name: tuple(group) for group in groups.values() for name in group}

    def group(self, name: str) -> tuple[str, ...]:
        """Return the names that are tied to this one, itself included."""
        return self._groups.get(name, (name,))

    def to_json(self) -> dict[str, object]:
        """Return the restrictions as plain JSON; empty if there are none."""
        before: dict[str, list[object]] = {}
        for members, _ in self.orders:
            for place, name in enumerate(members):
                earlier = members[place - 1] if place else None
                before[name] = [*before.get(name, ()), earlier, len(members) - 1 - place]
        parts = {
            "options": {
                name: list(values[0]) if len(values) == 1 else [list(one) for one in values]
                for name, values in self.options.items()
            },
            "leaders": dict(self.leaders),
            "before": before,
        }
        return {name: part for name, part in parts.items() if part}

    def restrict(self, options: Mapping[str, object], found: Sequence[Decision]) -> Limits:
        """Restrict options, by full name or pattern.

        Raises:
            SpaceError: no decision found has this name, or no answer is left.
        """
        more = dict(self.options)
        names = tuple(dict.fromkeys(decision.name for decision in found))
        for pattern, allowed in options.items():
            values = _values(allowed)
            for name in matching(pattern, names):
                more[name] = (*more.get(name, ()), values)
                _check_left([one for one in found if one.name == name], more[name])
        return Limits(more, self.leaders, self.orders)

    def tie(self, group: str | Iterable[str], names: Sequence[str]) -> Limits:
        """Tie a group: its first decision that is asked gives the answer of all."""
        members = expanded(group, names)
        leaders = dict(self.leaders)
        for member in members[1:]:
            root, top = _root(member, leaders), _root(members[0], leaders)
            if root != top:
                leaders[root] = top
        return Limits(self.options, leaders, self.orders)

    def ordered(self, group: str | Iterable[str], names: Sequence[str]) -> Limits:
        """Order a group: its answers never decrease, in the order in which it is given."""
        members = expanded(group, names)
        turns = tuple(name for name in names if name in members)
        return Limits(self.options, self.leaders, (*self.orders, (members, turns)))

    def __reduce__(self) -> tuple[Any, ...]:
        return Limits, (self.options, self.leaders, self.orders)


def _root(name: str, leaders: Mapping[str, str]) -> str:
    while name in leaders:
        name = leaders[name]
    return name


def _values(allowed: object) -> tuple[Value, ...]:
    """Return the allowed options as a tuple of plain values; a single value is one option."""
    listed = getattr(allowed, "tolist", None)
    allowed = allowed if listed is None else listed()
    values = allowed if isinstance(allowed, (tuple, list, range)) else (allowed,)
    return tuple(plain(value) for value in values)


def _check_left(found: Sequence[Decision], allowed: tuple[tuple[Value, ...], ...]) -> None:
    """Check that restrictions leave an answer in some context.

    Raises:
        SpaceError: they leave none.
    """
    reason = None
    for decision in found:
        try:
            for values in allowed:
                decision = _restricted(decision, values)
            return
        except Rejected as error:
            reason = error
    raise SpaceError(str(reason))


def expanded(group: str | Iterable[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of a group, with patterns expanded, in the order of asking."""
    patterns = (group,) if isinstance(group, str) else tuple(group)
    found = [name for pattern in patterns for name in matching(pattern, names)]
    members = tuple(dict.fromkeys(found))
    if len(members) < 2:
        raise SpaceError(
            f"{group!r} names {len(members)} decision(s): {members!r}; a group needs two or more"
        )
    return members


def matching(pattern: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names that a name or pattern such as ``stage*.width`` matches."""
    found = tuple(name for name in names if name == pattern or fnmatchcase(name, pattern))
    if found:
        return found
    from difflib import get_close_matches

    near = get_close_matches(pattern, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    raise SpaceError(f"no decision is called {pattern!r}{hint} (there are: {shown})")


def _restricted(decision: Decision, allowed: tuple[Value, ...]) -> Decision:
    """Return the restricted decision.

    Raises:
        Rejected: no answer is left.
    """
    left: tuple[Value, ...]
    if isinstance(decision, OneOf):
        left = tuple(option for option in decision.options if option in allowed)
        if left:
            return decision if left == decision.options else OneOf(decision.name, left)
    elif isinstance(decision, Subset):
        left = tuple(option for option in decision.options if option in allowed)
        if len(left) >= max(1, decision.least):
            return Subset(decision.name, left, decision.least, decision.most)
    elif isinstance(decision, Range) and len(allowed) in (1, 2):
        low, high = allowed[0], allowed[-1]
        if isinstance(low, (int, float)) and isinstance(high, (int, float)):
            part = decision.within(low, high)
            if part is not None:
                return part
    raise Rejected(
        f"restricting {decision.name!r} to {allowed!r} leaves nothing: it asks for "
        f"{decision.options_text()}; give some of these (for a range: low and high)"
    )


def _between(decision: Decision, below: _Bound, above: _Bound) -> Decision:
    """Return the options between two answers, weighted so that all sequences are equally likely.

    With m decisions to come up to the bound above, an option from which k options lead up to that
    bound begins C(k + m - 1, m) rising sequences; and alike for the bound below.
    """
    if not isinstance(decision, OneOf):
        raise SpaceError(
            f"ordered() works on choices between numbers; {decision.name!r} asks for "
            f"{decision.options_text()}"
        )
    numbers: list[int | float] = []
    (floor, before), (ceiling, after) = below, above
    for option in decision.options:
        if not isinstance(option, (int, float)):
            raise SpaceError(f"ordered() needs numbers; {decision.name!r} has {option!r}")
        if floor is not _NONE and option < floor:
            continue
        if ceiling is _NONE or option <= ceiling:
            numbers.append(option)
    if not numbers:
        ends = (f"from {floor!r} up" if floor is not _NONE else "") + (
            f" down from {ceiling!r}" if ceiling is not _NONE else ""
        )
        raise Rejected(f"{decision.name!r} has no option {ends.strip()}")
    numbers.sort()
    weights = [
        math.comb(up + after - 1, after) * math.comb(down + before - 1, before)
        for down, up in enumerate(range(len(numbers), 0, -1), 1)
    ]
    return OneOf(decision.name, tuple(numbers), tuple(weights))
