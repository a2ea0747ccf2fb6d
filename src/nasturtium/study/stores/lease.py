"""Who drives a study: one process at a time, and none that is dead."""

from __future__ import annotations

import json
import math
import os
import platform
import secrets
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, final

from nasturtium.errors import StoreError
from nasturtium.study.stores.address import printable
from nasturtium.study.stores.connection import LONGEST, SHORTEST, logger, retried

if TYPE_CHECKING:
    from nasturtium.study.stores.sql import SqlStore

__all__ = [
    "HeldInMemory",
    "HeldInTable",
    "Lease",
    "Place",
    "explain",
    "lease_problem",
    "started",
]

STALE = 60.0  # seconds without a heartbeat after which a driver elsewhere counts as dead
BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)
GIVING_BACK = 3.0  # seconds that giving a study back may wait for a database that is away


class Lease(ABC):
    """The right to drive a study, kept alive by heartbeats."""

    @abstractmethod
    def beat(self) -> None:
        """Stop a driver that has lost the study; costs nothing when called often.

        Raises:
            StoreError: another driver took the study over.
        """

    @abstractmethod
    def release(self) -> None:
        """Give the study back."""


@final
class HeldInMemory(Lease):
    """A name in a set, within one process."""

    def __init__(self, held: set[str], study: str) -> None:
        self.held = held
        self.study = study

    def beat(self) -> None:
        return None

    def release(self) -> None:
        self.held.discard(self.study)


class Place(NamedTuple):
    """Where a process number means something: one namespace of processes of one running kernel.

    Containers may share a host's name and number their processes alike.

    Attributes:
        host: the name of the host.
        boot: the kernel's identity since it was started; empty where the system has none.
        namespace: of process numbers; empty where the system has none.
    """

    host: str
    boot: str = ""
    namespace: str = ""

    @staticmethod
    def here() -> Place:
        """The place of this process."""
        try:
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            return Place(platform.node(), boot, os.readlink("/proc/self/ns/pid"))
        except OSError:
            return Place(platform.node())


class Row(NamedTuple):
    """A lease as it stands in the table; both values may be damaged."""

    holder: Any
    beat: Any

    @property
    def place(self) -> Place:
        """Where the holder is, or was."""
        known = json.loads(self.holder)
        return Place(known["host"], known.get("boot", ""), known.get("namespace", ""))

    @property
    def pid(self) -> int:
        """The holder's process number, which counts at its place."""
        return int(json.loads(self.holder)["pid"])

    @property
    def lives(self) -> bool:
        """Whether the holder's process lives; to be asked at its own place only."""
        when = json.loads(self.holder)["started"]
        return when is not None and started(self.pid) == when


def lease_problem(row: tuple[Any, Any]) -> str | None:
    """What is wrong with a row of the table of leases; ``None`` where it can be used.

    Args:
        row: its holder and its beat.

    Example:
        >>> lease_problem(('{"host": "node1", "pid": 7, "started": "812"}', 1.5))
        >>> lease_problem(("node1", 1.5))
        "its holder is 'node1', expected a JSON object"
    """
    holder, beat = row
    try:
        known = json.loads(holder)
    except (TypeError, ValueError, RecursionError):
        known = None
    if not isinstance(known, dict):
        return f"its holder is {str(holder)[:40]!r}, expected a JSON object"
    pid = known.get("pid")
    if not isinstance(pid, int) or isinstance(pid, bool):
        return f"its holder has pid {str(pid)[:40]!r}, expected a number"
    for key in ("host", "boot", "namespace"):
        if not isinstance(known.get(key, None if key == "host" else ""), str):
            return f"its holder has {key} {str(known.get(key))[:40]!r}, expected a text"
    if not isinstance(known.get("started", 0), (str, type(None))):
        return f"its holder has started {str(known.get('started'))[:40]!r}, expected a text"
    number = isinstance(beat, (int, float)) and not isinstance(beat, bool)
    if not number or not math.isfinite(beat):
        return f"its beat is {str(beat)[:40]!r}, expected a number"
    return None


@final
class HeldInTable(Lease):
    """A row that says who drives a study, and changes while the driver lives.

    From :meth:`acquire` to :meth:`release` a thread changes the row every ten seconds, whatever
    the driver does meanwhile, also where the database was away in between. A holder at this
    place whose process is gone is replaced at once. One elsewhere is watched: it is replaced if its
    row does not change for a minute. No clock is compared with another one.

    Args:
        store: whose table it is.
        study: the study's name.
        stale: seconds without a change after which a holder elsewhere counts as dead.
        place: where this process is.
    """

    def __init__(
        self, store: SqlStore, study: str, stale: float = STALE, place: Place | None = None
    ) -> None:
        self.store = store
        self.study = study
        self.stale = stale
        self.place = Place.here() if place is None else place
        self.holder = json.dumps(
            {
                **self.place._asdict(),
                "pid": os.getpid(),
                "started": started(os.getpid()),
                "token": secrets.token_hex(8),
            }
        )
        self._lost = False
        self._renewed = 0.0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    # -- taking it --------------------------------------------------------------------------------

    def acquire(self) -> HeldInTable:
        """Take the study, after watching a holder elsewhere for as long as it may be silent.

        Raises:
            StoreError: another driver that lives has it.
        """
        watched: Row | None = None
        since = _clock()
        while True:
            silent = watched is not None and _clock() - since >= self.stale
            self._renewed = _clock()
            row = self._taken(watched if silent else None)
            if row is None:
                break
            if lease_problem(row) is None and row.place == self.place:
                self._refuse(row, f" (heard of {max(0.0, time.time() - row.beat):.0f} s ago)")
            if watched is None:
                watched, since = row, _clock()
                logger.warning("%s", self._watching(row))
            elif repr(row) != repr(watched):
                self._refuse(row, ", which was heard of just now")
            time.sleep(min(1.0, self.stale / 20))
        self.store._held[self.study] = self
        self._thread = threading.Thread(target=self._beating, name="heartbeat", daemon=True)
        self._thread.start()
        return self

    def _taken(self, silent: Row | None) -> Row | None:
        """Take the study if nobody has it, a dead process, or a holder that was silent.

        Returns:
            the row of the one that has it; ``None`` if the study was taken.
        """
        import sqlalchemy as sql

        table = self.store._lease
        query = sql.select(table.c.holder, table.c.beat).where(table.c.study == self.study)
        while True:
            try:
                self.store._make()
                with self._writing() as connection:
                    found = connection.execute(query.with_for_update()).first()
                    row = None if found is None else Row(*found)
                    if row is not None and repr(row) != repr(silent) and not self._left(row):
                        return row
                    if row is not None:  # and locked: a row that came later is left alone
                        connection.execute(sql.delete(table).where(table.c.study == self.study))
                    connection.execute(
                        sql.insert(table).values(
                            study=self.study, holder=self.holder, beat=time.time()
                        )
                    )
                return None
            except sql.exc.IntegrityError:
                continue  # of two that take a free study, the other one was first
            except StoreError:
                raise
            except Exception as error:
                raise StoreError(explain(self.store.url, "written", error)) from error

    def _left(self, row: Row) -> bool:
        """Whether a holder at this place is gone."""
        return lease_problem(row) is None and row.place == self.place and not row.lives

    def _watching(self, row: Row) -> str:
        problem = lease_problem(row)
        if problem is not None:
            return (
                f"the lease of study {self.study!r} is damaged ({problem}); it is set aside if "
                f"nobody changes it within {self.stale:.0f} s, or at once by nasturtium repair"
            )
        return (
            f"study {self.study!r} was last driven by process {row.pid} on {row.place.host}; "
            f"waiting up to {self.stale:.0f} s for a sign of life before taking it over"
        )

    def _refuse(self, row: Row, heard: str) -> NoReturn:
        whose = "another driver"
        if lease_problem(row) is None:
            whose = f"process {row.pid} on {row.place.host}"
        raise StoreError(
            f"study {self.study!r} is being driven by {whose}{heard}; "
            "wait for it, stop it, or give another name"
        )

    # -- keeping it -------------------------------------------------------------------------------

    @property
    def overdue(self) -> bool:
        """Whether another driver may have the study by now, so that it has to be renewed first."""
        return self._lost or _clock() - self._renewed >= self.stale

    def renew(self, connection: Any) -> None:
        """Change the row, in a transaction of the caller.

        Raises:
            StoreError: another driver took the study over.
        """
        if not self._lost:
            table, now = self.store._lease, time.time()
            sql = self.store._sql
            asked = _clock()
            # It has to change even where the clock was set back or stands still.
            beat = sql.case((table.c.beat < now, now), else_=table.c.beat + 1.0)
            done = connection.execute(
                sql.update(table)
                .where(table.c.study == self.study, table.c.holder == self.holder)
                .values(beat=beat)
            )
            self._lost = done.rowcount != 1
            self._renewed = asked
        if self._lost:
            raise StoreError(
                f"study {self.study!r} was taken over by another driver while this one was silent; "
                "this one stops, nothing is lost"
            )

    def _beating(self) -> None:
        """Renew it until it is given back or lost, also after the database was away."""
        pause = every = self.stale / 6
        failed = False
        while not self._ended.wait(pause):
            try:
                with self._writing() as connection:
                    self.renew(connection)
                pause, failed = every, False
            except Exception:
                if self._lost:
                    return
                pause = min(2 * pause, LONGEST, every) if failed else min(SHORTEST, every)
                failed = True

    def beat(self) -> None:
        if not self.overdue:
            return
        try:
            with self._writing() as connection:
                self.renew(connection)
        except StoreError:
            raise
        except Exception:
            return  # the next append waits for the database, and renews before it writes

    def release(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join(GIVING_BACK)
        self.store._held.pop(self.study, None)
        try:
            retried(
                self._delete,
                lambda _: self.store.path is None,
                GIVING_BACK,
                f"the database {printable(self.store.url)}",
            )
        except Exception as error:
            if self.store.path is not None:
                raise StoreError(explain(self.store.url, "written", error)) from error
            logger.warning(
                "the lease of study %r is not given back, as the database is away; another host "
                "has to wait for %.0f s",
                self.study,
                self.stale,
            )

    def _delete(self) -> None:
        sql, table = self.store._sql, self.store._lease
        with self._writing() as connection:
            connection.execute(
                sql.delete(table).where(table.c.study == self.study, table.c.holder == self.holder)
            )

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        """A connection of its own, in a transaction that holds the write lock."""
        store = self.store
        with store._engine.connect() as connection:
            if store.path is not None:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()


def _clock() -> float:
    """Seconds that go on while the machine sleeps, where the system has such a clock."""
    return time.monotonic() if BOOTTIME is None else time.clock_gettime(BOOTTIME)


def started(pid: int) -> str | None:
    """When a process of this machine started, as text; ``None`` if it does not live."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except (OSError, IndexError):
        pass
    if Path("/proc/self/stat").exists():
        return None
    import subprocess

    shown = subprocess.run(
        ["ps", "-o", "lstart=,stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return None if not shown or shown.split()[-1].startswith("Z") else shown.rsplit(" ", 1)[0]


def explain(url: str, verb: str, error: Exception) -> str:
    """A store's failure in one line that says what to do, without the password of its address."""
    cause = str(getattr(error, "orig", error)).splitlines()[0] if str(error) else repr(error)
    advice = "check the address and the rights"
    for sign, hint in (
        ("not a database", "it is another kind of file; give another name, nothing was written"),
        ("malformed", "it is damaged; nasturtium repair keeps what can be read of it"),
        ("readonly", "the file or its folder is read-only; give one that can be written"),
        ("unable to open", "check that its folder exists and can be written"),
        ("disk is full", "free some space, then resume: everything up to now is kept"),
        ("No space left", "free some space, then resume: everything up to now is kept"),
        ("disk I/O", "the disk may be full or failing; everything committed is kept"),
        ("UNIQUE constraint", "another driver wrote to this study meanwhile; open it again"),
        ("duplicate key", "another driver wrote to this study meanwhile; open it again"),
        ("JSON serializable", "metrics, curves and notes hold plain numbers, texts and lists only"),
        ("locked", "another program holds it; close that one and try again"),
        ("No module named", "install the database's driver, e.g. pip install psycopg[binary]"),
    ):
        if sign in cause:
            advice = hint
            break
    where = printable(url.removeprefix("sqlite:///"))
    return f"the store {where} cannot be {verb}: {printable(cause)}; {advice}"
