"""Decisions and records in few lines: what repeats is said once, even steps by their ends."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from nasturtium.architecture import Architecture, Value
from nasturtium.decision import Decision, OneOf, Range, Subset

__all__ = ["answers", "folded", "options"]

FEW = 4  # even steps are said by their ends from five values on
MANY = 12  # options that are listed; of more, the first ones and their number
NUMBER = re.compile(r"\d+")


def folded(decisions: Iterable[Decision]) -> list[str]:
    """Every decision, those of scopes that ask alike together.

    Example:
        >>> asked = [OneOf(f"stage{i}.{name}", tuple(range(1, 9)))
        ...          for i in range(3) for name in ("depth", "width")]
        >>> for line in folded([OneOf("act", ("relu", "silu")), *asked]):
        ...     print(line)
        act: 'relu' or 'silu'
        stage0 to stage2, each:
          depth: 1 to 8 (8 values)
          width: 1 to 8 (8 values)
    """
    where: dict[tuple[bool, str, str], list[str]] = {}
    for decision in decisions:
        scope, _, name = decision.name.rpartition(".")
        where.setdefault((bool(scope), name, options(decision)), []).append(scope)
    alike: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for (_, name, text), scopes in where.items():
        alike.setdefault(tuple(scopes), []).append((name, text))
    lines = []
    for scopes_alike, asked in alike.items():
        if scopes_alike[0]:
            each = ", each" if len(scopes_alike) > 1 else ""
            lines.append(f"{_spans(scopes_alike)}{each}:")
        lines += [f"  {line}" if scopes_alike[0] else line for line in _alike(asked)]
    return lines


def options(decision: Decision) -> str:
    """The answers of a decision: listed where they are few, by their ends where steps are even.

    Example:
        >>> options(OneOf("width", tuple(range(8, 1025, 8))))
        '8 to 1024 in steps of 8 (128 values)'
    """
    if isinstance(decision, Range):
        log = ", even in the logarithm" if decision.log else ""
        if decision.step is None:
            return f"{decision.low} to {decision.high}{log}"
        return _steps(decision.low, decision.high, decision.step, int(decision.count)) + log
    if isinstance(decision, Subset):
        least, most = decision.least, decision.most
        number = f"{most}" if least == most else f"{least} to {most}"
        return f"{number} of {_listed(decision.options, 'and')}"
    assert isinstance(decision, OneOf)
    return _values(decision.options)


def answers(architecture: Architecture) -> list[str]:
    """A record in one line for each scope; many yes or no questions as those answered yes."""
    scopes: dict[str, dict[str, Value]] = {}
    for name, value in architecture.items():
        scope, _, last = name.rpartition(".")
        scopes.setdefault(scope, {})[last] = value
    lines = []
    for scope, told in scopes.items():
        head = f"{scope}: " if scope else ""
        lines.append(head + ", ".join(_told(told)))
    return lines


def _told(told: Mapping[str, Value]) -> list[str]:
    asked = [name for name, value in told.items() if isinstance(value, bool)]
    rest = [f"{name}={value}" for name, value in told.items() if name not in asked]
    if len(asked) <= FEW:
        return [f"{name}={value}" for name, value in told.items()]
    yes = [name for name in asked if told[name]]
    return [f"{' '.join(yes) or 'none'} of {_span(asked)}", *rest]


def _alike(asked: Sequence[tuple[str, str]]) -> list[str]:
    """Decisions of one scope that differ in their numbers only are one line."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, text in asked:
        groups.setdefault((NUMBER.sub("#", name), text), []).append(name)
    return [
        f"{_span(names)}{', each' if len(names) > 1 else ''}: {text}"
        for (_, text), names in groups.items()
    ]


def _spans(names: Sequence[str]) -> str:
    """Names of several kinds, each kind by its first and last."""
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(NUMBER.sub("#", name), []).append(name)
    texts = [_span(kind) for kind in kinds.values()]
    if len(texts) == 1:
        return texts[0]
    mark = ", and" if any(" and " in text for text in texts) else " and"
    return f"{', '.join(texts[:-1])}{mark} {texts[-1]}"


def _span(names: Sequence[str]) -> str:
    """Names that differ in numbers only, by the first and the last of them."""
    if len(names) < 3:
        return " and ".join(names)
    ordered = sorted(names, key=lambda name: [int(n) for n in NUMBER.findall(name)])
    numbers = [[int(n) for n in NUMBER.findall(name)] for name in ordered]
    moving = {place for place in range(len(numbers[0])) if len({n[place] for n in numbers}) > 1}
    whole = len(moving) == 1 and all(sum(b) - sum(a) == 1 for a, b in pairwise(numbers))
    many = "" if whole else f" ({len(names)})"
    return f"{ordered[0]} to {ordered[-1]}{many}"


def _values(values: Sequence[Value]) -> str:
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(numbers) == len(values) > FEW:
        steps = {round(b - a, 9) for a, b in pairwise(numbers)}
        if len(steps) == 1 and (step := steps.pop()) > 0:
            return _steps(numbers[0], numbers[-1], step, len(numbers))
    return _listed(values, "or")


def _steps(low: float, high: float, step: float, count: int) -> str:
    by = "" if step == 1 else f" in steps of {step:g}"
    return f"{low} to {high}{by} ({count:,} values)"


def _listed(values: Sequence[Value], last: str) -> str:
    texts = [repr(value) for value in values]
    if len(texts) > MANY:
        return f"{', '.join(texts[:FEW])}, ... {last} {texts[-1]} ({len(texts):,} options)"
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} {last} {texts[-1]}"
