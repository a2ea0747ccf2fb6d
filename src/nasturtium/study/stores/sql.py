"""Where logs are kept: an append-only table of events, in memory or in an SQL database."""

from __future__ import annotations

import json
import shlex
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, cast, final

from nasturtium.architecture import Architecture
from nasturtium.errors import StoreError
from nasturtium.study.event import Data, Event, chained, decode, encode
from nasturtium.study.segment import SEGMENT, Segment
from nasturtium.study.stores.address import printable
from nasturtium.study.stores.connection import Link, identity_in, limits
from nasturtium.study.stores.lease import HeldInMemory, HeldInTable, Lease, explain
from nasturtium.study.stores.sqlite import active, alone, lenient, reading, writing
from nasturtium.study.summing import Summing

__all__ = ["Lease", "MemoryStore", "SqlStore", "Store", "folder_of", "open_store"]


COLUMNS = ("number", "kind", "body", "measured", "digest")
FIRST_PAGE, PAGE = 32, 4096  # rows that are read at once


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

    Each event has a digest of itself and of the one before it, which is compared whenever it is
    read. Every few thousand events a row of the table ``snapshot`` says what they come to. Tables
    are made when something is first written, so opening a file does not change it.

    Args:
        url: a path (``study.db``), ``sqlite:///path`` or ``postgresql+psycopg://...``.
        folder: where files are kept; if not given, ``<path>.files`` beside an SQLite file, and
            ``nasturtium.files/<identity of the database>`` for one on a server.
        sync: seconds between forced writes to the disk.
        patience: seconds that a driver waits for a database that is away.
        read_only: whether nothing can be written, so that any medium will do.

    Raises:
        StoreError: it cannot be opened, is no database of ours, or was written by a version whose
            logs this one does not read.
    """

    def __init__(
        self,
        url: str | Path,
        folder: str | Path | None = None,
        sync: float = 0.05,
        patience: float = 600.0,
        read_only: bool = False,
    ) -> None:
        text = str(url)
        self.url = text if "://" in text else f"sqlite:///{text}"
        self.path = _path_of(self.url)
        self.folder = None if folder is None else Path(folder)
        self.sync = sync
        self.patience = patience
        self._held: dict[str, HeldInTable] = {}
        self.read_only = read_only
        self._synced = 0.0
        self._ends: dict[str, tuple[int, str]] = {}  # number and digest of the last event
        self._summing: dict[str, Summing] = {}
        self._alone: tuple[int, int] | None = None
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
        if self.path is None:
            self._engine = sql.create_engine(
                self.url, connect_args=limits(_parsed(self.url)), poolclass=sql.pool.NullPool
            )
        else:
            self._engine = sql.create_engine(
                "sqlite://", creator=self._connected, poolclass=sql.pool.NullPool
            )
        self._tables = tables(sql)
        self._event, self._lease, self._snapshot = map(
            self._tables.tables.__getitem__, ("event", "lease", "snapshot")
        )
        self._insert = sql.insert(self._event)
        self._link = Link(self._engine.connect, self.url)
        self.folder = self.folder or self._usual_folder()
        self._raw = self._connection.connection.dbapi_connection if self.path is not None else None
        self._found = False
        self._there()

    def _there(self) -> bool:
        """Whether the tables are made, by this store or meanwhile by another."""
        if self._found:
            return True
        inspected = self._sql.inspect(self._connection)
        if inspected.has_table("event"):
            columns = {one["name"] for one in inspected.get_columns("event")}
            if columns != set(self._event.columns.keys()):
                self._refuse(columns)
            if self.path is not None and (odd := active(self._connection)):
                raise StoreError(
                    f"the store {self.path} has a {odd}, which nasturtium does not make and which "
                    "would compute or change what is read and written; nothing was read: restore "
                    "the store from a copy, or remove it with sqlite3"
                )
            self._found = True
        self._connection.commit()
        return self._found

    def _connected(self) -> Any:
        assert self.path is not None
        if not self.read_only:
            return writing(self.path)
        self._alone = alone(self.path)
        return reading(self.path)

    def _refuse(self, found: set[str]) -> NoReturn:
        """Say what another table named ``event`` is.

        Raises:
            StoreError: always.
        """
        where = printable(self.url).removeprefix("sqlite:///")
        if found == set(self._event.columns.keys()) - {"digest"}:
            version = ""
            try:
                query = self._sql.select(self._event.c.body).where(self._event.c.number == 1)
                first = json.loads(str(self._connection.execute(query).scalar()))
                version = f" {first['versions']['nasturtium']}"
            except Exception:
                version = ""
            raise StoreError(
                f"the store {where} was written by nasturtium{version} before format 2 (its log "
                "has no digests), and this version reads format 2; open it with that version, or "
                "search anew in another file; nothing was written"
            )
        raise StoreError(
            f"the store {where} has a table 'event' of another program; give another name, nothing "
            "was written"
        )

    def _make(self) -> None:
        """Make the tables where they are not there yet."""
        if self._there():
            return
        if self.path is not None:
            self._connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            # Of two processes that open a new file, one makes the tables.
            self._connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            self._tables.create_all(self._connection)
            self._connection.commit()
        except self._sql.exc.DBAPIError:  # on a server, the other one was first
            self._connection.rollback()
            if not self._sql.inspect(self._connection).has_table("snapshot"):
                raise
        self._found = True

    @property
    def _connection(self) -> Any:
        return self._link.connection

    def _usual_folder(self) -> Path:
        if self.path is not None:
            return Path(f"{self.path}.files")
        # A database that was made before databases had identities keeps the folder that it had.
        return Path(
            "nasturtium.files", identity_in(self._connection, make=not self.read_only) or ""
        )

    def append(self, study: str, events: Sequence[Event]) -> int:
        end = self._ends.get(study)
        try:
            if end is None:
                end = self._end(study)
            if not events:
                return end[0]
            self._make()
            number, digest = end
            rows: list[tuple[Any, ...]] = []
            for event in events:
                number += 1
                body, measured = encode(event)
                digest = chained(digest, number, event.kind, body, measured)
                rows.append((study, number, event.kind, body, measured, digest))
            sums = self._sums(study, events, rows)
            if self._raw is not None:
                self._append_sqlite(rows, sums)
            else:
                self._append_server(rows, sums)
        except BaseException as error:
            self._undo()
            self._ends.pop(study, None)  # a request to stop may have come after the commit
            self._summing.pop(study, None)
            if isinstance(error, StoreError) or not isinstance(error, Exception):
                raise
            raise StoreError(explain(self.url, "written", error)) from error
        self._ends[study] = number, digest
        return number

    def _append_sqlite(
        self, rows: list[tuple[Any, ...]], sums: Sequence[tuple[Any, ...]] = ()
    ) -> None:
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
        raw.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)", rows)
        for row in sums:
            raw.execute("INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?, ?)", row)
        raw.execute("COMMIT")
        if forced:
            raw.execute("PRAGMA synchronous=NORMAL")
            self._synced = time.monotonic()

    def _append_server(self, rows: list[tuple[Any, ...]], sums: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows, also where the database is away meanwhile, and none of them twice."""
        sql, table, sums_in = self._sql, self._event, self._snapshot
        names = table.columns.keys()
        values = [dict(zip(names, row, strict=True)) for row in rows]
        study, first = rows[0][:2]
        held = self._held.get(study)

        def send(connection: Any) -> None:
            overdue = held is not None and held.overdue
            # One row is a transaction of its own: the server is asked once, not three times.
            single = len(rows) == 1 and not overdue and not sums
            level = "AUTOCOMMIT" if single else connection.default_isolation_level
            if connection.get_execution_options().get("isolation_level") != level:
                connection.execution_options(isolation_level=level)
            if held is not None and overdue:
                held.renew(connection)
            connection.execute(self._insert, values)
            for row in sums:
                same = (sums_in.c.study == row[0]) & (sums_in.c.number == row[1])
                connection.execute(sql.delete(sums_in).where(same))
                connection.execute(sql.insert(sums_in).values(row))
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

    def _end(self, study: str) -> tuple[int, str]:
        """Number and digest of the last event."""
        if not self._there():
            return 0, ""
        sql, table = self._sql, self._event
        query = sql.select(table.c.number, table.c.digest).where(table.c.study == study)
        rows = self._rows(query.order_by(table.c.number.desc()).limit(1))
        return (int(rows[0][0]), str(rows[0][1])) if rows else (0, "")

    # -- snapshots --------------------------------------------------------------------------------

    def _sums(
        self, study: str, events: Sequence[Event], rows: Sequence[tuple[Any, ...]]
    ) -> list[tuple[Any, ...]]:
        """The snapshots that are due with these rows: study, number, digest and text of each."""
        before, last = rows[0][1] - 1, rows[-1][1]
        summing = self._summing.get(study)
        if summing is None:
            summing = self._summing[study] = Summing(before)
        summing.waiting += events
        if last // SEGMENT == before // SEGMENT:
            return []
        chain = {row[1]: row[5] for row in rows if row[1] % SEGMENT == 0}
        try:
            segments = summing.segments(self, study)
        except StoreError:  # the log is no study's: it has no sums
            summing.goals = None
            return []
        return [
            (study, one.last, one.digest(chain.get(one.last) or self._chain(study, one.last)), text)
            for one, text in ((one, one.text()) for one in segments)
        ]

    def segments(self, study: str) -> list[Segment]:
        """The sums of the log's first events, as far as they follow each other and are sound.

        Each was written with the events that it covers; one whose digest is not that of its text
        and of the log is left out, and so is all that follows it.
        """
        if not self._there():
            return []
        sql, table, event = self._sql, self._snapshot, self._event
        query = (
            sql.select(table.c.number, table.c.digest, table.c.body, event.c.digest)
            .join(event, (event.c.study == table.c.study) & (event.c.number == table.c.number))
            .where(table.c.study == study)
            .order_by(table.c.number)
        )
        found: list[Segment] = []
        for number, digest, body, chain in self._rows(query):
            segment = Segment.read(str(body), int(number))
            expected = found[-1].last + 1 if found else 1
            if segment is None or segment.first != expected:
                break
            if chained(str(chain), int(number), "segment", str(body), "") != digest:
                break
            found.append(segment)
        return found

    # -- reading ----------------------------------------------------------------------------------

    def read(self, study: str, after: int = 0) -> Iterator[Event]:
        known: dict[Architecture, Architecture] = {}
        for number, kind, body, measured, _ in self.rows(study, after):
            yield self._decoded(study, number, kind, body, measured, known)

    def pick(self, study: str, numbers: Iterable[int]) -> dict[int, Event]:
        """Some events by their numbers, each compared with its digest.

        Raises:
            StoreError: one is missing, or is damaged.
        """
        wanted = sorted(set(numbers))
        sql, table = self._sql, self._event
        found: dict[int, Event] = {}
        known: dict[Architecture, Architecture] = {}
        for start in range(0, len(wanted), 400):
            part = wanted[start : start + 400]
            both = {*part, *(number - 1 for number in part)}
            query = sql.select(*map(table.c.__getitem__, COLUMNS)).where(
                table.c.study == study, table.c.number.in_(both)
            )
            rows = {int(row[0]): row for row in self._rows(query)}
            for number in part:
                before = rows.get(number - 1)
                digest = "" if number == 1 else "?" if before is None else str(before[4])
                row = _checked(self, study, number, rows.get(number), digest)
                found[number] = self._decoded(study, *row[:4], known)
        return found

    def rows(self, study: str, after: int = 0) -> Iterator[tuple[int, str, str, str, str]]:
        """The log as stored, each event compared with its digest: number, kind, body, what was
        measured, and digest.

        Raises:
            StoreError: one is missing, altered or out of its place; names the first.
        """
        if not self._there():
            return
        sql, table = self._sql, self._event
        digest = self._chain(study, after) if after else ""
        page = FIRST_PAGE
        while True:
            query = (
                sql.select(*map(table.c.__getitem__, COLUMNS))
                .where(table.c.study == study, table.c.number > after)
                .order_by(table.c.number)
                .limit(page)
            )
            rows = self._rows(query)
            for row in rows:
                after += 1
                checked = _checked(self, study, after, row, digest)
                digest = checked[4]
                yield checked
            if len(rows) < page:
                return
            page = PAGE

    def _chain(self, study: str, number: int) -> str:
        """The digest of an event; empty if it is not there."""
        sql, table = self._sql, self._event
        query = sql.select(table.c.digest).where(table.c.study == study, table.c.number == number)
        rows = self._rows(query)
        return str(rows[0][0]) if rows else ""

    def _decoded(
        self,
        study: str,
        number: int,
        kind: str,
        body: str,
        measured: str,
        known: dict[Architecture, Architecture],
    ) -> Event:
        try:
            return decode(kind, body, measured, known)
        except StoreError as error:
            raise StoreError(f"event {number} of study {study!r}: {error}") from error

    def text(self, study: str) -> list[tuple[int, str, str]]:
        """The log as stored, without what was measured: number, kind and body of each event."""
        return [(number, kind, body) for number, kind, body, _, _ in self.rows(study)]

    def _rows(self, query: Any) -> list[Any]:
        def fetch(connection: Any) -> list[Any]:
            try:
                rows = connection.execute(query).fetchall()
            except Exception as error:
                if "decode to UTF-8" not in str(error):
                    raise
                connection.connection.dbapi_connection.text_factory = lenient
                rows = connection.execute(query).fetchall()
            connection.commit()
            return list(rows)

        try:
            if self._alone is not None and alone(self.path or Path()) != self._alone:
                self._connection.close()  # a driver has begun to write: its log is read as well
            return self._link.run(fetch, patience=self.patience if self._held else 0.0)
        except StoreError:
            raise
        except Exception as error:
            self._undo()
            raise StoreError(explain(self.url, "read", error)) from error

    def studies(self) -> tuple[str, ...]:
        if not self._there():
            return ()
        # One step along the index for each study, however long their logs are.
        column, found = self._event.c.study, [""]
        while True:
            query = self._sql.select(self._sql.func.min(column)).where(column > found[-1])
            name = self._rows(query)[0][0]
            if type(name) is not str:  # none is left, or none that is a text
                return tuple(sorted(found[1:]))
            found.append(name)

    def lease(self, study: str) -> Lease:
        return HeldInTable(self, study).acquire()

    def close(self) -> None:
        self._link.close()
        self._engine.dispose()


def tables(sql: Any) -> Any:
    """The tables of a store."""
    meta = sql.MetaData()
    study = {"primary_key": True}
    sql.Table(
        "event",
        meta,
        sql.Column("study", sql.String(200), **study),
        sql.Column("number", sql.Integer, **study),
        sql.Column("kind", sql.String(20), nullable=False),
        sql.Column("body", sql.Text, nullable=False),
        sql.Column("measured", sql.Text, nullable=False),
        sql.Column("digest", sql.String(32), nullable=False),
    )
    sql.Table(
        "lease",
        meta,
        sql.Column("study", sql.String(200), **study),
        sql.Column("holder", sql.Text, nullable=False),
        sql.Column("beat", sql.Float, nullable=False),
    )
    sql.Table(
        "snapshot",
        meta,
        sql.Column("study", sql.String(200), **study),
        sql.Column("number", sql.Integer, **study),
        sql.Column("digest", sql.String(32), nullable=False),
        sql.Column("body", sql.Text, nullable=False),
    )
    return meta


def _checked(
    store: SqlStore, study: str, number: int, row: Any, digest: str
) -> tuple[int, str, str, str, str]:
    """A row of the log, if it is the one of that number, and follows the one before it.

    Raises:
        StoreError: it is not.
    """
    problem = f"of study {study!r} is missing"
    if row is not None and row[0] == number:
        if not (type(row[1]) is type(row[2]) is type(row[3]) is type(row[4]) is str):
            problem = f"of study {study!r} is damaged: it holds something else than texts"
        elif chained(digest, number, row[1], row[2], row[3]) == row[4]:
            return cast(tuple[int, str, str, str, str], row)
        else:
            problem = f"of study {study!r} does not match its digest: it, or its place, was altered"
    where = shlex.quote(f"{printable(store.url).removeprefix('sqlite:///')}:{study}")
    raise StoreError(
        f"event {number} {problem}; nasturtium check {where} says what holds, nasturtium repair "
        f"{where} keeps the events before it"
    )


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
