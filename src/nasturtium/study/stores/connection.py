"""A database on a server: it may be away for a while, and it is reached again."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from typing import Any, TypeVar, final

from nasturtium.errors import StoreError
from nasturtium.study.stores.address import printable

__all__ = ["Link", "away", "identity_in", "limits", "retried"]

SHORTEST, LONGEST = 0.1, 5.0  # seconds between two tries: at first, and in the end

logger = logging.getLogger("nasturtium")
T = TypeVar("T")


def away(error: BaseException) -> bool:
    """Whether the connection was lost, which SQLAlchemy's dialect of the database decides."""
    return bool(getattr(error, "connection_invalidated", False))


def retried(
    work: Callable[[], T], passing: Callable[[Exception], bool], patience: float, what: str
) -> T:
    """Do some work until it succeeds, with growing pauses between the tries.

    The first retry comes at once, so that an idle connection that a server has closed costs no
    time. Then the pauses grow from 0.1 to 5 seconds. It is logged once that the work waits, and
    once that it goes on.

    Args:
        work: what to do.
        passing: says of a failure whether it may pass; another failure is raised at once.
        patience: seconds after which a failure is raised.
        what: stands in the log for the database.
    """
    start, pause, tried, waited = time.monotonic(), 0.0, False, False
    while True:
        try:
            done = work()
        except Exception as error:
            spent = time.monotonic() - start
            if not passing(error) or (tried and spent >= patience):
                raise
            tried = True
            pause = min(pause, max(0.0, patience - spent))
        else:
            if waited:
                logger.warning("%s is back after %.0f s", what, time.monotonic() - start)
            return done
        if pause and not waited:
            waited = True
            logger.warning("%s is away; trying again for up to %.0f s", what, patience)
        time.sleep(pause)
        pause = min(max(2 * pause, SHORTEST), LONGEST)


@final
class Link:
    """The connection of a store, which is made again when it was lost.

    A database that was never reached is not waited for: a wrong password, an unknown database or
    a server that does not run is an error of the first connection.

    Args:
        connect: makes a connection.
        url: the database's address.
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
            again: what to do instead once the connection was lost, as the work may have been done.
            patience: seconds to wait for a database that is away; one retry is made in any case.

        Raises:
            StoreError: the database was away for longer.
        """
        lost = False
        reached = True

        def step() -> T:
            nonlocal lost, reached
            if lost or self.connection.invalidated or self.connection.closed:
                reached = False
                self.close()
                self.connection = self.connect()
                reached = True
            try:
                return (again if lost and again is not None else work)(self.connection)
            except Exception as error:
                reached = not (away(error) or self._broken(error))
                lost = lost or not reached
                raise

        def passing(error: Exception) -> bool:
            # Of a connection that cannot be made again no code says why (the server may be
            # starting, or a proxy may refuse); as it was made before, the reason may pass.
            return not reached

        where = f"the database {printable(self.url)}"
        start = time.monotonic()
        try:
            return retried(step, passing, patience, where)
        except Exception as error:
            if not passing(error):
                raise
            cause = " ".join(str(getattr(error, "orig", error)).split())
            raise StoreError(
                f"{where} was away for {time.monotonic() - start:.0f} s: {printable(cause)}; "
                "everything that was committed is kept; give the same command when it is back"
            ) from error

    def _broken(self, error: Exception) -> bool:
        """Whether an error of the driver left a connection that answers nothing any more.

        A connection that ends between the parts of a message gives errors of many kinds, of which
        SQLAlchemy does not recognise all.
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
        """Let go of the connection, which may be lost."""
        try:
            self.connection.close()
        except Exception:
            return


def limits(url: Any) -> dict[str, Any]:
    """Settings of a driver on libpq by which it notices within a minute that a network is gone.

    What the address sets itself is left as it is.

    Args:
        url: SQLAlchemy's.
    """
    if url.get_driver_name() not in ("psycopg", "psycopg2"):
        return {}
    usual = {
        "connect_timeout": 10,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "tcp_user_timeout": 60_000,
    }
    return {name: value for name, value in usual.items() if name not in url.query}


def identity_in(connection: Any, make: bool) -> str | None:
    """The random name that a database on a server was given, which its files are kept under.

    It is kept in the database itself, in the table ``nasturtium``: an address may change, and two
    databases may have one name.

    Args:
        connection: SQLAlchemy's, outside of a transaction.
        make: give a name to a database that has no studies yet.

    Returns:
        the name; ``None`` where none was given.
    """
    import sqlalchemy as sql

    table = sql.Table("nasturtium", sql.MetaData(), sql.Column("identity", sql.String(32)))
    for last in (False, True):
        inspected = sql.inspect(connection)
        if inspected.has_table(table.name):
            found = connection.execute(sql.select(table.c.identity)).scalar()
            connection.commit()
            return None if found is None else str(found)
        older = inspected.has_table("event")
        connection.commit()
        if older or not make:
            return None
        try:
            table.create(connection)
            connection.execute(sql.insert(table).values(identity=secrets.token_hex(8)))
            connection.commit()
        except sql.exc.DBAPIError:  # of two that open a new database, one gives the name
            connection.rollback()
            if last:
                raise
    return None
