"""A store in memory, for tests, tabular benchmarks and simulations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import final

from nasturtium.errors import StoreError
from nasturtium.study.event import Data, Event
from nasturtium.study.stores.base import Lease, Store

__all__ = ["MemoryLease", "MemoryStore"]


@final
class MemoryStore(Store):
    """Events in memory, which end with the process.

    Example:
        >>> import nasturtium as nas
        >>> store = nas.MemoryStore()
        >>> study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch(), store=store)
        >>> study.ask().number
        0
        >>> store.studies()
        ('study',)
    """

    def __init__(self) -> None:
        self.folder = None
        # Kinds and data are kept apart: a tuple for each event would be one more object for
        # Python's garbage collector to visit, and its passes dominate the cost of long studies.
        self._logs: dict[str, tuple[list[str], list[Data]]] = {}
        self._held: set[str] = set()

    def append(self, study: str, events: Sequence[Event]) -> int:
        log = self._logs.get(study)
        if log is None:
            if not events:
                return 0
            log = self._logs[study] = ([], [])
        kinds, data = log
        for event in events:
            kinds.append(event.kind)
            data.append(event.data)
        return len(kinds)

    def read(self, study: str, after: int = 0) -> Iterator[Event]:
        kinds, data = self._logs.get(study, ((), ()))
        return iter([Event(*pair) for pair in zip(kinds[after:], data[after:], strict=True)])

    def studies(self) -> tuple[str, ...]:
        return tuple(sorted(self._logs))

    def lease(self, study: str) -> Lease:
        if study in self._held:
            raise StoreError(f"study {study!r} is being driven already, in this process")
        self._held.add(study)
        return MemoryLease(self._held, study)

    def close(self) -> None:
        self._logs = {}


@final
class MemoryLease(Lease):
    """A name in a set of held studies, within one process."""

    def __init__(self, held: set[str], study: str) -> None:
        self.held = held
        self.study = study

    def beat(self) -> None:
        return None

    def release(self) -> None:
        self.held.discard(self.study)
