"""The status of a study, from all of its trials or, with the same result, from stored sums."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, final

from nasturtium.errors import StoreError
from nasturtium.study.confirmation import ANSWER_ARMS, answer
from nasturtium.study.event import Event
from nasturtium.study.goals import Goals, parse_goals
from nasturtium.study.history import History
from nasturtium.study.log_summary import control_score, microseconds
from nasturtium.study.metric_summary import MetricSummary
from nasturtium.study.stores.base import Store
from nasturtium.study.stores.snapshots import summarize_rest
from nasturtium.study.stores.sql import SqlStore
from nasturtium.study.study import Study
from nasturtium.study.trial import Outcome, Trial

__all__ = ["Overview", "overview_of", "read_overview"]


@final
@dataclass(frozen=True)
class Overview:
    """The data for the summary of a study.

    Attributes:
        name: the study's name.
        store: its store.
        manifest: its first event.
        history: its objectives and constraints, and the trials that may be best or on the front.
        counts: number of ended trials by arm and state.
        pending: number of pending trials.
        seconds: duration of all estimates.
        scores: the first objective of the finished uniform draws at full fidelity that meet all
            constraints.
        notes: notes of later stages.
        measured: metrics of the finished trials.
    """

    name: str
    store: Store
    manifest: Mapping[str, Any]
    history: History
    counts: Mapping[tuple[str, str], int]
    pending: int
    seconds: float
    scores: array[float]
    notes: list[Mapping[str, Any]]
    measured: MetricSummary

    @property
    def best(self) -> Trial | None:
        """The study's answer, if a trial has finished."""
        return answer(self.history)

    @property
    def candidates(self) -> History:
        """The trials among which the study's answer is."""
        return self.history.where(arm=ANSWER_ARMS)


def overview_of(study: Study) -> Overview:
    """Return the status of a study from all of its trials."""
    history = study.history
    counts: dict[tuple[str, str], int] = {}
    total = 0
    for trial in history:
        if trial.state != "pending":
            key = trial.arm, trial.state
            counts[key] = counts.get(key, 0) + 1
            total += microseconds(trial)
    drawn = (control_score(trial, history) for trial in history.uniform_draws())
    scores = array("d", (score for score in drawn if score is not None))
    return Overview(
        study.name,
        study.store,
        study.manifest,
        history,
        counts,
        len(history.pending),
        total / 1e6,
        scores,
        study.notes,
        MetricSummary.of(history.finished),
    )


def read_overview(store: SqlStore, study: str, manifest: Mapping[str, Any]) -> Overview:
    """Return the status of a study from the sums in its store and the events after them.

    Args:
        store: the store of its log.
        study: its name.
        manifest: its manifest.

    Raises:
        StoreError: the log is damaged.
    """
    goals = parse_goals(manifest)
    if goals is None:
        raise StoreError(f"the manifest of study {study!r} has no objectives; the log is damaged")
    known = store.summaries(study)
    named = (chain((n for pair in segment.kept for n in pair), segment.others) for segment in known)
    events = store.read_events(study, chain.from_iterable(named))
    segments = list(known)
    pending = len(known[-1].pending) if known else 0
    for segment, its_own, open_now in summarize_rest(store, study, known, goals):
        segments.append(segment)
        events |= its_own
        pending = len(open_now)
    counts: dict[tuple[str, str], int] = {}
    cut = {arm for segment in segments for arm in segment.cut}
    scores, measured = array("d"), MetricSummary()
    for segment in segments:
        measured.merge(segment.measured)
        for arm, some in segment.scores.items():
            if arm not in cut:
                scores.extend(some)
        for key, count in segment.counts.items():
            counts[key] = counts.get(key, 0) + count
    notes = (events[n] for segment in segments for n in segment.others)
    return Overview(
        study,
        store,
        manifest,
        _history(goals, study, events, (pair for segment in segments for pair in segment.kept)),
        counts,
        pending,
        sum(segment.microseconds for segment in segments) / 1e6,
        scores,
        [one.data for one in notes if one.kind == "note" and isinstance(one.data, Mapping)],
        measured,
    )


def _history(
    goals: Goals, study: str, events: Mapping[int, Event], kept: Iterable[tuple[int, int]]
) -> History:
    """Return the trials of pairs of events: their proposals and their outcomes."""
    trials = []
    for asked_at, told_at in kept:
        trial, outcome = events[asked_at].data, events[told_at].data
        if (
            not isinstance(trial, Trial)
            or not isinstance(outcome, Outcome)
            or trial[0] != outcome[0]
        ):
            raise StoreError(
                f"a snapshot of study {study!r} takes events {asked_at} and {told_at} for one "
                "trial; the store is damaged"
            )
        trials.append(trial.completed(outcome))
    return goals.history(trials)
