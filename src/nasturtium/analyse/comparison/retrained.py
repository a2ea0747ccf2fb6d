"""Retrained networks: one training each, and the trainings of one architecture together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, final

from nasturtium.study.objective import Objective

__all__ = ["MEASURED", "Network", "Training", "group_trainings", "highest_value"]

MEASURED = ("accuracy", "balanced_accuracy", "loss")  # the metrics of every retraining


def highest_value(objective: Objective) -> float:
    """Return the largest value that the metric can have: 1 for accuracies, which are shares."""
    return 1.0 if objective.metric.endswith("accuracy") else math.inf


@final
@dataclass(frozen=True)
class Training:
    """One retraining of a trial's architecture, or one training of a reference network.

    Attributes:
        key: the architecture's key, or the name of a reference network.
        seed: seed of initial weights and training.
        trial: the number of the trial; ``None`` for a reference network.
        metrics: metrics on the test examples; empty if it failed.
        seconds: duration.
        cpu_seconds: processor time.
        error: why it failed, or ``None``.
    """

    key: str
    seed: int
    trial: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    error: str | None = None

    def value(self, metric: str) -> float | None:
        """Return the metric, or ``None`` if it is missing or not finite."""
        value = self.metrics.get(metric)
        return value if value is not None and math.isfinite(value) else None

    def fault(self, metric: str) -> str | None:
        """Return why the metric is unknown; ``None`` if it is known."""
        if self.error is not None:
            return self.error
        if self.value(metric) is not None:
            return None
        return f"{metric} is {self.metrics.get(metric, 'missing')}, not a finite number"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**vars(self), "metrics": dict(self.metrics)}


@final
@dataclass(frozen=True)
class Network:
    """One architecture with its trainings, the unit of all comparisons.

    Trainings of one architecture with several seeds are not independent evidence: only their mean
    is used, and the spread is that between architectures.

    Attributes:
        key: the architecture's key, or the name of a reference network.
        trial: the number of its trial, or ``None``.
        values: values of the metric, one for each seed.
        metrics: means of costs and other metrics over the trainings.
        seconds: mean duration of one training.
    """

    key: str
    trial: int | None
    values: tuple[float, ...]
    metrics: Mapping[str, float]
    seconds: float

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return fmean(self.values)


def group_trainings(trainings: Iterable[Training], objective: Objective) -> dict[str, Network]:
    """Return the networks by key, without those for which no training has a finite metric."""
    grouped: dict[str, list[Training]] = {}
    for training in trainings:
        if training.fault(objective.metric) is None:
            grouped.setdefault(training.key, []).append(training)
    networks = {}
    for key, several in grouped.items():
        several.sort(key=lambda training: training.seed)
        shared = set.intersection(*(set(training.metrics) for training in several))
        networks[key] = Network(
            key,
            several[0].trial,
            tuple(training.metrics[objective.metric] for training in several),
            {name: fmean(one.metrics[name] for one in several) for name in sorted(shared)},
            fmean(training.seconds for training in several),
        )
    return networks
