"""A log summed up: while it is written, segment by segment, and when it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import TYPE_CHECKING, final

from nasturtium.errors import StoreError
from nasturtium.study.event import Event
from nasturtium.study.segment import SEGMENT, Goals, Pending, Segment, goals_of
from nasturtium.study.trial import Trial

if TYPE_CHECKING:
    from nasturtium.study.stores.sql import SqlStore

__all__ = ["Summing", "rest"]


@final
class Summing:
    """What a writer of a study remembers to sum up its log.

    Attributes:
        start: the number of the last event before those that wait.
        waiting: events that belong to no segment yet.
        goals: the study's; ``None`` where the log begins with no manifest, and has no sums.
    """

    def __init__(self, start: int) -> None:
        self.start = start
        self.waiting: list[Event] = []
        self.goals: Goals | str | None = "unknown"
        self._done: tuple[int, int, dict[int, Pending]] | None = None  # last, asked, pending

    def segments(self, store: SqlStore, study: str) -> list[Segment]:
        """The segments that the waiting events complete.

        Where this writer began amid a segment, or an earlier one is missing, the events are read
        from the log.

        Raises:
            StoreError: the log is damaged, or is no study's.
        """
        events: Iterator[Event] = iter(self.waiting)
        if self._done is None:
            known = store.segments(study) if self.start else []
            last = known[-1].last if known else 0
            self._done = last, known[-1].asked if known else 0, pending_at(store, study, known)
            before = islice(store.read(study, last), self.start - last)
            events = chain(before, events) if self.start > last else events
        if self.goals == "unknown":
            first = self.waiting[0] if not self.start else next(store.read(study), None)
            manifest = first.data if first is not None and first.kind == "manifest" else {}
            self.goals = goals_of(manifest) if isinstance(manifest, Mapping) else None
        end = self.start + len(self.waiting)
        if not isinstance(self.goals, Goals):
            self.start, self.waiting = end, []
            return []
        last, asked, pending = self._done
        found: list[Segment] = []
        while end - last >= SEGMENT:
            part = list(islice(events, SEGMENT))
            found.append(Segment.of(study, last + 1, part, pending, asked, self.goals))
            last, asked = found[-1].last, found[-1].asked
        self._done = last, asked, pending
        self.waiting = list(events)
        self.start = last
        return found


def pending_at(store: SqlStore, study: str, known: list[Segment]) -> dict[int, Pending]:
    """The trials that are pending at the end of the last of some segments, by number.

    Raises:
        StoreError: an event that the segment names is damaged, or asks for no trial.
    """
    if not known:
        return {}
    numbers = known[-1].pending
    found = store.pick(study, numbers)
    pending: dict[int, Pending] = {}
    for number in numbers:
        trial = found[number].data
        if not isinstance(trial, Trial):
            raise StoreError(f"event {number} of study {study!r} asks for no trial")
        pending[trial.number] = Pending(number, trial)
    return pending


def rest(
    store: SqlStore, study: str, known: list[Segment], goals: Goals
) -> Iterator[tuple[Segment, dict[int, Event], dict[int, Pending]]]:
    """The segments of the events after those that are summed up, summed up now.

    Yields:
        each segment, its events by number as far as it names them, and what is pending then.

    Raises:
        StoreError: the log is damaged; names the first event that is.
    """
    pending = pending_at(store, study, known)
    last, asked = (known[-1].last, known[-1].asked) if known else (0, 0)
    events = store.read(study, last)
    while part := list(islice(events, SEGMENT)):
        before = dict(pending)
        segment = Segment.of(study, last + 1, part, pending, asked, goals)
        named = {n: part[n - last - 1] for pair in segment.kept for n in pair if n > last}
        named |= {n: part[n - last - 1] for n in segment.others}
        for asked_at, _ in segment.kept:
            if asked_at <= last:
                one = next(one for one in before.values() if one.event == asked_at)
                named[asked_at] = Event("asked", one.trial)
        yield segment, named, pending
        last, asked = segment.last, segment.asked
