"""Checks that each event of a log can follow the events before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nasturtium.study.event import Event
from nasturtium.study.goals import Goals
from nasturtium.study.history import History
from nasturtium.study.trial import Outcome, Trial

__all__ = ["damaged_log", "order_problem"]


def order_problem(
    event: Event, pending: Mapping[int, Any], asked: int, goals: History | Goals
) -> str | None:
    """Return why an event cannot follow the log before it; ``None`` if it can.

    Args:
        event: the event.
        pending: the trials that are pending before it, by number.
        asked: how many trials were asked for before it.
        goals: the study's objectives and constraints.
    """
    data = event.data
    if isinstance(data, Trial):
        if data.number != asked:
            return f"asks for trial {data.number}, expected trial {asked}"
        for relation, other in (
            ("inherits from", data.proposal.parent),
            ("resumes", data[2].resume),
        ):
            if other is not None and not 0 <= other < asked:
                return f"{relation} trial {other}, which is not an earlier one"
    elif isinstance(data, Outcome):
        if data.number not in pending:
            return f"reports trial {data.number}, which is not pending"
        if data.error is None and not data.stopped:
            metrics = data.metrics
            for objective in goals.objectives:
                value = metrics.get(objective.metric)
                if value is None or value - value != 0.0:
                    return f"reports trial {data.number} without a finite {objective.metric!r}"
            for constraint in goals.constraints:
                if constraint.metric not in metrics:
                    return f"reports trial {data.number} without {constraint.metric!r}"
    return None


def damaged_log(study: str, number: int, problem: str) -> str:
    """Return the message for an event that does not fit into its log."""
    return (
        f"event {number} of study {study!r} {problem}; the log is damaged, or of a study with "
        "other objectives"
    )
