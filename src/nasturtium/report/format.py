"""Numbers, durations and lists as text for people."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

__all__ = [
    "COUNTED",
    "classify_metric",
    "format_count",
    "format_duration",
    "format_metric",
    "format_number",
    "format_value",
    "join_words",
    "label_axis",
    "name_metric",
]

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


def classify_metric(name: str, values: Iterable[float] = ()) -> str:
    """Return how a metric's numbers are written: ``share``, ``count``, ``ms``, ``s``, ``plain``.

    Args:
        name: of the metric.
        values: its numbers; with an accuracy above 1 it is not a share.
    """
    words = set(re.split(r"[._-]", name.lower()))
    if words & SHARES:
        return "share" if all(0.0 <= value <= 1.0 for value in values) else "plain"
    if words & COUNTED.keys():
        return "count"
    if "latency" in words and "spread" not in words:
        return "ms"
    return "s" if "seconds" in words else "plain"


def name_metric(name: str) -> str:
    """Return a metric's name as a word: ``parameters`` for ``params``."""
    return COUNTED.get(name, name.replace("_", " "))


def label_axis(name: str, kind: str) -> str:
    """Return a metric's name with its unit, for axes and column heads."""
    unit = {"share": " (%)", "ms": " (ms)", "s": " (s)"}.get(kind, "")
    return name_metric(name) + unit


def format_number(value: float) -> str:
    """Return a number in about three digits: ``1.25 M``."""
    if not math.isfinite(value):
        return "not a finite number"
    for size, suffix in SUFFIXES:
        if abs(value) >= 0.9995 * size:  # a value that rounds to 1000 takes the next suffix
            return f"{value / size:.3g}{suffix}"
    return f"{value:.4g}"


def format_value(name: str, value: float) -> str:
    """Return a metric's value with its unit: ``97.50 %``, ``2.3 k``, ``3.2 ms``."""
    if not math.isfinite(value):
        return "not a finite number"
    kind = classify_metric(name, (value,))
    if kind == "share":
        return f"{100 * value:.2f} %"
    if kind == "ms":
        return f"{value:.3g} ms"
    return format_duration(value) if kind == "s" else format_number(value)


def format_metric(name: str, value: float) -> str:
    """Return a metric's name and value: ``accuracy 97.50 %``, ``2.3 k parameters``."""
    text = format_value(name, value)
    if classify_metric(name, (value,)) == "count" and math.isfinite(value):
        return f"{text} {name_metric(name)}"
    return f"{name.replace('_', ' ')} {text}"


def format_duration(seconds: float) -> str:
    """Return a duration: ``3.2 s``, ``4 min 10 s``, ``2 h 5 min``, ``3 days 4 h``."""
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


def format_count(count: int, thing: str) -> str:
    """Return a number of things: ``1 network``, ``1,000 networks``."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def join_words(parts: Iterable[str]) -> str:
    """Join words as in a sentence: ``a, b and c``."""
    words = list(parts)
    return ", ".join(words[:-1]) + (" and " if len(words) > 1 else "") + "".join(words[-1:])
