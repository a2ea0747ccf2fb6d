"""Counts of the trials that a study handed out, and the work that they cost."""

from __future__ import annotations

from typing import final

from nasturtium.study.history import History
from nasturtium.study.trial import Trial

__all__ = ["TrialCounts"]


@final
class TrialCounts:
    """Counts of trials that were handed out and not rejected.

    Attributes:
        searched: trials of the search.
        uniform: uniform draws at full fidelity, which can serve as a control; those of the search
            only while none of them was stopped early.
        refused: trials that were rejected by metrics of their estimate.
        cost: the work of the search's trials, in trials at full fidelity.
    """

    def __init__(self, history: History) -> None:
        self.searched = 0
        self.uniform = 0
        self.refused = 0
        self.cost = 0.0
        self._history = history
        self._drawn: int | None = 0  # uniform draws of the search; ``None`` once one was stopped

    def add(self, trial: Trial, sign: int = 1) -> None:
        """Count a trial that is handed out; with the sign -1, remove it again."""
        fidelity = trial.fidelity
        searched = trial.arm == "search"
        if searched:
            self.searched += sign
            resumes = trial.proposal.resume is not None
            work = self._history.cost(trial._replace(epochs=None)) if resumes else fidelity.cost
            self.cost += sign * work
        if trial.proposal.uniform and fidelity.full:  # others are comparable with no result
            if searched and self._drawn is not None:
                self._drawn += sign
            if not searched or self._drawn is not None:
                self.uniform += sign

    def complete(self, trial: Trial) -> None:
        """Correct the counts by the result of a trial."""
        if trial.state == "rejected":
            self.add(trial, -1)
            self.refused += 1
            return
        if trial.arm != "search":
            return
        if trial.epochs is not None:
            self.cost += (trial.share - 1.0) * trial.fidelity.cost
        if trial.state == "stopped" and trial.proposal.uniform and self._drawn is not None:
            # The draws that are trained to their end are a selection from here on, no control.
            self.uniform -= self._drawn
            self._drawn = None
