"""What counts as an answer to a trial: plain, finite numbers for all that the study asks of."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nasturtium.display.printable import to_one_line
from nasturtium.errors import EstimateError
from nasturtium.study.trial import Objective

__all__ = ["checked", "numbers", "plain_curve", "plain_numbers"]

NUMBERS = frozenset((float, int))
FLOAT = frozenset((float,))


def checked(
    metrics: Mapping[str, float],
    objectives: Sequence[Objective],
    bounds: Sequence[Objective],
    free: Callable[[], Mapping[str, float]],
) -> tuple[Mapping[str, float], str | None]:
    """The metrics as plain numbers, and why they are no answer, or ``None``.

    Args:
        metrics: as an estimator gave them.
        objectives: each needs a finite number.
        bounds: each needs a number, which may be infinite or none at all: then it is broken.
        free: gives the metrics that cost nothing, for bounds whose metric is missing.
    """
    metrics = plain_numbers(metrics)
    if (unnamed := _unnamed(metrics)) is not None:
        return metrics, unnamed
    if not NUMBERS.issuperset(map(type, metrics.values())):
        for name, value in metrics.items():
            if not isinstance(value, (float, int)):
                return metrics, _no_number(name, value)
    for objective in objectives:
        found = metrics.get(objective.metric)
        if found is None:
            return metrics, _lacks(objective.metric, metrics)
        if found - found != 0.0:
            return metrics, f"{objective.metric} is {found!r}, which is not a finite number"
    for bound in bounds:
        if bound.metric not in metrics:
            metrics = {**free(), **metrics}
        if bound.metric not in metrics:
            return metrics, _lacks(bound.metric, metrics)
    return metrics, None


def plain_numbers(metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    """The metrics with NumPy's and torch's scalars as Python numbers; all else as it is."""
    if NUMBERS.issuperset(map(type, metrics.values())):
        return metrics
    return {
        name: value.item() if getattr(value, "ndim", None) == 0 else value
        for name, value in metrics.items()
    }


def _lacks(metric: str, metrics: Mapping[str, float]) -> str:
    return f"the estimate has no metric {metric!r}; it gave {', '.join(sorted(metrics)) or 'none'}"


def numbers(found: object, source: str) -> dict[str, float]:
    """What somebody's code gave as metrics, as plain numbers by name.

    Args:
        found: anything.
        source: what gave it, e.g. ``Own.estimate``.

    Raises:
        EstimateError: it is no mapping, a name is no text, or a value is no number.
    """
    if type(found) is dict and _plain(found):
        return found.copy()
    if not isinstance(found, Mapping):
        raise EstimateError(
            f"{source} gave {_shown(found)}; expected a mapping of numbers by name, e.g. "
            "{'accuracy': 0.9}"
        )
    metrics = dict(found.items())
    if (unnamed := _unnamed(metrics)) is not None:
        raise EstimateError(f"{source}: {unnamed}")
    plain = {}
    for name, value in metrics.items():
        number = _number(value)
        if number is None:
            raise EstimateError(f"{source}: {_no_number(name, value)}")
        plain[name] = number
    return plain


def plain_curve(
    curve: Sequence[Mapping[str, Any]],
) -> tuple[Sequence[Mapping[str, float]], str | None]:
    """The curve with plain numbers, and why it is none, or ``None``; then the curve is empty."""
    if not curve:
        return (), None
    plain = []
    try:
        for point in curve:
            plain.append(numbers(point, "curve"))
    except EstimateError as reason:
        return (), str(reason)
    return tuple(plain), None


def _plain(found: Mapping[Any, Any]) -> bool:
    return FLOAT.issuperset(map(type, found.values())) and _unnamed(found) is None


def _number(value: Any) -> float | None:
    """A value as a number; ``None`` where it is none, or several."""
    try:
        value = value.item() if hasattr(value, "item") else value
        return None if isinstance(value, (str, bytes, bytearray)) else float(value)
    except Exception:  # of a type that is not known here
        return None


def _unnamed(metrics: Mapping[Any, Any]) -> str | None:
    """Says which metric has a name that is no printable text; ``None`` where none has."""
    try:
        if "".join(metrics).isprintable():
            return None
    except TypeError:
        pass
    wrong = next(n for n in metrics if not (isinstance(n, str) and n.isprintable()))
    return f"a metric has the name {_shown(wrong)}; names of metrics are printable text"


def _no_number(name: str, value: object) -> str:
    return f"{name} is {_shown(value)}, which is not a number"


def _shown(value: object) -> str:
    """A short representation of a value, whatever its type does when it is asked for one."""
    try:
        return to_one_line(reprlib.repr(value))
    except Exception:
        return f"an object of type {type(value).__name__}"
