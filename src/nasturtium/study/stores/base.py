"""The interfaces of a store and of a lease."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

from nasturtium.study.event import Event

__all__ = ["Lease", "Store"]


class Lease(ABC):
    """The right to drive a study, kept alive by heartbeats."""

    @abstractmethod
    def beat(self) -> None:
        """Check that this driver still holds the study; cheap enough to be called often.

        Raises:
            StoreError: another driver took the study over.
        """

    @abstractmethod
    def release(self) -> None:
        """Give up the study, so that another driver can take it."""


class Store(ABC):
    """An append-only log of events for each study, and a lease for each study outside its log.

    Attributes:
        folder: where files are kept beside the log; ``None`` where nothing is durable.

    Example:
        >>> import nasturtium as nas
        >>> store: nas.Store = nas.MemoryStore()
        >>> study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch(), store=store, name="first")
        >>> trial = study.ask()
        >>> study.tell(trial, {"accuracy": 0.9})
        >>> [event.kind for event in store.read("first")]
        ['asked', 'told']
    """

    folder: Path | None

    @abstractmethod
    def append(self, study: str, events: Sequence[Event]) -> int:
        """Append all of the events or none, and return the number of the log's last event.

        Raises:
            StoreError: the store cannot be written.
        """

    @abstractmethod
    def read(self, study: str, after: int = 0) -> Iterator[Event]:
        """Yield the events of a study in order, those with a number above ``after``."""

    @abstractmethod
    def studies(self) -> tuple[str, ...]:
        """Return the names of the studies that have events, sorted."""

    @abstractmethod
    def lease(self, study: str) -> Lease:
        """Take the lease of a study, which makes the caller its only driver.

        Raises:
            StoreError: another live driver holds the study.
        """

    @abstractmethod
    def close(self) -> None:
        """Close files and connections."""
