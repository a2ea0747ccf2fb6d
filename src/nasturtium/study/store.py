"""Where logs are kept: an append-only table of events, in memory or in an SQL database."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, final

from nasturtium.errors import StoreError
from nasturtium.study.address import printable
from nasturtium.study.event import Data, Event, decode, encode
from nasturtium.study.lease import HeldInMemory, HeldInTable, Lease, explain
from nasturtium.study.outage import Link, identity_in, limits

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
    A database on a server may be away for a while: appending waits for it, and so does reading
    while this store drives a study.

    Args:
        url: a path (``study.db``), ``sqlite:///path`` or ``postgresql+psycopg://...``.
        folder: where files are kept; if not given, ``<path>.files`` beside an SQLite file, and
            ``nasturtium.files/<identity of the database>`` for one on a server.
        sync: seconds between forced writes to the disk.
        patience: seconds that a driver waits for a database that is away.

    Raises:
        StoreError: it cannot be opened, is no database of ours, or cannot be written.
    """

    def __init__(
        self,
        url: str | Path,
        folder: str | Path | None = None,
        sync: float = 0.05,
        patience: float = 600.0,
    ) -> None:
        text = str(url)
        self.url = text if "://" in text else f"sqlite:///{text}"
        self.path = _path_of(self.url)
        self.folder = None if folder is None else Path(folder)
        self.sync = sync
        self.patience = patience
        self._held: dict[str, HeldInTable] = {}
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
        connect = {"timeout": 30} if self.path is not None else limits(_parsed(self.url))
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
        self._link = Link(self._engine.connect, self.url)
        self.folder = self.folder or self._usual_folder()
        if not sql.inspect(self._connection).has_table("event"):
            if self.path is not None:  # of two processes that open a new file, one makes the tables
                self._connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                meta.create_all(self._connection)
                self._connection.commit()
            except sql.exc.DBAPIError:  # on a server, the other one was first
                self._connection.rollback()
                if not sql.inspect(self._connection).has_table("lease"):
                    raise
        found = {column["name"] for column in sql.inspect(self._connection).get_columns("event")}
        self._connection.commit()
        if found != set(self._event.columns.keys()):
            raise StoreError(
                f"the store {self.url.removeprefix('sqlite:///')} has a table 'event' of another "
                "program; give another name, nothing was written"
            )
        self._insert = sql.insert(self._event)
        self._raw = self._connection.connection.dbapi_connection if self.path is not None else None

    @property
    def _connection(self) -> Any:
        return self._link.connection

    def _usual_folder(self) -> Path:
        if self.path is not None:
            return Path(f"{self.path}.files")
        # A database that was made before databases had identities keeps the folder that it had.
        return Path("nasturtium.files", identity_in(self._connection, make=True) or "")

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
                self._append_server(rows)
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
        held = self._held.get(rows[0][0])
        if held is not None and held.overdue:
            held.renew(self._connection)
        raw.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?)", rows)
        raw.execute("COMMIT")
        if forced:
            raw.execute("PRAGMA synchronous=NORMAL")
            self._synced = time.monotonic()

    def _append_server(self, rows: list[tuple[Any, ...]]) -> None:
        """Insert rows, also where the database is away meanwhile, and none of them twice."""
        sql, table = self._sql, self._event
        names = table.columns.keys()
        values = [dict(zip(names, row, strict=True)) for row in rows]
        study, first = rows[0][:2]
        held = self._held.get(study)

        def send(connection: Any) -> None:
            overdue = held is not None and held.overdue
            # One row is a transaction of its own: the server is asked once, not three times.
            alone = len(rows) == 1 and not overdue
            level = "AUTOCOMMIT" if alone else connection.default_isolation_level
            if connection.get_execution_options().get("isolation_level") != level:
                connection.execution_options(isolation_level=level)
            if held is not None and overdue:
                held.renew(connection)
            connection.execute(self._insert, values)
            connection.commit()

        def there(connection: Any) -> bool:
            query = sql.select(table).where(table.c.study == study, table.c.number >= first)
            query = query.order_by(table.c.number).limit(len(rows))
            found = [tuple(row) for row in connection.execute(query)]
            connection.commit()
            return found == rows

        def send_again(connection: Any) -> None:
            # The connection was lost: nobody knows whether the rows were committed.
            if there(connection):
                return
            try:
                send(connection)
            except sql.exc.IntegrityError:  # they were being committed while it was looked
                connection.rollback()
                if not there(connection):
                    raise

        self._link.run(send, again=send_again, patience=self.patience)

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
        return int(self._rows(query)[0][0] or 0)

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
        def fetch(connection: Any) -> list[Any]:
            rows = connection.execute(query).fetchall()
            connection.commit()
            return list(rows)

        try:
            return self._link.run(fetch, patience=self.patience if self._held else 0.0)
        except StoreError:
            raise
        except Exception as error:
            self._undo()
            raise StoreError(explain(self.url, "read", error)) from error

    def studies(self) -> tuple[str, ...]:
        table = self._event
        query = self._sql.select(table.c.study).where(table.c.number == 1)
        query = query.order_by(table.c.study)
        return tuple(str(row[0]) for row in self._rows(query))

    def lease(self, study: str) -> Lease:
        return HeldInTable(self, study).acquire()

    def close(self) -> None:
        self._link.close()
        self._engine.dispose()


def folder_of(store: Store | str | Path | None) -> Path | None:
    """Where the files of a store are kept; ``None`` if nowhere.

    A database on a server is asked for it, an SQLite file is not opened.
    """
    if store is None or isinstance(store, Store):
        return None if store is None else store.folder
    path = _path_of(str(store) if "://" in str(store) else f"sqlite:///{store}")
    if path is not None:
        return Path(f"{path}.files")
    opened = SqlStore(store)
    try:
        return opened.folder
    finally:
        opened.close()


def _parsed(url: str) -> Any:
    """SQLAlchemy's form of an address; what it says of a wrong one may hold parts of a password."""
    import sqlalchemy as sql

    try:
        return sql.make_url(url)
    except (ValueError, sql.exc.ArgumentError):
        raise StoreError(
            f"the store {printable(url)} has no address of a database; expected e.g. "
            "postgresql+psycopg://user:password@host:5432/database, where special characters of "
            "user and password are percent-encoded"
        ) from None


def _path_of(url: str) -> Path | None:
    return Path(url[10:]) if url.startswith("sqlite:///") else None


def open_store(store: Store | str | Path | None) -> Store:
    """A store from a path or URL; ``None`` gives one in memory."""
    if isinstance(store, Store):
        return store
    return MemoryStore() if store is None else SqlStore(store)
