"""Where logs are kept: an append-only table of events, in memory or in an SQL database."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, final

from nasturtium.errors import StoreError
from nasturtium.study.event import Data, Event, decode, encode
from nasturtium.study.lease import HeldInMemory, HeldInTable, Lease, explain

__all__ = ["Lease", "MemoryStore", "SqlStore", "Store", "folder_of", "open_store"]


class Store(ABC):
    """An append-only log of events for each study, and a lease that lies outside the log.

    Attributes:
        folder: where files are kept beside the log; ``None`` where nothing is durable.
    """

    folder: Path | None

    @abstractmethod
    def append(self, study: str, events: Sequence[Event]) -> int:
        """Append events, all or none, and return the number of the last.

        Raises:
            StoreError: the store cannot be written.
        """

    @abstractmethod
    def read(self, study: str, after: int = 0) -> Iterator[Event]:
        """The events of a study in order, those with a number above ``after``."""

    @abstractmethod
    def studies(self) -> tuple[str, ...]:
        """Names of the studies that have events, sorted."""

    @abstractmethod
    def lease(self, study: str) -> Lease:
        """Become the study's one driver.

        Raises:
            StoreError: another driver that lives holds the study.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections."""


@final
class MemoryStore(Store):
    """Events in memory, gone with the process: for tests, tables and simulations."""

    def __init__(self) -> None:
        self.folder = None
        # Kinds and data apart: an event's tuple would be one more thing for Python to keep track
        # of, twice a trial, and its garbage collector's passes are what long studies pay for.
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
        return HeldInMemory(self._held, study)

    def close(self) -> None:
        self._logs = {}


@final
class SqlStore(Store):
    """Events in one SQL table, through SQLAlchemy Core: SQLite in WAL mode, or PostgreSQL.

    A killed process loses nothing that was appended. SQLite is synchronised with the disk at the
    first commit after ``sync`` seconds, so a power cut loses at most the commits since then.

    Args:
        url: a path (``study.db``), ``sqlite:///path`` or ``postgresql+psycopg://...``.
        folder: where files are kept; ``<path>.files`` beside an SQLite file if not given.
        sync: seconds between forced writes to the disk.

    Raises:
        StoreError: it cannot be opened, is no database of ours, or cannot be written.
    """

    def __init__(
        self, url: str | Path, folder: str | Path | None = None, sync: float = 0.05
    ) -> None:
        text = str(url)
        self.url = text if "://" in text else f"sqlite:///{text}"
        self.path = _path_of(self.url)
        self.folder = folder_of(url) if folder is None else Path(folder)
        self.sync = sync
        self._synced = 0.0
        self._numbers: dict[str, int] = {}
        try:
            self._open()
        except StoreError:
            raise
        except Exception as error:
            raise StoreError(explain(text, "opened", error)) from error

    def _open(self) -> None:
        import sqlalchemy as sql

        if self.url.startswith("sqlite") and self.path in (None, Path(":memory:")):
            raise StoreError(
                f"the store {self.url} would be in memory; use store=None, or give a file"
            )
        if self.path is not None:
            if self.path.is_dir():
                raise StoreError(f"the store {self.path} is a folder; give a file, e.g. study.db")
            if not self.path.parent.exists():
                raise StoreError(
                    f"the store {self.path} cannot be made: the folder {self.path.parent} does not "
                    "exist; make it first"
                )
        self._sql = sql
        connect = {"timeout": 30} if self.path is not None else {}
        self._engine = sql.create_engine(
            self.url, connect_args=connect, poolclass=sql.pool.NullPool
        )
        if self.path is not None:

            @sql.event.listens_for(self._engine, "connect")
            def set_up(connection: Any, _record: Any) -> None:
                # The driver's own transactions are switched off: BEGIN IMMEDIATE below takes the
                # write lock at once instead of failing half-way.
                connection.isolation_level = None
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=NORMAL")
                connection.execute("PRAGMA busy_timeout=30000")

        meta = sql.MetaData()
        self._event = sql.Table(
            "event",
            meta,
            sql.Column("study", sql.String(200), primary_key=True),
            sql.Column("number", sql.Integer, primary_key=True),
            sql.Column("kind", sql.String(20), nullable=False),
            sql.Column("body", sql.Text, nullable=False),
            sql.Column("measured", sql.Text, nullable=False),
        )
        self._lease = sql.Table(
            "lease",
            meta,
            sql.Column("study", sql.String(200), primary_key=True),
            sql.Column("holder", sql.Text, nullable=False),
            sql.Column("beat", sql.Float, nullable=False),
        )
        self._connection = self._engine.connect()
        if not sql.inspect(self._connection).has_table("event"):
            if self.path is not None:  # of two processes that open a new file, one makes the tables
                self._connection.exec_driver_sql("BEGIN IMMEDIATE")
            meta.create_all(self._connection)
            self._connection.commit()
        found = {column["name"] for column in sql.inspect(self._connection).get_columns("event")}
        self._connection.commit()
        if found != set(self._event.columns.keys()):
            raise StoreError(
                f"the store {self.url.removeprefix('sqlite:///')} has a table 'event' of another "
                "program; give another name, nothing was written"
            )
        self._insert = sql.insert(self._event)
        self._raw = self._connection.connection.dbapi_connection if self.path is not None else None

    def append(self, study: str, events: Sequence[Event]) -> int:
        number = self._numbers.get(study)
        try:
            if not events:
                return self._last(study) if number is None else number
            if number is None:
                number = self._last(study)
            rows = [
                (study, number + index, event.kind, *encode(event))
                for index, event in enumerate(events, 1)
            ]
            if self._raw is not None:
                self._append_sqlite(rows)
            else:
                names = ("study", "number", "kind", "body", "measured")
                self._connection.execute(
                    self._insert, [dict(zip(names, row, strict=True)) for row in rows]
                )
                self._connection.commit()
        except BaseException as error:
            self._undo()
            self._numbers.pop(study, None)  # a request to stop may have come after the commit
            if isinstance(error, StoreError) or not isinstance(error, Exception):
                raise
            raise StoreError(explain(self.url, "written", error)) from error
        number += len(events)
        self._numbers[study] = number
        return number

    def _append_sqlite(self, rows: list[tuple[Any, ...]]) -> None:
        # One commit per call on the driver's own connection: this is the hot path of a study
        # over a table, and the statement's compilation would cost more than its execution.
        raw = self._raw
        assert raw is not None
        now = time.monotonic()
        forced = now - self._synced > self.sync
        if forced:
            raw.execute("PRAGMA synchronous=FULL")
        raw.execute("BEGIN IMMEDIATE")
        raw.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?)", rows)
        raw.execute("COMMIT")
        if forced:
            raw.execute("PRAGMA synchronous=NORMAL")
            self._synced = time.monotonic()

    def _undo(self) -> None:
        try:
            if self._raw is not None:
                self._raw.execute("ROLLBACK")
            else:
                self._connection.rollback()
        except Exception:
            return

    def _last(self, study: str) -> int:
        sql, table = self._sql, self._event
        query = sql.select(sql.func.max(table.c.number)).where(table.c.study == study)
        found = self._connection.execute(query).scalar()
        self._connection.commit()
        return int(found or 0)

    def read(self, study: str, after: int = 0) -> Iterator[Event]:
        sql, table = self._sql, self._event
        query = (
            sql.select(table.c.kind, table.c.body, table.c.measured)
            .where(table.c.study == study, table.c.number > after)
            .order_by(table.c.number)
        )
        return (decode(*row) for row in self._rows(query))

    def text(self, study: str) -> list[tuple[int, str, str]]:
        """The log as stored, without what was measured: number, kind and body of each event."""
        sql, table = self._sql, self._event
        query = sql.select(table.c.number, table.c.kind, table.c.body)
        query = query.where(table.c.study == study).order_by(table.c.number)
        return [(int(row[0]), str(row[1]), str(row[2])) for row in self._rows(query)]

    def _rows(self, query: Any) -> list[Any]:
        try:
            rows = self._connection.execute(query).fetchall()
            self._connection.commit()
        except Exception as error:
            raise StoreError(explain(self.url, "read", error)) from error
        return list(rows)

    def studies(self) -> tuple[str, ...]:
        table = self._event
        query = self._sql.select(table.c.study).where(table.c.number == 1)
        query = query.order_by(table.c.study)
        return tuple(str(row[0]) for row in self._rows(query))

    def lease(self, study: str) -> Lease:
        return HeldInTable(self, study)

    def close(self) -> None:
        self._connection.close()
        self._engine.dispose()


def folder_of(store: Store | str | Path | None) -> Path | None:
    """Where the files of a store are kept, without opening it; ``None`` if nowhere."""
    if store is None or isinstance(store, Store):
        return None if store is None else store.folder
    path = _path_of(str(store) if "://" in str(store) else f"sqlite:///{store}")
    return Path("nasturtium.files" if path is None else f"{path}.files")


def _path_of(url: str) -> Path | None:
    return Path(url[10:]) if url.startswith("sqlite:///") else None


def open_store(store: Store | str | Path | None) -> Store:
    """A store from a path or URL; ``None`` gives one in memory."""
    if isinstance(store, Store):
        return store
    return MemoryStore() if store is None else SqlStore(store)
