"""The lease of a study in a database: one driver at a time, and none that is dead."""

from __future__ import annotations

import threading
import time
from typing import Any, NoReturn, final

from nasturtium.errors import StoreError
from nasturtium.study.stores.base import Lease
from nasturtium.study.stores.connection import LONGEST, SHORTEST, logger, retry
from nasturtium.study.stores.database import Database
from nasturtium.study.stores.failure import explain_failure
from nasturtium.study.stores.lease_holder import (
    LeaseRow,
    PidNamespace,
    describe_holder,
    lease_problem,
)
from nasturtium.study.stores.redact import redact

__all__ = ["TableLease"]

STALE = 60.0  # seconds without a heartbeat after which a driver elsewhere counts as dead
BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)
RELEASE_PATIENCE = 3.0  # seconds that a release may wait for an unavailable database


@final
class TableLease(Lease):
    """A row that names the driver of a study, and changes while the driver is alive.

    From :meth:`acquire` to :meth:`release` a thread changes the row every ten seconds, whatever
    the driver does meanwhile, also after the database was unavailable. A dead holder in the
    namespace of this process is replaced at once. A holder elsewhere is watched: it is replaced if
    its row does not change for a minute. Clocks of two machines are never compared.

    Args:
        database: the database with the table.
        study: the name of the study.
        stale: seconds without a change after which a holder elsewhere counts as dead.
        namespace: of this process.
    """

    def __init__(
        self,
        database: Database,
        study: str,
        stale: float = STALE,
        namespace: PidNamespace | None = None,
    ) -> None:
        self.database = database
        self.study = study
        self.stale = stale
        self.namespace = PidNamespace.current() if namespace is None else namespace
        self.holder = describe_holder(self.namespace)
        self._lost = False
        self._renewed = 0.0
        self._released = threading.Event()
        self._thread: threading.Thread | None = None

    # -- acquiring --------------------------------------------------------------------------------

    def acquire(self) -> TableLease:
        """Take the study, after watching a holder elsewhere for as long as it may be silent.

        Raises:
            StoreError: another live driver holds it.
        """
        watched: LeaseRow | None = None
        since = _clock()
        while True:
            silent = watched is not None and _clock() - since >= self.stale
            self._renewed = _clock()
            row = self._try_to_take(watched if silent else None)
            if row is None:
                break
            if lease_problem(row) is None and row.namespace == self.namespace:
                age = max(0.0, time.time() - row.beat)
                self._refuse(row, f" (last heartbeat {age:.0f} s ago)")
            if watched is None:
                watched, since = row, _clock()
                logger.warning("%s", self._waiting_message(row))
            elif repr(row) != repr(watched):
                self._refuse(row, ", which sent a heartbeat just now")
            time.sleep(min(1.0, self.stale / 20))
        self.database.leases[self.study] = self
        self._thread = threading.Thread(target=self._send_heartbeats, name="heartbeat", daemon=True)
        self._thread.start()
        return self

    def _try_to_take(self, silent: LeaseRow | None) -> LeaseRow | None:
        """Take the study if it is free, or held by a dead process or by a silent holder.

        Returns:
            the row of the present holder; ``None`` if the study was taken.
        """
        import sqlalchemy as sql

        table = self.database.lease
        query = sql.select(table.c.holder, table.c.beat).where(table.c.study == self.study)
        while True:
            try:
                self.database.create_tables()
                with self.database.transaction() as connection:
                    stored = connection.execute(query.with_for_update()).first()
                    row = None if stored is None else LeaseRow(*stored)
                    if row is not None and repr(row) != repr(silent) and not self._dead(row):
                        return row
                    if row is not None:  # which is locked: no row that comes later is deleted
                        connection.execute(sql.delete(table).where(table.c.study == self.study))
                    connection.execute(
                        sql.insert(table).values(
                            study=self.study, holder=self.holder, beat=time.time()
                        )
                    )
                return None
            except sql.exc.IntegrityError:
                continue  # another process took the free study first
            except StoreError:
                raise
            except Exception as error:
                raise StoreError(explain_failure(self.database.url, "written", error)) from error

    def _dead(self, row: LeaseRow) -> bool:
        """Return whether the holder is a process of this namespace that has ended."""
        return lease_problem(row) is None and row.namespace == self.namespace and not row.alive

    def _waiting_message(self, row: LeaseRow) -> str:
        problem = lease_problem(row)
        if problem is not None:
            return (
                f"the lease of study {self.study!r} is damaged ({problem}); it is set aside if "
                f"nobody changes it within {self.stale:.0f} s, or at once by nasturtium repair"
            )
        return (
            f"study {self.study!r} was last driven by process {row.pid} on {row.namespace.host}; "
            f"waiting up to {self.stale:.0f} s for a sign of life before taking it over"
        )

    def _refuse(self, row: LeaseRow, evidence: str) -> NoReturn:
        whose = "another driver"
        if lease_problem(row) is None:
            whose = f"process {row.pid} on {row.namespace.host}"
        raise StoreError(
            f"study {self.study!r} is being driven by {whose}{evidence}; "
            "wait for it, stop it, or give another name"
        )

    # -- renewing ---------------------------------------------------------------------------------

    @property
    def overdue(self) -> bool:
        """Whether another driver may hold the study by now, so that it has to be renewed first."""
        return self._lost or _clock() - self._renewed >= self.stale

    def renew(self, connection: Any) -> None:
        """Change the row, in a transaction of the caller.

        Raises:
            StoreError: another driver took the study over.
        """
        if not self._lost:
            table, now = self.database.lease, time.time()
            sql = self.database.sql
            asked_at = _clock()
            # The row has to change even where the clock was set back or stands still.
            beat = sql.case((table.c.beat < now, now), else_=table.c.beat + 1.0)
            done = connection.execute(
                sql.update(table)
                .where(table.c.study == self.study, table.c.holder == self.holder)
                .values(beat=beat)
            )
            self._lost = done.rowcount != 1
            self._renewed = asked_at
        if self._lost:
            raise StoreError(
                f"study {self.study!r} was taken over by another driver while this one was silent; "
                "this one stops, nothing is lost"
            )

    def _send_heartbeats(self) -> None:
        """Renew the lease until it is released or lost, also after the database was unavailable."""
        pause = interval = self.stale / 6
        failed = False
        while not self._released.wait(pause):
            try:
                with self.database.transaction() as connection:
                    self.renew(connection)
                pause, failed = interval, False
            except Exception:
                if self._lost:
                    return
                pause = min(2 * pause, LONGEST, interval) if failed else min(SHORTEST, interval)
                failed = True

    def beat(self) -> None:
        if not self.overdue:
            return
        try:
            with self.database.transaction() as connection:
                self.renew(connection)
        except StoreError:
            raise
        except Exception:
            return  # the next append waits for the database, and renews before it writes

    def release(self) -> None:
        self._released.set()
        if self._thread is not None:
            self._thread.join(RELEASE_PATIENCE)
        database = self.database
        database.leases.pop(self.study, None)
        try:
            retry(
                self._delete,
                lambda _: database.path is None,
                RELEASE_PATIENCE,
                f"the database {redact(database.url)}",
            )
        except Exception as error:
            if database.path is not None:
                raise StoreError(explain_failure(database.url, "written", error)) from error
            logger.warning(
                "the lease of study %r is not released, as the database is unavailable; another "
                "host has to wait for %.0f s",
                self.study,
                self.stale,
            )

    def _delete(self) -> None:
        sql, table = self.database.sql, self.database.lease
        with self.database.transaction() as connection:
            connection.execute(
                sql.delete(table).where(table.c.study == self.study, table.c.holder == self.holder)
            )


def _clock() -> float:
    """Return seconds that advance while the machine sleeps, where the system has such a clock."""
    return time.monotonic() if BOOTTIME is None else time.clock_gettime(BOOTTIME)
