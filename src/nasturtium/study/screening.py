"""Rejection of proposals whose free metrics violate a constraint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nasturtium.architecture import Architecture
from nasturtium.study.history import History
from nasturtium.study.objective import Objective
from nasturtium.study.trial import Trial

__all__ = ["Screen", "explain_rejections", "reject"]

Screen = Callable[[Architecture], Mapping[str, float]]


def reject(trial: Trial, screen: Screen, constraints: Sequence[Objective]) -> Trial | None:
    """Return the trial as rejected if its free metrics violate a constraint, else ``None``.

    Args:
        trial: a trial that was not asked for yet.
        screen: returns the free metrics of an architecture.
        constraints: of the study; those on other metrics are not checked.
    """
    metrics = screen(trial.proposal.architecture)
    for constraint in constraints:
        value = metrics.get(constraint.metric)
        if value is not None and constraint.excess(value) > 0.0:
            reason = f"{constraint.metric} = {value:g}, bound {constraint}"
            return trial._replace(state="rejected", metrics=metrics, error=reason)
    return None


def explain_rejections(count: int, history: History) -> str:
    """Return the message for a number of proposals in a row that were rejected."""
    return (
        f"{count:,} proposals in a row violate the constraints "
        f"{', '.join(map(str, history.constraints))} (the last: {history[-1].error}); loosen a "
        "constraint or restrict the space"
    )
