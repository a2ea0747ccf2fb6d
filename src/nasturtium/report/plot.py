"""What the page plots and lists, as plain JSON: columns of trials and learning curves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from nasturtium.errors import StrategyError
from nasturtium.report.format import kind_of, label
from nasturtium.study.history import History
from nasturtium.study.trial import Objective, Trial, parse_objective

__all__ = ["ARMS", "STATES", "acceptable", "columns", "curves"]

ARMS = ("search", "control", "confirm", "reference", "final")
STATES = ("pending", "finished", "failed", "rejected", "stopped")
CURVES = 10  # networks whose learning curves are shown


def columns(history: History) -> dict[str, Any]:
    """Every trial, column by column; values that repeat are written once and referred to.

    Returns:
        ``trials`` (number, arm, state, parent, cost, seconds, whether it is acceptable, error),
        ``errors``, ``metrics`` and ``decisions``; a number that is missing or not finite is
        ``None``, and ``odd`` are the rows where it is not finite.
    """
    good = acceptable(history)
    errors: dict[str, int] = {}
    trials: dict[str, list[Any]] = {
        name: []
        for name in (
            "number",
            "arm",
            "state",
            "parent",
            "uniform",
            "cost",
            "seconds",
            "ok",
            "error",
        )
    }
    for trial in history:
        row = (
            trial.number,
            ARMS.index(trial.arm),
            STATES.index(trial.state),
            trial.proposal.resume if trial.proposal.parent is None else trial.proposal.parent,
            int(trial.proposal.uniform),
            _brief(history.cost(trial)),
            _brief(trial.seconds),
            int(trial.number in good),
            -1 if trial.error is None else errors.setdefault(trial.error, len(errors)),
        )
        for column, value in zip(trials.values(), row, strict=True):
            column.append(value)
    return {
        "trials": trials,
        "errors": list(errors),
        "metrics": _metrics(history),
        "decisions": _decisions(history),
    }


def acceptable(history: History) -> frozenset[int]:
    """Numbers of the trials that count: finished, at the highest fidelity, within all bounds."""
    top = max((trial.fidelity.cost for trial in history.finished), default=0.0)
    return frozenset(
        trial.number
        for trial in history.finished
        if trial.fidelity.cost == top and not any(_broken(trial, history.constraints))
    )


def _broken(trial: Trial, constraints: Iterable[Objective]) -> Iterable[bool]:
    return (bound.excess(trial.metrics.get(bound.metric, math.nan)) > 0 for bound in constraints)


def curves(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """The learning curves of some trials: what was reported, by metric, over epochs or steps."""
    found = []
    for trial in trials[:CURVES]:
        if not trial.curve:
            continue
        names = dict.fromkeys(name for point in trial.curve for name in point)
        steps = "epoch" in names
        names.pop("epoch", None)
        at = [point.get("epoch", n) for n, point in enumerate(trial.curve, 1)]
        values = {
            name: [_brief(point.get(name)) for point in trial.curve]
            for name in names
            if any(_brief(point.get(name)) is not None for point in trial.curve)
        }
        if values:
            found.append(
                {
                    "number": trial.number,
                    "arm": trial.arm,
                    "over": "epoch" if steps else "report",
                    "at": at,
                    "values": values,
                    "kinds": {name: kind_of(name, _finite(vs)) for name, vs in values.items()},
                }
            )
    return found


def _metrics(history: History) -> list[dict[str, Any]]:
    """A column for each metric: the objectives first, then bounds, then what else was measured."""
    goals = {bound.metric: bound.goal for bound in history.constraints}
    goals |= {objective.metric: objective.goal for objective in history.objectives}
    names = dict.fromkeys(objective.metric for objective in history.objectives)
    names |= dict.fromkeys(bound.metric for bound in history.constraints)
    names |= dict.fromkeys(name for trial in history for name in trial.metrics)
    made = []
    for name in names:
        values = [_brief(trial.metrics.get(name)) for trial in history]
        if all(value is None for value in values):
            continue
        kind = kind_of(name, _finite(values))
        made.append(
            {
                "name": name,
                "label": label(name, kind),
                "kind": kind,
                "goal": goals.get(name) or _goal(name, kind),
                "objective": any(o.metric == name for o in history.objectives),
                "values": values,
                "odd": [
                    row
                    for row, trial in enumerate(history)
                    if not math.isfinite(trial.metrics.get(name, 0.0))
                ],
            }
        )
    return made


def _goal(name: str, kind: str) -> str:
    """Whether more or less of a metric is better, as where it is an objective."""
    if kind in ("s", "ms"):
        return "min"
    try:
        return parse_objective(name).goal
    except StrategyError:  # a name that no objective has
        return "max"


def _decisions(history: History) -> list[dict[str, Any]]:
    names = dict.fromkeys(name for trial in history for name in trial.architecture)
    made = []
    for name in names:
        options: dict[Any, int] = {}
        at = []
        for trial in history:
            if name not in trial.architecture:
                at.append(-1)
                continue
            value = trial.architecture[name]
            # True, 1 and 1.0 are equal keys, and different answers.
            at.append(options.setdefault((type(value).__name__, value), len(options)))
        made.append({"name": name, "options": [value for _, value in options], "at": at})
    return made


def _brief(value: float | None) -> float | int | None:
    """A number in seven digits, as short as it can be written; ``None`` where it is not finite."""
    if value is None or not math.isfinite(value):
        return None
    if float(value).is_integer() and abs(value) < 2**53:
        return int(value)
    return float(f"{value:.7g}")


def _finite(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
