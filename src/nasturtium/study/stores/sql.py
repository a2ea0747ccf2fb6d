"""A store in an SQL database: an SQLite file, or PostgreSQL on a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import final

from nasturtium.study.event import Event
from nasturtium.study.log_summary import SegmentSummary
from nasturtium.study.stores.base import Lease, Store
from nasturtium.study.stores.database import Database
from nasturtium.study.stores.lease import TableLease
from nasturtium.study.stores.log_reader import LogReader, Row
from nasturtium.study.stores.log_writer import LogWriter

__all__ = ["SqlStore"]


@final
class SqlStore(Store):
    """Events in one SQL table, through SQLAlchemy Core: SQLite in WAL mode, or PostgreSQL.

    A killed process loses nothing that was appended. SQLite is synchronised with the disk at the
    first commit after ``sync`` seconds, so a power cut loses at most the commits since then.
    A database on a server may be unavailable for a while: appending waits for it, and so does
    reading while this store drives a study.

    Each event has a digest of itself and of the event before it, which is checked whenever it is
    read. After every few thousand events a row of the table ``snapshot`` summarises them. The
    tables are created by the first write, so opening a file does not change it.

    Args:
        url: a path (``study.db``), ``sqlite:///path`` or ``postgresql+psycopg://...``.
        folder: where files are kept; if not given, ``<path>.files`` beside an SQLite file, and
            ``nasturtium.files/<identity of the database>`` for a database on a server.
        sync: seconds between writes that are forced to the disk.
        patience: seconds that a driver waits for an unavailable database.
        read_only: whether nothing may be written, so that a read-only medium works too.

    Raises:
        StoreError: the database cannot be opened, is not one of this package, or was written by a
            version whose logs this version does not read.

    Example:
        >>> import nasturtium as nas, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = nas.SqlStore(f"{folder.name}/study.db")
        >>> study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch(), store=store)
        >>> study.tell(study.ask(), {"accuracy": 0.9})
        >>> [event.kind for event in store.read("study")]
        ['asked', 'told']
        >>> store.close()
        >>> folder.cleanup()
    """

    def __init__(
        self,
        url: str | Path,
        folder: str | Path | None = None,
        sync: float = 0.05,
        patience: float = 600.0,
        read_only: bool = False,
    ) -> None:
        address = str(url) if "://" in str(url) else f"sqlite:///{url}"
        given = None if folder is None else Path(folder)
        self.database = Database(address, given, patience, read_only)
        self.database.open()
        self.folder = self.database.folder
        self._reader = LogReader(self.database)
        self._writer = LogWriter(self.database, sync)

    @property
    def url(self) -> str:
        """The address, with its scheme and its password."""
        return self.database.url

    @property
    def path(self) -> Path | None:
        """The SQLite file; ``None`` for a database on a server."""
        return self.database.path

    def append(self, study: str, events: Sequence[Event]) -> int:
        return self._writer.append(study, events)

    def read(self, study: str, after: int = 0) -> Iterator[Event]:
        return self._reader.read(study, after)

    def read_events(self, study: str, numbers: Iterable[int]) -> dict[int, Event]:
        """Return some events by their numbers, each checked against its digest.

        Raises:
            StoreError: one is missing, or is damaged.
        """
        return self._reader.read_events(study, numbers)

    def rows(self, study: str, after: int = 0) -> Iterator[Row]:
        """Yield the log as it is stored, each event checked against its digest.

        Yields:
            number, kind, body, measurements and digest of an event.

        Raises:
            StoreError: an event is missing, altered or out of its place; names the first.
        """
        return self._reader.rows(study, after)

    def text(self, study: str) -> list[tuple[int, str, str]]:
        """Return the log as it is stored, without measurements: number, kind and body of events."""
        return [(number, kind, body) for number, kind, body, _, _ in self.rows(study)]

    def summaries(self, study: str) -> list[SegmentSummary]:
        """Return the stored summaries of the log's first events, as far as they are sound."""
        return self._reader.summaries(study)

    def studies(self) -> tuple[str, ...]:
        return self._reader.studies()

    def lease(self, study: str) -> Lease:
        return TableLease(self.database, study).acquire()

    def reopen(self) -> None:
        """Connect to the database again, after its file was replaced."""
        self.database.open()
        self._writer.forget()

    def close(self) -> None:
        self.database.close()
