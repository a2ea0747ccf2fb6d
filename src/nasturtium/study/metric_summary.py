"""Summaries of metrics over trials: the highest accuracies, and the load of the host."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import final

from nasturtium.study.trial import Trial

__all__ = ["ACCURACIES", "MetricSummary"]

ACCURACIES = ("accuracy", "balanced_accuracy")


@final
@dataclass
class MetricSummary:
    """Numbers of finished trials; the summaries of parts of a log add up to that of the log.

    Attributes:
        counts: finished trials that have the accuracy, by its name.
        highest: the highest value of each accuracy.
        loads: cores that other programs kept busy while a latency was measured.
    """

    counts: dict[str, int] = field(default_factory=dict)
    highest: dict[str, float] = field(default_factory=dict)
    loads: array[float] = field(default_factory=lambda: array("d"))

    @classmethod
    def of(cls, trials: Iterable[Trial]) -> MetricSummary:
        """Summarise the finished trials among some trials."""
        summary = cls()
        for trial in trials:
            if trial.state == "finished":
                summary.add(trial)
        return summary

    def add(self, trial: Trial) -> None:
        """Add a finished trial."""
        for metric in ACCURACIES:
            value = trial.metrics.get(metric)
            if value is not None and math.isfinite(value):
                self._count(metric, 1, value)
        load = trial.metrics.get("host_load")
        if load is not None and math.isfinite(load):
            self.loads.append(load)

    def merge(self, other: MetricSummary) -> None:
        """Add the summary of another part of the log."""
        for metric, count in other.counts.items():
            self._count(metric, count, other.highest[metric])
        self.loads.extend(other.loads)

    def _count(self, metric: str, count: int, value: float) -> None:
        self.counts[metric] = self.counts.get(metric, 0) + count
        self.highest[metric] = max(value, self.highest.get(metric, -math.inf))
