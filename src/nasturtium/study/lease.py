"""Who drives a study: one process at a time, and none that is dead."""

from __future__ import annotations

import json
import os
import platform
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from nasturtium.errors import StoreError

if TYPE_CHECKING:
    from nasturtium.study.store import SqlStore

__all__ = ["HeldInMemory", "HeldInTable", "Lease", "explain", "started"]

STALE = 60.0  # seconds without a heartbeat after which a driver on another machine counts as dead


class Lease(ABC):
    """The right to drive a study, kept alive by heartbeats."""

    @abstractmethod
    def beat(self) -> None:
        """Say that the driver lives; costs nothing when called often.

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


@final
class HeldInTable(Lease):
    """A row with the holder's host, process and start time, and its last heartbeat.

    A holder on this host whose process is gone is replaced at once; one on another host after
    a minute of silence.
    """

    def __init__(self, store: SqlStore, study: str) -> None:
        self.store = store
        self.study = study
        self.holder = json.dumps(
            {"host": platform.node(), "pid": os.getpid(), "started": started(os.getpid())}
        )
        self._beaten = time.monotonic()
        sql, table = store._sql, store._lease
        with self._writing() as connection:
            row = connection.execute(
                sql.select(table.c.holder, table.c.beat).where(table.c.study == study)
            ).first()
            if row is not None and self._alive(str(row[0]), float(row[1])):
                other = json.loads(str(row[0]))
                raise StoreError(
                    f"study {study!r} is being driven by process {other['pid']} on "
                    f"{other['host']} (heard of {max(0, time.time() - row[1]):.0f} s ago); "
                    "wait for it, stop it, or give another name"
                )
            connection.execute(sql.delete(table).where(table.c.study == study))
            connection.execute(
                sql.insert(table).values(study=study, holder=self.holder, beat=time.time())
            )

    @contextmanager
    def _writing(self) -> Iterator[Any]:
        """A connection of its own, in a transaction that holds the write lock."""
        store = self.store
        try:
            with store._engine.connect() as connection:
                if store.path is not None:
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
                connection.commit()
        except StoreError:
            raise
        except Exception as error:
            raise StoreError(explain(store.url, "written", error)) from error

    def _alive(self, holder: str, beat: float) -> bool:
        other = json.loads(holder)
        if other["host"] == platform.node():
            if other["pid"] == os.getpid() and other["started"] == started(os.getpid()):
                return True
            return other["started"] is not None and started(other["pid"]) == other["started"]
        return time.time() - beat < STALE

    def beat(self) -> None:
        now = time.monotonic()
        if now - self._beaten < STALE / 6:
            return
        self._beaten = now
        sql, table = self.store._sql, self.store._lease
        with self._writing() as connection:
            done = connection.execute(
                sql.update(table)
                .where(table.c.study == self.study, table.c.holder == self.holder)
                .values(beat=time.time())
            )
        if done.rowcount != 1:
            raise StoreError(
                f"study {self.study!r} was taken over by another driver while this one was silent; "
                "this one stops, nothing is lost"
            )

    def release(self) -> None:
        sql, table = self.store._sql, self.store._lease
        with self._writing() as connection:
            connection.execute(
                sql.delete(table).where(table.c.study == self.study, table.c.holder == self.holder)
            )


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
    """A store's failure in one line that says what to do."""
    cause = str(getattr(error, "orig", error)).splitlines()[0] if str(error) else repr(error)
    advice = "check the address and the rights"
    for sign, hint in (
        ("not a database", "it is another kind of file; give another name, nothing was written"),
        ("readonly", "the file or its folder is read-only; give one that can be written"),
        ("unable to open", "check that its folder exists and can be written"),
        ("disk is full", "free some space, then resume: everything up to now is kept"),
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
    return f"the store {url.removeprefix('sqlite:///')} cannot be {verb}: {cause}; {advice}"
