"""The data of plots and of the trial table as plain JSON: trials, metrics, learning curves."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from nasturtium.errors import StrategyError
from nasturtium.report.format import classify_metric, label_axis
from nasturtium.study.confirmation import ANSWER_ARMS
from nasturtium.study.history import History
from nasturtium.study.objective import Objective, parse_objective
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial

__all__ = ["collect_curves", "collect_plot_data", "collect_trials", "encode_script_data"]

ARMS = ("search", "control", "confirm", "reference", "final")
STATES = ("pending", "finished", "failed", "rejected", "stopped")
CURVES = 10  # networks whose learning curves are shown
COLUMNS = ("number", "arm", "state", "parent", "uniform", "cost", "seconds", "ok", "error")


def collect_plot_data(
    study: Study, best: Trial | None, evidence: Mapping[str, Any]
) -> dict[str, Any]:
    """Collect the data that the page's scripts show.

    Args:
        study: the study.
        best: the trial that the page is about; ``None`` where none has finished.
        evidence: as ``Evidence.to_json`` gives it; its curves are shown as best so far.
    """
    history = study.history
    shown = list(history.where(arm=ANSWER_ARMS).best(CURVES))
    if best is not None and best.number not in {trial.number for trial in shown}:
        shown.insert(0, best)
    return {
        **collect_trials(history),
        "arms": ARMS,
        "states": STATES,
        "study": study.name,
        "space": history[0].architecture.space if len(history) else study.space.name,
        "best": None if best is None else best.number,
        "front": [trial.number for trial in study.front],
        "constraints": [one.metric for one in history.constraints],
        "progress": _finite_json(evidence.get("curves") or {}),
        "curves": collect_curves(shown),
    }


def encode_script_data(data: Any) -> Markup:
    """Encode data as JSON that cannot end the script element that it stands in."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    text = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return Markup(text)


def _finite_json(data: Any) -> Any:
    """Return the same data with ``None`` for numbers that JSON does not have."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {key: _finite_json(value) for key, value in data.items()}
    return [_finite_json(value) for value in data] if isinstance(data, (list, tuple)) else data


def collect_trials(history: History) -> dict[str, Any]:
    """Collect every trial, column by column; repeated values are written once and referred to.

    Returns:
        ``trials`` (number, arm, state, parent, cost, seconds, whether it is acceptable, error),
        ``errors``, ``metrics`` and ``decisions``; a number that is missing or not finite is
        ``None``, and ``odd`` are the rows where it is not finite.
    """
    acceptable = _acceptable(history)
    errors: dict[str, int] = {}
    trials: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for trial in history:
        row = (
            trial.number,
            ARMS.index(trial.arm),
            STATES.index(trial.state),
            trial.proposal.resume if trial.proposal.parent is None else trial.proposal.parent,
            int(trial.proposal.uniform),
            _shortest(history.cost(trial)),
            _shortest(trial.seconds),
            int(trial.number in acceptable),
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


def _acceptable(history: History) -> frozenset[int]:
    """Return the trials that count: finished, at the highest fidelity, within all constraints."""
    top = max((trial.fidelity.cost for trial in history.finished), default=0.0)
    return frozenset(
        trial.number
        for trial in history.finished
        if trial.fidelity.cost == top and not _violates(trial, history.constraints)
    )


def _violates(trial: Trial, constraints: Iterable[Objective]) -> bool:
    """Return whether a trial violates a constraint."""
    return any(one.excess(trial.metrics.get(one.metric, math.nan)) > 0 for one in constraints)


def collect_curves(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Collect the learning curves of some trials: reported metrics over epochs or reports."""
    found = []
    for trial in trials[:CURVES]:
        names = dict.fromkeys(name for point in trial.curve for name in point)
        has_epochs = names.pop("epoch", 0) is None
        values = {name: [_shortest(point.get(name)) for point in trial.curve] for name in names}
        values = {name: column for name, column in values.items() if _finite(column)}
        if values:
            found.append(
                {
                    "number": trial.number,
                    "arm": trial.arm,
                    "over": "epoch" if has_epochs else "report",
                    "at": [point.get("epoch", n) for n, point in enumerate(trial.curve, 1)],
                    "values": values,
                    "kinds": {
                        n: classify_metric(n, _finite(column)) for n, column in values.items()
                    },
                }
            )
    return found


def _metrics(history: History) -> list[dict[str, Any]]:
    """Return a column for each metric: objectives first, then constraints, then the others."""
    objectives = [objective.metric for objective in history.objectives]
    goals = {one.metric: one.goal for one in (*history.constraints, *history.objectives)}
    names = dict.fromkeys([*objectives, *(one.metric for one in history.constraints)])
    names |= dict.fromkeys(name for trial in history for name in trial.metrics)
    columns = []
    for name in names:
        values = [_shortest(trial.metrics.get(name)) for trial in history]
        if all(value is None for value in values):
            continue
        kind = classify_metric(name, _finite(values))
        columns.append(
            {
                "name": name,
                "label": label_axis(name, kind),
                "kind": kind,
                "goal": goals.get(name) or _goal(name, kind),
                "objective": name in objectives,
                "values": values,
                "odd": [
                    row
                    for row, trial in enumerate(history)
                    if not math.isfinite(trial.metrics.get(name, 0.0))
                ],
            }
        )
    return columns


def _goal(name: str, kind: str) -> str:
    """Return whether more or less of a metric is better, as where it is an objective."""
    if kind in ("s", "ms"):
        return "min"
    try:
        return parse_objective(name).goal
    except StrategyError:  # a name that no objective has
        return "max"


def _decisions(history: History) -> list[dict[str, Any]]:
    """Return each decision's options, and the index of each trial's; -1 where it has none."""
    names = dict.fromkeys(name for trial in history for name in trial.architecture)
    columns = []
    for name in names:
        options: dict[Any, int] = {}
        at = []
        for trial in history:
            if name not in trial.architecture:
                at.append(-1)
                continue
            value = trial.architecture[name]
            # True, 1 and 1.0 are equal keys, and different options.
            at.append(options.setdefault((type(value).__name__, value), len(options)))
        columns.append({"name": name, "options": [value for _, value in options], "at": at})
    return columns


def _shortest(value: float | None) -> float | int | None:
    """Return a number in seven digits, as short as it can be written; ``None`` if not finite."""
    if value is None or not math.isfinite(value):
        return None
    if float(value).is_integer() and abs(value) < 2**53:
        return int(value)
    return float(f"{value:.7g}")


def _finite(values: Iterable[float | None]) -> list[float]:
    """Return the numbers that there are."""
    return [value for value in values if value is not None]
