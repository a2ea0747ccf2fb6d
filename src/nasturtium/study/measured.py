"""What is noticed about the numbers of a study: how high accuracies came, how busy its host was."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import final

from nasturtium.study.trial import Trial

__all__ = ["ACCURACIES", "Measured"]

ACCURACIES = ("accuracy", "balanced_accuracy")


@final
@dataclass
class Measured:
    """Numbers of finished trials; those of the parts of a log add up to those of the log.

    Attributes:
        counts: finished trials that have the accuracy, by its name.
        highest: the highest of each accuracy.
        loads: cores that other programs kept busy while a latency was measured.
    """

    counts: dict[str, int] = field(default_factory=dict)
    highest: dict[str, float] = field(default_factory=dict)
    loads: array[float] = field(default_factory=lambda: array("d"))

    @classmethod
    def of(cls, trials: Iterable[Trial]) -> Measured:
        """The numbers of the finished ones among some trials."""
        made = cls()
        for trial in trials:
            if trial.state == "finished":
                made.add(trial)
        return made

    def add(self, trial: Trial) -> None:
        """Take in a finished trial."""
        for metric in ACCURACIES:
            value = trial.metrics.get(metric)
            if value is not None and math.isfinite(value):
                self._raise(metric, 1, value)
        load = trial.metrics.get("host_load")
        if load is not None and math.isfinite(load):
            self.loads.append(load)

    def merge(self, other: Measured) -> None:
        """Take in the numbers of another part of the log."""
        for metric, count in other.counts.items():
            self._raise(metric, count, other.highest[metric])
        self.loads.extend(other.loads)

    def _raise(self, metric: str, count: int, value: float) -> None:
        self.counts[metric] = self.counts.get(metric, 0) + count
        self.highest[metric] = max(value, self.highest.get(metric, -math.inf))
