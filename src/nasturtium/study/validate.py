"""Validation of the metrics of a trial: plain, finite numbers for all that the study needs."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nasturtium.display.printable import to_one_line
from nasturtium.errors import EstimateError
from nasturtium.study.objective import Objective

__all__ = [
    "parse_metrics",
    "unwrap_scalars",
    "validate_curve",
    "validate_metrics",
]

NUMBERS = frozenset((float, int))
FLOAT = frozenset((float,))
LONGEST = 2000  # characters of a reason


def validate_metrics(
    metrics: Mapping[str, float],
    objectives: Sequence[Objective],
    constraints: Sequence[Objective],
    free: Callable[[], Mapping[str, float]],
) -> tuple[Mapping[str, float], str | None]:
    """Return the metrics as plain numbers, and what is wrong with them, or ``None``.

    Args:
        metrics: as an estimator gave them.
        objectives: each needs a finite number.
        constraints: each needs a number; one that is infinite or NaN violates the constraint.
        free: returns the free metrics, for constraints whose metric is missing.
    """
    metrics = unwrap_scalars(metrics)
    if (problem := _name_problem(metrics)) is not None:
        return metrics, problem
    if not NUMBERS.issuperset(map(type, metrics.values())):
        for name, given in metrics.items():
            if not isinstance(given, (float, int)):
                return metrics, _not_a_number(name, given)
    for objective in objectives:
        value: float | None = metrics.get(objective.metric)
        if value is None:
            return metrics, _missing(objective.metric, metrics)
        if value - value != 0.0:
            return metrics, f"{objective.metric} is {value!r}, which is not a finite number"
    for constraint in constraints:
        if constraint.metric not in metrics:
            metrics = {**free(), **metrics}
        if constraint.metric not in metrics:
            return metrics, _missing(constraint.metric, metrics)
    return metrics, None


def unwrap_scalars(metrics: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the metrics with NumPy's and torch's scalars as Python numbers."""
    if NUMBERS.issuperset(map(type, metrics.values())):
        return metrics
    return {
        name: value.item() if getattr(value, "ndim", None) == 0 else value
        for name, value in metrics.items()
    }


def parse_metrics(metrics: object, source: str) -> dict[str, float]:
    """Return metrics that user code gave as plain numbers by name.

    Args:
        metrics: anything.
        source: what gave it, e.g. ``MyEstimator.estimate``.

    Raises:
        EstimateError: it is not a mapping, a name is not a text, or a value is not a number.
    """
    if type(metrics) is dict and _is_plain(metrics):
        return metrics.copy()
    if not isinstance(metrics, Mapping):
        raise EstimateError(
            f"{source} gave {_shown(metrics)}; expected a mapping of numbers by name, e.g. "
            "{'accuracy': 0.9}"
        )
    given = dict(metrics.items())
    if (problem := _name_problem(given)) is not None:
        raise EstimateError(f"{source}: {problem}")
    plain = {}
    for name, value in given.items():
        number = _as_number(value)
        if number is None:
            raise EstimateError(f"{source}: {_not_a_number(name, value)}")
        plain[name] = number
    return plain


def validate_curve(
    curve: Sequence[Mapping[str, Any]],
) -> tuple[Sequence[Mapping[str, float]], str | None]:
    """Return the curve with plain numbers, and what is wrong with it; then the curve is empty."""
    if not curve:
        return (), None
    plain = []
    try:
        for point in curve:
            plain.append(parse_metrics(point, "curve"))
    except EstimateError as reason:
        return (), str(reason)
    return tuple(plain), None


def _is_plain(metrics: Mapping[Any, Any]) -> bool:
    return FLOAT.issuperset(map(type, metrics.values())) and _name_problem(metrics) is None


def _as_number(value: Any) -> float | None:
    """Return a value as a number; ``None`` where it is not one number."""
    try:
        value = value.item() if hasattr(value, "item") else value
        return None if isinstance(value, (str, bytes, bytearray)) else float(value)
    except Exception:  # of a type that is not known here
        return None


def _name_problem(metrics: Mapping[Any, Any]) -> str | None:
    """Return which metric has a name that is not printable text; ``None`` where none has."""
    try:
        if "".join(metrics).isprintable():
            return None
    except TypeError:
        pass
    wrong = next(n for n in metrics if not (isinstance(n, str) and n.isprintable()))
    return f"a metric has the name {_shown(wrong)}; names of metrics are printable text"


def _missing(metric: str, metrics: Mapping[str, float]) -> str:
    return f"the estimate has no metric {metric!r}; it gave {', '.join(sorted(metrics)) or 'none'}"


def _not_a_number(name: str, value: object) -> str:
    return f"{name} is {_shown(value)}, which is not a number"


def _shown(value: object) -> str:
    """Return a short representation of a value, even where its ``repr`` fails."""
    try:
        return to_one_line(reprlib.repr(value))
    except Exception:
        return f"an object of type {type(value).__name__}"
