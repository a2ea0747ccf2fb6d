"""Decisions of a space in few lines: equal scopes together, even steps by their ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from nasturtium.architecture import Value
from nasturtium.decision.base import Decision
from nasturtium.decision.one_of import OneOf
from nasturtium.decision.range import Range
from nasturtium.decision.subset import Subset
from nasturtium.display.architecture import FEW, NUMBER, name_spans, span

__all__ = ["summarize_decisions", "summarize_options"]

MANY = 12  # of more options than this, the first few and the number are shown


def summarize_decisions(decisions: Iterable[Decision]) -> list[str]:
    """Return lines that describe all decisions; scopes with equal decisions share their lines.

    Example:
        >>> asked = [OneOf(f"stage{i}.{name}", tuple(range(1, 9)))
        ...          for i in range(3) for name in ("depth", "width")]
        >>> for line in summarize_decisions([OneOf("act", ("relu", "silu")), *asked]):
        ...     print(line)
        act: 'relu' or 'silu'
        stage0 to stage2, each:
          depth: 1 to 8 (8 values)
          width: 1 to 8 (8 values)
    """
    where: dict[tuple[bool, str, str], list[str]] = {}
    for decision in decisions:
        scope, _, name = decision.name.rpartition(".")
        where.setdefault((bool(scope), name, summarize_options(decision)), []).append(scope)
    alike: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for (_, name, text), scopes in where.items():
        alike.setdefault(tuple(scopes), []).append((name, text))
    lines = []
    for scopes_alike, asked in alike.items():
        if scopes_alike[0]:
            each = ", each" if len(scopes_alike) > 1 else ""
            lines.append(f"{name_spans(scopes_alike)}{each}:")
        lines += [f"  {line}" if scopes_alike[0] else line for line in _alike(asked)]
    return lines


def summarize_options(decision: Decision) -> str:
    """Return the allowed values as text: all of them if few, the ends if the steps are even.

    Example:
        >>> summarize_options(OneOf("width", tuple(range(8, 1025, 8))))
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


def _alike(asked: Sequence[tuple[str, str]]) -> list[str]:
    """Return one line for the decisions of a scope that differ only in their numbers."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, text in asked:
        groups.setdefault((NUMBER.sub("#", name), text), []).append(name)
    return [
        f"{span(names)}{', each' if len(names) > 1 else ''}: {text}"
        for (_, text), names in groups.items()
    ]


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
