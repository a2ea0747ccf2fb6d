"""Texts of progress: the start of a search, epochs, running trials, retrainings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nasturtium.run.stages import Stage
from nasturtium.status.study_summary import format_metric
from nasturtium.study.strategy import Strategy
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial
from nasturtium.train.scale_epochs import scale_epochs

if TYPE_CHECKING:
    from nasturtium.analyse.comparison.retrained import Training
    from nasturtium.train.fit import Progress

__all__ = [
    "STAGES",
    "format_epoch",
    "format_notes",
    "format_running",
    "format_start",
    "format_training",
]

STAGES: Mapping[Stage, str] = {
    "check": "trying out the space: every option once",
    "tune": "measuring which workers, threads and precision train fastest here",
    "prepare": "preparing",
    "search": "searching",
    "epoch": "searching",
    "done": "done",
}


def format_start(study: Study) -> str:
    """Return the first line of a search: its name, workers, speed and rungs."""
    manifest = study.manifest
    numerics = manifest.get("numerics", {})
    device, threads = numerics.get("device", "cpu"), numerics.get("threads", 1)
    workers = f"{manifest.get('workers', 1)} x {threads} threads" if device == "cpu" else device
    text = f"{study.name}: {workers}, {numerics.get('precision', 'fp32')}"
    speeds = manifest.get("tuning", {})
    if speeds:
        text += f", {max(speeds.values()):,.0f} images/s"
    if rungs := _rungs(study.strategy):
        text += f"; rungs of {', '.join(map(str, rungs))} epochs"
    done = len(study.history.finished)
    return text + (f"; resumed after {len(study.history)} trials" if done > 1 else "")


def format_notes(study: Study) -> list[str]:
    """Return the notes on how the data were read."""
    return [f"note: {note}" for note in study.manifest.get("data", {}).get("notes", ())]


def _rungs(strategy: Any) -> list[int]:
    """Return the epochs of a strategy's rungs; rungs of equally many were merged."""
    epochs = getattr(strategy, "epochs", None)
    brackets = getattr(strategy, "brackets", ())
    rungs = getattr(strategy, "rungs", None) or [rung for _, rung in (brackets or ((),))[0]]
    if isinstance(epochs, int) and rungs:
        return [scale_epochs(epochs, rung.epochs) for rung in rungs]
    inner = getattr(strategy, "strategy", None)
    return _rungs(inner) if isinstance(inner, Strategy) else []


def format_epoch(point: Progress) -> str:
    """Return a line on an epoch."""
    return f"epoch {point.epoch} of {point.epochs}, loss {point.train_loss:.3f}"


def format_training(training: Training) -> str:
    """Return a line on a retraining: which network, which seed, and its result."""
    who = training.key if training.trial is None else f"trial {training.trial}"
    if training.error is not None:
        return f"{who}, seed {training.seed}: failed, {training.error}"
    results = ", ".join(
        f"{name} {format_metric(name, training.metrics[name])}"
        for name in ("accuracy", "loss")
        if name in training.metrics
    )
    return f"{who}, seed {training.seed}: {results or 'no accuracy'} on the test examples, " + (
        f"{training.seconds:.1f} s"
    )


def format_running(trials: tuple[Trial, ...], epochs: Mapping[int, int] | None = None) -> str:
    """Return the running trials: their numbers, parents, and epochs as far as they are known."""
    parts = []
    for trial in trials:
        words = [] if trial.proposal.parent is None else [f"from {trial.proposal.parent}"]
        if epochs and trial.number in epochs:
            of = "" if trial.planned is None else f" of {trial.planned:g}"
            words.append(f"epoch {epochs[trial.number]}{of}")
        parts.append(f"{trial.number}" + (f" ({', '.join(words)})" if words else ""))
    return ", ".join(parts) or "nothing yet"
