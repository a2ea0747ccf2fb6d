"""Snapshots of a log: summaries of its segments, made while it is written and when it is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Protocol, final

from nasturtium.errors import StoreError
from nasturtium.study.event import Event
from nasturtium.study.goals import Goals, parse_goals
from nasturtium.study.log_summary import SEGMENT, Pending, SegmentSummary
from nasturtium.study.trial import Trial

__all__ = ["EventSource", "SnapshotWriter", "summarize_rest"]


class EventSource(Protocol):
    """The readable parts of a log: all of its events, some of them, and its stored summaries."""

    def read(self, study: str, after: int = 0) -> Iterator[Event]:
        """Yield the events with a number above ``after``."""

    def read_events(self, study: str, numbers: Iterable[int]) -> dict[int, Event]:
        """Return some events by their numbers."""

    def summaries(self, study: str) -> list[SegmentSummary]:
        """Return the stored summaries of the log's first events."""


@final
class SnapshotWriter:
    """The state from which the writer of a log summarises it.

    Attributes:
        start: the number of the last event before those that wait.
        waiting: events that belong to no complete segment yet.
        goals: of the study; ``None`` where the log does not begin with a manifest, and so has no
            snapshots.
    """

    def __init__(self, start: int) -> None:
        self.start = start
        self.waiting: list[Event] = []
        self.goals: Goals | str | None = "unknown"
        self._done: tuple[int, int, dict[int, Pending]] | None = None  # last, asked, pending

    def complete_segments(self, source: EventSource, study: str) -> list[SegmentSummary]:
        """Return the summaries of the segments that the waiting events complete.

        Where this writer began in the middle of a segment, or an earlier summary is missing, the
        events are read from the log.

        Raises:
            StoreError: the log is damaged, or is not one of a study.
        """
        events: Iterator[Event] = iter(self.waiting)
        if self._done is None:
            known = source.summaries(study) if self.start else []
            last = known[-1].last if known else 0
            self._done = last, known[-1].asked if known else 0, read_pending(source, study, known)
            before = islice(source.read(study, last), self.start - last)
            events = chain(before, events) if self.start > last else events
        if self.goals == "unknown":
            first = self.waiting[0] if not self.start else next(source.read(study), None)
            manifest = first.data if first is not None and first.kind == "manifest" else {}
            self.goals = parse_goals(manifest) if isinstance(manifest, Mapping) else None
        end = self.start + len(self.waiting)
        if not isinstance(self.goals, Goals):
            self.start, self.waiting = end, []
            return []
        last, asked, pending = self._done
        completed: list[SegmentSummary] = []
        while end - last >= SEGMENT:
            part = list(islice(events, SEGMENT))
            summary = SegmentSummary.of(study, last + 1, part, pending, asked, self.goals)
            completed.append(summary)
            last, asked = summary.last, summary.asked
        self._done = last, asked, pending
        self.waiting = list(events)
        self.start = last
        return completed


def read_pending(
    source: EventSource, study: str, known: list[SegmentSummary]
) -> dict[int, Pending]:
    """Return the trials that are pending at the end of the last known segment, by number.

    Raises:
        StoreError: an event that the summary names is damaged, or asks for no trial.
    """
    if not known:
        return {}
    numbers = known[-1].pending
    events = source.read_events(study, numbers)
    pending: dict[int, Pending] = {}
    for number in numbers:
        trial = events[number].data
        if not isinstance(trial, Trial):
            raise StoreError(f"event {number} of study {study!r} asks for no trial")
        pending[trial.number] = Pending(number, trial)
    return pending


def summarize_rest(
    source: EventSource, study: str, known: list[SegmentSummary], goals: Goals
) -> Iterator[tuple[SegmentSummary, dict[int, Event], dict[int, Pending]]]:
    """Summarise the events after the segments that have a stored summary.

    Yields:
        the summary of each segment, the events that it names by number, and the trials that are
        pending at its end.

    Raises:
        StoreError: the log is damaged; names the first event that is.
    """
    pending = read_pending(source, study, known)
    last, asked = (known[-1].last, known[-1].asked) if known else (0, 0)
    events = source.read(study, last)
    while part := list(islice(events, SEGMENT)):
        before = dict(pending)
        summary = SegmentSummary.of(study, last + 1, part, pending, asked, goals)
        named = {n: part[n - last - 1] for pair in summary.kept for n in pair if n > last}
        named |= {n: part[n - last - 1] for n in summary.others}
        for asked_at, _ in summary.kept:
            if asked_at <= last:
                one = next(one for one in before.values() if one.event == asked_at)
                named[asked_at] = Event("asked", one.trial)
        yield summary, named, pending
        last, asked = summary.last, summary.asked
