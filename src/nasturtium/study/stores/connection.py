"""The connection to a database on a server, which is restored when it is lost."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from typing import Any, TypeVar, final

from nasturtium.errors import StoreError
from nasturtium.study.stores.redact import redact

__all__ = [
    "RestoredConnection",
    "database_identity",
    "lost_connection",
    "retry",
    "timeout_settings",
]

SHORTEST, LONGEST = 0.1, 5.0  # seconds between two attempts: at first, and at most

logger = logging.getLogger("nasturtium")
T = TypeVar("T")


def lost_connection(error: BaseException) -> bool:
    """Return whether the connection was lost, as SQLAlchemy's dialect of the database decides."""
    return bool(getattr(error, "connection_invalidated", False))


def retry(
    work: Callable[[], T],
    may_recover: Callable[[Exception], bool],
    patience: float,
    database: str,
) -> T:
    """Do some work until it succeeds, with growing pauses between the attempts.

    The first retry follows at once, so that an idle connection that a server has closed costs no
    time. Then the pauses grow from 0.1 to 5 seconds. One message is logged when the work starts to
    wait, and one when it continues.

    Args:
        work: what to do.
        may_recover: returns whether a failure may be temporary; others are raised at once.
        patience: seconds after which a failure is raised.
        database: the name of the database in log messages.
    """
    start, pause, retried, waited = time.monotonic(), 0.0, False, False
    while True:
        try:
            result = work()
        except Exception as error:
            spent = time.monotonic() - start
            if not may_recover(error) or (retried and spent >= patience):
                raise
            retried = True
            pause = min(pause, max(0.0, patience - spent))
        else:
            if waited:
                logger.warning(
                    "%s is available again after %.0f s", database, time.monotonic() - start
                )
            return result
        if pause and not waited:
            waited = True
            logger.warning("%s is unavailable; trying again for up to %.0f s", database, patience)
        time.sleep(pause)
        pause = min(max(2 * pause, SHORTEST), LONGEST)


@final
class RestoredConnection:
    """The connection of a store, which is made again when it was lost.

    The first connection is not retried: a wrong password, an unknown database or a server that does
    not run is an error at once.

    Args:
        connect: makes a connection.
        url: the address of the database.
    """

    def __init__(self, connect: Callable[[], Any], url: str) -> None:
        self.connect = connect
        self.url = url
        self.connection = connect()

    def run(
        self,
        work: Callable[[Any], T],
        *,
        again: Callable[[Any], T] | None = None,
        patience: float = 0.0,
    ) -> T:
        """Do some work on the connection.

        Args:
            work: what to do.
            again: what to do instead after the connection was lost, as the work may have been done.
            patience: seconds to wait for an unavailable database; one retry is made in any case.

        Raises:
            StoreError: the database was unavailable for longer.
        """
        lost = False
        reached = True

        def attempt() -> T:
            nonlocal lost, reached
            if lost or self.connection.invalidated or self.connection.closed:
                reached = False
                self.close()
                self.connection = self.connect()
                reached = True
            try:
                return (again if lost and again is not None else work)(self.connection)
            except Exception as error:
                reached = not (lost_connection(error) or self._broken(error))
                lost = lost or not reached
                raise

        def may_recover(error: Exception) -> bool:
            # No error code says why a connection cannot be made again (the server may be starting,
            # or a proxy may refuse). It was made before, so the reason may be temporary.
            return not reached

        database = f"the database {redact(self.url)}"
        start = time.monotonic()
        try:
            return retry(attempt, may_recover, patience, database)
        except Exception as error:
            if not may_recover(error):
                raise
            cause = " ".join(str(getattr(error, "orig", error)).split())
            spent = time.monotonic() - start
            raise StoreError(
                f"{database} was unavailable for {spent:.0f} s: {redact(cause)}; everything that "
                "was committed is kept; give the same command when it is available again"
            ) from error

    def _broken(self, error: Exception) -> bool:
        """Return whether an error of the driver left a connection that no longer responds.

        A connection that ends between the parts of a message gives errors of many kinds, and
        SQLAlchemy does not recognise all of them.
        """
        import sqlalchemy as sql

        if not isinstance(error, (sql.exc.OperationalError, sql.exc.InterfaceError)):
            return False
        try:
            self.connection.rollback()
            self.connection.execute(sql.text("SELECT 1"))
            self.connection.rollback()
        except Exception:
            self.connection.invalidate()
            return True
        return False

    def close(self) -> None:
        """Close the connection, which may be lost already."""
        try:
            self.connection.close()
        except Exception:
            return


def timeout_settings(url: Any) -> dict[str, Any]:
    """Return settings with which a driver on libpq notices a lost network within a minute.

    Settings that the address gives itself are left as they are.

    Args:
        url: SQLAlchemy's form of the address.
    """
    if url.get_driver_name() not in ("psycopg", "psycopg2"):
        return {}
    defaults = {
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
    }
    return {name: value for name, value in defaults.items() if name not in url.query}


def database_identity(connection: Any, create: bool) -> str | None:
    """Return the random name of a database on a server, under which its files are kept.

    The name is stored in the database itself, in the table ``nasturtium``: an address may change,
    and two databases may have the same name.

    Args:
        connection: SQLAlchemy's, outside of a transaction.
        create: give a name to a database that has no studies yet.

    Returns:
        the name; ``None`` where the database has none.
    """
    import sqlalchemy as sql

    table = sql.Table("nasturtium", sql.MetaData(), sql.Column("identity", sql.String(32)))
    for last_attempt in (False, True):
        inspector = sql.inspect(connection)
        if inspector.has_table(table.name):
            identity = connection.execute(sql.select(table.c.identity)).scalar()
            connection.commit()
            return None if identity is None else str(identity)
        has_studies = inspector.has_table("event")
        connection.commit()
        if has_studies or not create:
            return None
        try:
            table.create(connection)
            connection.execute(sql.insert(table).values(identity=secrets.token_hex(8)))
            connection.commit()
        except sql.exc.DBAPIError:  # another process that opened the database gave the name first
            connection.rollback()
            if last_attempt:
                raise
    return None
