"""The decisions of an architecture in few lines."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

__all__ = ["architecture_lines", "name_spans", "span"]

FEW = 4  # more yes-or-no decisions than this are listed as those with yes
NUMBER = re.compile(r"\d+")


def architecture_lines(architecture: Mapping[str, object]) -> list[str]:
    """Return one line for each scope; many yes-or-no decisions are listed as those with yes."""
    scopes: dict[str, dict[str, object]] = {}
    for name, value in architecture.items():
        scope, _, last = name.rpartition(".")
        scopes.setdefault(scope, {})[last] = value
    lines = []
    for scope, decisions in scopes.items():
        head = f"{scope}: " if scope else ""
        lines.append(head + ", ".join(_scope_texts(decisions)))
    return lines


def _scope_texts(decisions: Mapping[str, object]) -> list[str]:
    asked = [name for name, value in decisions.items() if isinstance(value, bool)]
    rest = [f"{name}={value}" for name, value in decisions.items() if name not in asked]
    if len(asked) <= FEW:
        return [f"{name}={value}" for name, value in decisions.items()]
    yes = [name for name in asked if decisions[name]]
    return [f"{' '.join(yes) or 'none'} of {span(asked)}", *rest]


def name_spans(names: Sequence[str]) -> str:
    """Return names of several kinds as text, each kind by its first and last name."""
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(NUMBER.sub("#", name), []).append(name)
    texts = [span(kind) for kind in kinds.values()]
    if len(texts) == 1:
        return texts[0]
    mark = ", and" if any(" and " in text for text in texts) else " and"
    return f"{', '.join(texts[:-1])}{mark} {texts[-1]}"


def span(names: Sequence[str]) -> str:
    """Return names that differ only in numbers as their first and last name."""
    if len(names) < 3:
        return " and ".join(names)
    ordered = sorted(names, key=lambda name: [int(n) for n in NUMBER.findall(name)])
    numbers = [[int(n) for n in NUMBER.findall(name)] for name in ordered]
    moving = {place for place in range(len(numbers[0])) if len({n[place] for n in numbers}) > 1}
    whole = len(moving) == 1 and all(sum(b) - sum(a) == 1 for a, b in pairwise(numbers))
    many = "" if whole else f" ({len(names)})"
    return f"{ordered[0]} to {ordered[-1]}{many}"
