"""What counts as an answer to a trial: plain, finite numbers for all that the study asks of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nasturtium.study.trial import Objective

__all__ = ["checked", "plain_numbers"]

NUMBERS = frozenset((float, int))


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
    if not NUMBERS.issuperset(map(type, metrics.values())):
        for name, value in metrics.items():
            if not isinstance(value, (float, int)):
                return metrics, f"{name} is {value!r}, which is not a number"
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
