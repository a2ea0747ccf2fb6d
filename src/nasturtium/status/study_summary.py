"""The summary of a study in a few lines or as plain JSON: its trials, its answer, its notices."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np

from nasturtium.analyse.notices import notices
from nasturtium.errors import StoreError
from nasturtium.status.study_overview import Overview, overview_of
from nasturtium.study.confirmation import confirmed
from nasturtium.study.stores.redact import redact
from nasturtium.study.stores.sql import SqlStore
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial

__all__ = [
    "address",
    "count_trials",
    "format_metric",
    "format_metrics",
    "rows",
    "summary",
    "trial_to_json",
]

COUNTS = ("params", "macs", "flops", "activations")
STATES = {
    "failed": "failed",
    "stopped": "stopped early",
    "rejected": "rejected",
    "pending": "pending",
}
ENDS = ("search", "control", "confirm", *STATES)
SHOWN = ("params", "macs", "latency")  # shown beside the objectives, if they are known


def address(study: Study | Overview) -> str:
    """Return the address of a study on the command line: ``study.db:name``."""
    store = study.store
    if not isinstance(store, SqlStore):
        return study.name
    where = str(store.path) if store.path is not None else redact(store.url)
    where = f"./{where}" if where.startswith("-") else where  # not an option
    return f"{where}:{study.name}"


def count_trials(study: Study | Overview) -> dict[str, int]:
    """Return the number of trials by arm and state; rejected ones are not counted in their arm."""
    overview = study if isinstance(study, Overview) else overview_of(study)
    states = dict.fromkeys(ENDS, 0)
    states["pending"] = overview.pending
    for (arm, state), count in overview.counts.items():
        if state == "rejected":
            states["rejected"] += count
            continue
        if state in ("failed", "stopped"):
            states[state] += count
        if arm in states:
            states[arm] += count
    return states


def summary(study: Study | Overview) -> dict[str, Any]:
    """Return plain JSON: counts, best trial, front, uniform draws, and retrained networks."""
    overview = study if isinstance(study, Overview) else overview_of(study)
    history = overview.history
    sign = history.objectives[0].sign
    scores = np.sort(np.frombuffer(overview.scores))
    middle = scores[[(len(scores) - 1) // 2, len(scores) // 2]] if len(scores) else scores
    found = overview.best
    finished = [_retrained(overview, note) for note in overview.notes if "finished" in note]
    return {
        "study": overview.name,
        "store": address(overview).removesuffix(f":{overview.name}"),
        "objectives": [str(objective) for objective in history.objectives],
        "constraints": [str(bound) for bound in history.constraints],
        "trials": count_trials(overview),
        "seconds": round(overview.seconds, 3),
        "best": None if found is None else trial_to_json(found),
        "confirmed": [
            {"trial": one.trial.number, "mean": one.mean, "estimates": list(one.estimates)}
            for one in confirmed(history)
        ],
        "random": {
            "trials": len(scores),
            "best": float(scores[-1 if sign > 0 else 0]),
            "median": float(middle.sum() / 2),
        }
        if len(scores)
        else None,
        "front": [trial_to_json(trial) for trial in overview.candidates.front()],
        "finished": finished,
        "notices": list(notices(overview.measured, overview.manifest)),
        "resume": f"nasturtium resume {shlex.quote(address(overview))}",
    }


def _retrained(study: Study | Overview, note: Mapping[str, Any]) -> dict[str, Any]:
    """Return trial, metrics and epochs in the note of a retraining.

    Raises:
        StoreError: the note is damaged.
    """
    try:
        trial, epochs = note["finished"]["trial"], note["finished"]["recipe"]["epochs"]
        metrics = {str(name): float(value) for name, value in note["metrics"].items()}
        if not isinstance(trial, int) or not isinstance(epochs, int):
            raise TypeError(f"trial {trial!r}, epochs {epochs!r}")
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise StoreError(
            f"study {study.name!r} has a damaged note of a finished network "
            f"({type(error).__name__}: {error}); restore the store from a copy"
        ) from error
    return {"trial": trial, "metrics": metrics, "epochs": epochs}


def trial_to_json(trial: Trial) -> dict[str, Any]:
    """Return a trial as plain JSON."""
    return {
        "trial": trial.number,
        "arm": trial.arm,
        "metrics": dict(trial.metrics),
        "architecture": trial.architecture.to_json(),
        "key": trial.architecture.key,
        "parent": trial.proposal.parent,
        "seconds": round(trial.seconds, 3),
        "epochs": trial.epochs,
    }


def rows(study: Study | Overview) -> list[tuple[str, str]]:
    """Return the summary as lines of label and text."""
    overview = study if isinstance(study, Overview) else overview_of(study)
    body = summary(overview)
    counts, goal = body["trials"], overview.history.objectives[0]
    wanted = overview.manifest.get("call", {}).get("trials")
    of = f" of {wanted}" if isinstance(wanted, int) and wanted > counts["search"] else ""
    parts = [f"{counts['search']} searched{of}"]
    if counts["control"]:
        parts.append(f"{counts['control']} as control")
    if counts["confirm"]:
        parts.append(f"{counts['confirm']} to confirm the best")
    parts += [f"{counts[state]} {words}" for state, words in STATES.items() if counts[state]]
    lines = [
        ("study", address(study)),
        ("trials", f"{', '.join(parts)}; {format_metric('seconds', body['seconds'])} of training"),
    ]
    notes = overview.manifest.get("data", {}).get("notes", ())
    lines += [("data" if place == 0 else "", note) for place, note in enumerate(notes)]
    best = overview.best
    if best is None:
        return lines
    lines.append(("best", f"trial {best.number}: {format_metrics(study, best)}"))
    for one in body["confirmed"]:
        if one["trial"] == best.number:
            times, mean = len(one["estimates"]), format_metric(goal.metric, one["mean"])
            among = len(body["confirmed"])
            text = f"{goal.metric} {mean} in the mean of {times} trainings, the best of {among}"
            lines.append(("confirmed", text))
    if (drawn := body["random"]) is not None and len(overview.history.objectives) == 1:
        text = (
            f"best {goal.metric} {format_metric(goal.metric, drawn['best'])}, median "
            f"{format_metric(goal.metric, drawn['median'])}, of {drawn['trials']} uniform draws"
        )
        lines.append(("random", text))
    if len(overview.history.objectives) > 1:
        lines += [
            ("front" if place == 0 else "", f"trial {t.number}: {format_metrics(study, t)}")
            for place, t in enumerate(overview.candidates.front())
        ]
    for done in body["finished"]:
        named = ", ".join(
            f"{k} {format_metric(k, v)}" for k, v in done["metrics"].items() if k in FINAL
        )
        lines.append(("finished", f"trial {done['trial']}, {done['epochs']} epochs: {named}"))
    lines += [("note", notice) for notice in body["notices"]]
    return lines


FINAL = ("accuracy", "params", "macs")


def format_metrics(study: Study | Overview, trial: Trial) -> str:
    """Return the metrics of a trial that the study shows, objectives first, as text."""
    wanted = [o.metric for o in (*study.history.objectives, *study.history.constraints)]
    wanted += [name for name in SHOWN if name in trial.metrics]
    metrics: Mapping[str, float] = trial.metrics
    return ", ".join(
        f"{name} {format_metric(name, metrics[name])}"
        for name in dict.fromkeys(wanted)
        if name in metrics
    )


def format_metric(metric: str, value: float) -> str:
    """Return a metric with its unit as text.

    Example:
        >>> format_metric("accuracy", 0.97912), format_metric("params", 12345)
        ('97.91 %', '12.3 k')
    """
    words = metric.replace(".", "_").split("_")
    if "accuracy" in words and 0 <= value <= 1:
        return f"{100 * value:.2f} %"
    if any(name in words for name in COUNTS):
        for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
            if abs(value) >= size:
                return f"{value / size:.1f} {unit}"
        return f"{value:.0f}"
    if "latency" in words and "spread" not in words:
        return f"{value:.3g} ms"
    if metric == "seconds":
        if not value < 1e9:
            return f"{value:.3g} s"
        if value < 120:
            return f"{value:.0f} s"
        return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"
    return f"{value:.4g}"
