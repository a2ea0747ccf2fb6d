"""The database of a store: its address, its connection and its tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, Protocol, final

from nasturtium.errors import StoreError
from nasturtium.study.stores.connection import (
    RestoredConnection,
    database_identity,
    timeout_settings,
)
from nasturtium.study.stores.failure import explain_failure
from nasturtium.study.stores.redact import redact
from nasturtium.study.stores.schema import make_tables
from nasturtium.study.stores.sqlite import (
    decode_leniently,
    find_view_or_trigger,
    open_for_reading,
    open_for_writing,
    unshared_state,
)

__all__ = ["Database", "HeldLease", "sqlite_path"]


class HeldLease(Protocol):
    """A lease that is held, as the writer of a log needs it."""

    @property
    def overdue(self) -> bool:
        """Whether it has to be renewed before the log is written."""

    def renew(self, connection: Any) -> None:
        """Renew it in a transaction of the caller."""


@final
class Database:
    """A database with the tables of a store: an SQLite file, or a database on a server.

    Attributes:
        url: the address, with its scheme.
        path: the SQLite file; ``None`` for a database on a server.
        folder: where files are kept.
        patience: seconds that a driver waits for an unavailable database.
        read_only: whether nothing may be written.
        leases: the leases that this process holds, by study.
        sql: the module ``sqlalchemy``.
        event: the table of events.
        lease: the table of leases.
        snapshot: the table of snapshots.
        raw: the driver's own connection to an SQLite file; ``None`` on a server.
    """

    def __init__(self, url: str, folder: Path | None, patience: float, read_only: bool) -> None:
        self.url = url
        self.path = sqlite_path(url)
        self.folder = folder
        self.patience = patience
        self.read_only = read_only
        self.leases: dict[str, HeldLease] = {}
        self._unshared: tuple[int, int] | None = None

    # -- opening ----------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect, and check the tables if there are any.

        Raises:
            StoreError: the database cannot be opened, or its tables are not those of a store.
        """
        try:
            self._open()
        except StoreError:
            raise
        except Exception as error:
            raise StoreError(explain_failure(self.url, "opened", error)) from error

    def _open(self) -> None:
        import sqlalchemy as sql

        self._check_path()
        self.sql = sql
        if self.path is None:
            self.engine = sql.create_engine(
                self.url,
                connect_args=timeout_settings(_parse_url(self.url)),
                poolclass=sql.pool.NullPool,
            )
        else:
            self.engine = sql.create_engine(
                "sqlite://", creator=self._open_file, poolclass=sql.pool.NullPool
            )
        self._meta = make_tables(sql)
        self.event, self.lease, self.snapshot = map(
            self._meta.tables.__getitem__, ("event", "lease", "snapshot")
        )
        self.restored = RestoredConnection(self.engine.connect, self.url)
        self.folder = self.folder or self._default_folder()
        self.raw = self.connection.connection.dbapi_connection if self.path is not None else None
        self._has_tables = False
        self.has_tables()

    def _check_path(self) -> None:
        if self.url.startswith("sqlite") and self.path in (None, Path(":memory:")):
            raise StoreError(
                f"the store {self.url} would be in memory; use store=None, or give a file"
            )
        if self.path is None:
            return
        if self.path.is_dir():
            raise StoreError(f"the store {self.path} is a folder; give a file, e.g. study.db")
        if not self.path.parent.exists():
            raise StoreError(
                f"the store {self.path} cannot be made: the folder {self.path.parent} does not "
                "exist; make it first"
            )

    def _open_file(self) -> Any:
        assert self.path is not None
        if not self.read_only:
            return open_for_writing(self.path)
        self._unshared = unshared_state(self.path)
        return open_for_reading(self.path)

    @property
    def connection(self) -> Any:
        """SQLAlchemy's connection."""
        return self.restored.connection

    def _default_folder(self) -> Path:
        if self.path is not None:
            return Path(f"{self.path}.files")
        # A database from before databases had identities keeps the folder that it had.
        identity = database_identity(self.connection, create=not self.read_only)
        return Path("nasturtium.files", identity or "")

    def close(self) -> None:
        """Close the connection."""
        self.restored.close()
        self.engine.dispose()

    # -- tables -----------------------------------------------------------------------------------

    def has_tables(self) -> bool:
        """Return whether the tables exist, created by this process or by another one.

        Raises:
            StoreError: there are other tables of the same names, or a view or a trigger.
        """
        if self._has_tables:
            return True
        inspector = self.sql.inspect(self.connection)
        if inspector.has_table("event"):
            columns = {column["name"] for column in inspector.get_columns("event")}
            if columns != set(self.event.columns.keys()):
                self._refuse_tables(columns)
            if self.path is not None and (foreign := find_view_or_trigger(self.connection)):
                raise StoreError(
                    f"the store {self.path} has a {foreign}, which nasturtium does not make and "
                    "which would compute or change what is read and written; nothing was read: "
                    "restore the store from a copy, or remove it with sqlite3"
                )
            self._has_tables = True
        self.connection.commit()
        return self._has_tables

    def _refuse_tables(self, columns: set[str]) -> NoReturn:
        """Raise an error that says what another table named ``event`` is.

        Raises:
            StoreError: always.
        """
        where = redact(self.url).removeprefix("sqlite:///")
        if columns == set(self.event.columns.keys()) - {"digest"}:
            version = ""
            try:
                query = self.sql.select(self.event.c.body).where(self.event.c.number == 1)
                first = json.loads(str(self.connection.execute(query).scalar()))
                version = f" {first['versions']['nasturtium']}"
            except Exception:
                version = ""
            raise StoreError(
                f"the store {where} was written by nasturtium{version} before format 2 (its log "
                "has no digests), and this version reads format 2; open it with that version, or "
                "search again in another file; nothing was written"
            )
        raise StoreError(
            f"the store {where} has a table 'event' of another program; give another name, nothing "
            "was written"
        )

    def create_tables(self) -> None:
        """Create the tables where they do not exist yet."""
        if self.has_tables():
            return
        if self.path is not None:
            self.connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            # One of two processes that open a new file creates the tables.
            self.connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            self._meta.create_all(self.connection)
            self.connection.commit()
        except self.sql.exc.DBAPIError:  # on a server, the other process was first
            self.connection.rollback()
            if not self.sql.inspect(self.connection).has_table("snapshot"):
                raise
        self._has_tables = True

    # -- statements -------------------------------------------------------------------------------

    def fetch(self, query: Any) -> list[Any]:
        """Return the rows of a query; a process that drives a study waits for the database.

        Raises:
            StoreError: the database cannot be read.
        """

        def execute(connection: Any) -> list[Any]:
            try:
                rows = connection.execute(query).fetchall()
            except Exception as error:
                if "decode to UTF-8" not in str(error):
                    raise
                connection.connection.dbapi_connection.text_factory = decode_leniently
                rows = connection.execute(query).fetchall()
            connection.commit()
            return list(rows)

        try:
            if self._unshared is not None and unshared_state(self.path or Path()) != self._unshared:
                self.connection.close()  # a driver started to write: its log has to be read too
            return self.restored.run(execute, patience=self.patience if self.leases else 0.0)
        except StoreError:
            raise
        except Exception as error:
            self.rollback()
            raise StoreError(explain_failure(self.url, "read", error)) from error

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Give a new connection in a transaction that holds the write lock."""
        with self.engine.connect() as connection:
            if self.path is not None:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    def rollback(self) -> None:
        """Roll back whatever transaction is open, on a connection that may be broken."""
        try:
            if self.raw is not None:
                self.raw.execute("ROLLBACK")
            else:
                self.connection.rollback()
        except Exception:
            return


def sqlite_path(url: str) -> Path | None:
    """Return the file of an address; ``None`` for a database on a server."""
    return Path(url[10:]) if url.startswith("sqlite:///") else None


def _parse_url(url: str) -> Any:
    """Return SQLAlchemy's form of an address; its own messages may hold parts of a password."""
    import sqlalchemy as sql

    try:
        return sql.make_url(url)
    except (ValueError, sql.exc.ArgumentError):
        raise StoreError(
            f"the store {redact(url)} has no address of a database; expected e.g. "
            "postgresql+psycopg://user:password@host:5432/database, where special characters of "
            "user and password are percent-encoded"
        ) from None
