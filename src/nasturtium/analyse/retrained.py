"""Trainings in full, and the networks that they belong to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, final

from nasturtium.study.objective import Objective

__all__ = ["MEASURED", "Network", "Training", "most", "networks"]

MEASURED = ("accuracy", "balanced_accuracy", "loss")  # what every training in full is measured by


def most(objective: Objective) -> float:
    """The largest value that the metric can have: 1 for accuracies, which are shares."""
    return 1.0 if objective.metric.endswith("accuracy") else math.inf


@final
@dataclass(frozen=True)
class Training:
    """One training in full: of a trial's architecture, or of a reference network.

    Attributes:
        key: the architecture's key; the name of a reference network.
        seed: of initial weights and training.
        trial: the number of the trial; ``None`` for a reference network.
        metrics: measured on the test examples; empty where it failed.
        seconds: what it took.
        cpu_seconds: processor time.
        error: why it failed.
    """

    key: str
    seed: int
    trial: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    error: str | None = None

    def value(self, metric: str) -> float | None:
        """The metric, or ``None`` where there is no finite one."""
        found = self.metrics.get(metric)
        return found if found is not None and math.isfinite(found) else None

    def fault(self, metric: str) -> str | None:
        """Why the training says nothing about the metric; ``None`` if it does."""
        if self.error is not None:
            return self.error
        if self.value(metric) is not None:
            return None
        return f"{metric} is {self.metrics.get(metric, 'missing')}, not a finite number"

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**vars(self), "metrics": dict(self.metrics)}


@final
@dataclass(frozen=True)
class Network:
    """One architecture with its trainings; the unit of all comparisons.

    Trainings of one architecture that differ by their seeds are not independent witnesses for the
    architecture's side: only their mean is used, and spread is taken between architectures.

    Attributes:
        key: the architecture's key, or a reference's name.
        trial: the number of its trial, or ``None``.
        values: of the metric, one for each seed.
        metrics: costs and other metrics, means over the trainings.
        seconds: of one training, mean.
    """

    key: str
    trial: int | None
    values: tuple[float, ...]
    metrics: Mapping[str, float]
    seconds: float

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return fmean(self.values)


def networks(trainings: Iterable[Training], objective: Objective) -> dict[str, Network]:
    """The networks of which at least one training gave a finite metric, by key."""
    grouped: dict[str, list[Training]] = {}
    for training in trainings:
        if training.fault(objective.metric) is None:
            grouped.setdefault(training.key, []).append(training)
    found = {}
    for key, several in grouped.items():
        several.sort(key=lambda training: training.seed)
        shared = set.intersection(*(set(training.metrics) for training in several))
        found[key] = Network(
            key,
            several[0].trial,
            tuple(training.metrics[objective.metric] for training in several),
            {name: fmean(one.metrics[name] for one in several) for name in sorted(shared)},
            fmean(training.seconds for training in several),
        )
    return found
