"""Summaries of segments of a log, so that a long log need not be read as a whole.

A segment covers :data:`SEGMENT` events. Its summary holds counts, sums, and the numbers of the few
events that are still worth reading: the best trials of each fidelity, the Pareto front, pending
trials, and events that are not of trials. The best trials of a whole log are among the best of its
segments, and the same holds for the front, so the summaries of consecutive segments add up to a
summary of the log.
"""

from __future__ import annotations

import base64
import json
import sys
from array import array
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nasturtium.errors import StoreError
from nasturtium.study.confirmation import ANSWER_ARMS
from nasturtium.study.event import Event, chain_digest
from nasturtium.study.event_order import damaged_log, order_problem
from nasturtium.study.event_schema import is_natural
from nasturtium.study.goals import Goals
from nasturtium.study.history import History
from nasturtium.study.metric_summary import MetricSummary
from nasturtium.study.trial import Outcome, Trial

__all__ = ["BEST", "SEGMENT", "Pending", "SegmentSummary", "control_score", "microseconds"]

SEGMENT = 8192  # events
BEST = 5  # trials of a segment and fidelity that may be among the best of the study


class Pending(NamedTuple):
    """A trial that was asked for, and the number of that event."""

    event: int
    trial: Trial


@dataclass
class SegmentSummary:
    """The summary of the events from ``first`` to ``last``.

    Attributes:
        first: number of the first event.
        last: number of the last event.
        asked: trials asked for from the beginning of the log to the last event of this segment.
        counts: trials that ended in this segment, by arm and state.
        microseconds: the time of their estimates.
        scores: the first objective of finished uniform draws at full fidelity that satisfy all
            constraints, by arm.
        cut: arms of which a uniform draw was stopped early: those that finished are a selection.
        kept: events of the trials that may be the study's best, on its front, or confirm it: the
            number of the event that asked for the trial, and of the event that reported it.
        pending: events of the trials that are pending at the end.
        others: events that are not of trials.
        measured: numbers of the trials that finished.
    """

    first: int
    last: int
    asked: int = 0
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    microseconds: int = 0
    scores: dict[str, array[float]] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)
    kept: list[tuple[int, int]] = field(default_factory=list)
    pending: list[int] = field(default_factory=list)
    others: list[int] = field(default_factory=list)
    measured: MetricSummary = field(default_factory=MetricSummary)

    @classmethod
    def of(
        cls,
        study: str,
        first: int,
        events: Sequence[Event],
        pending: MutableMapping[int, Pending],
        asked: int,
        goals: Goals,
    ) -> SegmentSummary:
        """Summarise consecutive events.

        Args:
            study: its name.
            first: the number of the first of these events.
            events: the events.
            pending: the trials that are pending before them, by number; updated to their end.
            asked: how many trials were asked for before them.
            goals: what trials are compared by.

        Raises:
            StoreError: an event cannot follow those before it; names it.
        """
        summary = cls(first, first + len(events) - 1)
        groups: dict[Any, list[Trial]] = {}  # trials that can be compared with each other
        places: dict[int, tuple[int, int]] = {}
        for number, event in enumerate(events, first):
            problem = order_problem(event, pending, asked, goals)
            if problem is not None:
                raise StoreError(damaged_log(study, number, problem))
            data = event.data
            if isinstance(data, Trial):
                asked += 1
                if data.state == "pending":
                    pending[data.number] = Pending(number, data)
                else:
                    summary._count(data)
            elif isinstance(data, Outcome):
                asked_at, before = pending.pop(data.number)
                trial = before.completed(data)
                summary._add_ended(trial, goals)
                if trial.state == "finished":
                    if trial.arm in ANSWER_ARMS:
                        groups.setdefault(trial.fidelity, []).append(trial)
                        places[trial.number] = asked_at, number
                    elif trial.arm == "confirm":
                        summary.kept.append((asked_at, number))
            else:
                summary.others.append(number)
        for trials in groups.values():
            history = goals.history()
            history._finished = trials
            best = {trial.number for trial in (*history.best(BEST), *history.front())}
            summary.kept += [places[number] for number in sorted(best)]
        summary.asked = asked
        summary.pending = [one.event for one in pending.values()]
        return summary

    def _add_ended(self, trial: Trial, goals: Goals) -> None:
        self._count(trial)
        if trial.state == "stopped" and trial.proposal.uniform and trial.arm not in self.cut:
            self.cut.append(trial.arm)
        if trial.state == "finished":
            self.measured.add(trial)
            score = control_score(trial, goals)
            if score is not None:
                self.scores.setdefault(trial.arm, array("d")).append(score)

    def _count(self, trial: Trial) -> None:
        key = trial.arm, trial.state
        self.counts[key] = self.counts.get(key, 0) + 1
        self.microseconds += microseconds(trial)

    def to_json(self) -> str:
        """Return the summary as JSON."""
        body = {
            "first": self.first,
            "asked": self.asked,
            "counts": [[*key, count] for key, count in self.counts.items()],
            "microseconds": self.microseconds,
            "scores": {arm: _encode_array(scores) for arm, scores in self.scores.items()},
            "cut": self.cut,
            "kept": self.kept,
            "pending": self.pending,
            "others": self.others,
            "accuracies": [
                [metric, count, self.measured.highest[metric]]
                for metric, count in self.measured.counts.items()
            ],
            "loads": _encode_array(self.measured.loads),
        }
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str, last: int) -> SegmentSummary | None:
        """Return the summary that :meth:`to_json` wrote; ``None`` for another text."""
        try:
            body = json.loads(text)
            summary = cls(
                body["first"],
                last,
                body["asked"],
                {(str(arm), str(state)): count for arm, state, count in body["counts"]},
                body["microseconds"],
                {str(arm): _decode_array(scores) for arm, scores in body["scores"].items()},
                [str(arm) for arm in body["cut"]],
                [(asked_at, told_at) for asked_at, told_at in body["kept"]],
                list(body["pending"]),
                list(body["others"]),
                MetricSummary(
                    {str(metric): count for metric, count, _ in body["accuracies"]},
                    {str(metric): float(highest) for metric, _, highest in body["accuracies"]},
                    _decode_array(body["loads"]),
                ),
            )
            numbers = [
                summary.first,
                summary.asked,
                *summary.counts.values(),
                *summary.measured.counts.values(),
                *summary.pending,
                *summary.others,
                *(number for pair in summary.kept for number in pair),
            ]
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
            return None
        valid = all(map(is_natural, numbers)) and type(summary.microseconds) is int
        return summary if valid and max(numbers) <= max(last, summary.asked) else None

    def digest(self, last_digest: str) -> str:
        """Return the digest of this summary and of the log up to its last event.

        Args:
            last_digest: the digest of the last event.
        """
        return chain_digest(last_digest, self.last, "segment", self.to_json(), "")


def microseconds(trial: Trial) -> int:
    """Return the time of a trial's estimate, as the log stores it."""
    return round(float(f"{trial.seconds:.6f}") * 1e6)


def control_score(trial: Trial, goals: Goals | History) -> float | None:
    """Return the first objective of a finished uniform draw that represents random search.

    Returns:
        the value; ``None`` for any other trial.
    """
    proposal = trial.proposal
    if not proposal.uniform or not trial.fidelity.full:
        return None
    if any(one.excess(trial.metrics[one.metric]) > 0.0 for one in goals.constraints):
        return None
    return float(trial.metrics[goals.objectives[0].metric])


def _encode_array(scores: array[float]) -> str:
    return base64.b64encode(_little_endian(scores).tobytes()).decode()


def _decode_array(text: str) -> array[float]:
    scores = array("d")
    scores.frombytes(base64.b64decode(text, validate=True))
    return _little_endian(scores)


def _little_endian(scores: array[float]) -> array[float]:
    """Swap the bytes on a big-endian machine, to or from the stored order."""
    if sys.byteorder == "big":
        scores = scores[:]
        scores.byteswap()
    return scores
