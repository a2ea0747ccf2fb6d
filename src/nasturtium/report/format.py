"""Numbers with their units, and sentences made of them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

__all__ = ["COUNTED", "kind_of", "label", "listed", "many", "measured", "short", "span"]

SHARES = frozenset(
    {"accuracy", "error", "f1", "precision", "recall", "auc", "iou", "top1", "top5", "dice"}
)
COUNTED = {
    "params": "parameters",
    "macs": "multiply-accumulates",
    "flops": "floating-point operations",
    "activations": "activations",
}
SUFFIXES = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"))


def kind_of(name: str, values: Iterable[float] = ()) -> str:
    """How a metric's numbers are written: ``share``, ``count``, ``ms``, ``s`` or ``plain``."""
    words = set(re.split(r"[._-]", name.lower()))
    if words & SHARES:
        return "share" if all(0.0 <= value <= 1.0 for value in values) else "plain"
    if words & COUNTED.keys():
        return "count"
    if "latency" in words and "spread" not in words:
        return "ms"
    return "s" if "seconds" in words else "plain"


def label(name: str, kind: str) -> str:
    """A metric's name with its unit, for axes and the heads of tables."""
    text = COUNTED.get(name, name.replace("_", " "))
    return {"share": f"{text} (%)", "ms": f"{text} (ms)", "s": f"{text} (s)"}.get(kind, text)


def short(value: float) -> str:
    """A count or a number in about three digits: ``1.25 M``."""
    if not math.isfinite(value):
        return "not a finite number"
    for size, suffix in SUFFIXES:
        if abs(value) >= 0.9995 * size:  # what is rounded to a thousand takes the next suffix
            return f"{value / size:.3g}{suffix}"
    return f"{value:.4g}"


def measured(name: str, value: float) -> str:
    """A metric's value in words: ``accuracy 97.5 %``, ``2.3 k parameters``, ``latency 3.2 ms``."""
    kind = kind_of(name, (value,))
    text = name.replace("_", " ")
    if not math.isfinite(value):
        return f"{text} not a finite number"
    if kind == "share":
        return f"{text} {100 * value:.2f} %"
    if kind == "count":
        found = next((word for part, word in COUNTED.items() if part == name), text)
        return f"{short(value)} {found}"
    if kind == "ms":
        return f"{text} {value:.3g} ms"
    return f"{text} {span(value)}" if kind == "s" else f"{text} {value:.4g}"


def span(seconds: float) -> str:
    """A time in words: ``3.2 s``, ``4 min 10 s``, ``2 h 5 min``, ``3 days 4 h``."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} days {hours % 24} h"


def many(count: int, thing: str) -> str:
    """A number of things: ``1 network``, ``1,000 networks``."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def listed(parts: Iterable[str]) -> str:
    """Words joined as in a sentence: ``a, b and c``."""
    words = list(parts)
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + "".join(words[-1:])
