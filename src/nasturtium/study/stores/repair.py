"""What of a store is sound, and how a damaged one is used again with all that is.

A log is kept up to its first event that is damaged: later ones follow from it. What cannot be kept
is set aside and never deleted: a copy of the whole database beside it, damaged kept files in a
folder of their own.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

from nasturtium.errors import StoreError
from nasturtium.study.event import Event, decode
from nasturtium.study.files import Files
from nasturtium.study.segment import SEGMENT, Goals, broken, goals_of, misfit
from nasturtium.study.stores.lease import Row, explain, lease_problem
from nasturtium.study.stores.sql import SqlStore
from nasturtium.study.stores.sqlite import lenient
from nasturtium.study.trial import Outcome, Trial

__all__ = ["Examined", "examine", "repair"]

EVENT = "study, number, kind, body, measured, digest"
TYPES = (str, int, str, str, str, str)


@final
@dataclass(frozen=True)
class Examined:
    """What of a study is sound.

    Attributes:
        study: its name.
        events: events of the log that are sound, from the first.
        rows: events that are there.
        fault: why the next event is not sound, or ``None``.
        files: why kept files cannot be used, by digest.
        sums: snapshots that do not fit the log; they are not used.
        lease: why nobody can tell who drives the study, or ``None``.
    """

    study: str
    events: int
    rows: int
    fault: str | None
    files: Mapping[str, str]
    sums: int
    lease: str | None

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged."""
        return not (self.fault or self.files or self.sums or self.lease)

    def lines(self) -> list[tuple[str, str]]:
        """As labels and texts for people."""
        log = f"{self.events} events hold"
        if self.fault:
            log += f", {self.rows - self.events} do not: {self.fault.partition('; nasturtium')[0]}"
        told = [("study", self.study), ("log", log)]
        told += [("file", fault) for fault in self.files.values()]
        if self.sums:
            told.append(("sums", f"{self.sums} snapshots do not fit the log, and are not used"))
        if self.lease:
            told.append(("lease", self.lease))
        return told


def examine(store: SqlStore, study: str) -> Examined:
    """Compare every event of a study, and every file that its log names, with their digests."""
    goals: Goals | None = None
    pending: set[int] = set()
    asked = events = 0
    fault: str | None = None
    digests: dict[str, None] = {}
    try:
        for number, kind, body, measured, _ in store.rows(study):
            event = _decoded(study, number, kind, body, measured)
            if number == 1 and event.kind == "manifest" and isinstance(event.data, Mapping):
                goals = goals_of(event.data)
            problem = misfit(event, dict.fromkeys(pending), asked, goals or Goals((), ()))
            if problem is not None:
                raise StoreError(broken(study, number, problem))
            if isinstance(event.data, Trial):
                asked += 1
                if event.data.state == "pending":
                    pending.add(event.data.number)
            elif isinstance(event.data, Outcome):
                pending.discard(event.data.number)
            digests |= dict.fromkeys(_named(event))
            events = number
    except StoreError as error:
        fault = str(error)
    sql, table = store._sql, store._event
    count = sql.select(sql.func.count()).where(table.c.study == study)
    rows = int(store._rows(count)[0][0])
    if fault is None and rows > events:
        fault = f"{rows - events} rows of study {study!r} have numbers that no event has"
    files = {} if store.folder is None else _files(Files(store.folder), digests)
    return Examined(study, events, rows, fault, files, _sums(store, study), _lease(store, study))


def repair(store: SqlStore, name: str | None = None) -> list[str]:
    """Use a damaged store again: keep what is sound, and set the rest aside.

    Args:
        store: opened to be written.
        name: the study; all of the store if not given.

    Returns:
        what was done, in lines; none where nothing is damaged.

    Raises:
        StoreError: a driver is at work, or nothing of the database can be read.
    """
    done: list[str] = []
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    if store.path is not None and not _readable(store.path):
        done.append(_salvage(store, stamp))
    names = store.studies() if name is None else (name,)
    found = [one for one in (examine(store, study) for study in names) if not one.sound]
    if not found:
        return done
    for one in found:
        if one.lease is None:
            store.lease(one.study).release()  # which is refused while a driver is at work
    if not done and any(one.fault or one.sums or one.lease for one in found):
        done.append(_set_aside(store, found, stamp))
    for number, one in enumerate(found, 1):
        try:
            done += _mend(store, one)
        except store._sql.exc.DatabaseError as error:
            # Some damage is met by writing alone: the rows go into a new file.
            store._undo()
            if store.path is None:
                raise StoreError(explain(store.url, "repaired", error)) from error
            done.append(_salvage(store, f"{stamp}-{number}"))
            done += _mend(store, examine(store, one.study))
    return done


def _decoded(study: str, number: int, kind: str, body: str, measured: str) -> Event:
    try:
        return decode(kind, body, measured)
    except StoreError as error:
        raise StoreError(f"event {number} of study {study!r}: {error}") from error


def _named(event: Event) -> Iterator[str]:
    """The digests of files that an event names."""
    data = event.data
    if isinstance(data, Outcome):
        yield from data.files.values()
    elif isinstance(data, Mapping):
        for entry in ("digest", "weights"):
            if isinstance(data.get(entry), str):
                yield data[entry]


def _files(files: Files, digests: Mapping[str, None]) -> dict[str, str]:
    faults = {digest: files.fault(digest) for digest in digests}
    return {digest: fault for digest, fault in faults.items() if fault is not None}


def _sums(store: SqlStore, study: str) -> int:
    """How many snapshots do not fit the log."""
    sql, table = store._sql, store._snapshot
    count = sql.select(sql.func.count()).where(table.c.study == study)
    return int(store._rows(count)[0][0]) - len(store.segments(study))


def _lease(store: SqlStore, study: str) -> str | None:
    sql, table = store._sql, store._lease
    rows = store._rows(sql.select(table.c.holder, table.c.beat).where(table.c.study == study))
    problem = lease_problem(Row(*rows[0])) if rows else None
    return None if problem is None else f"nobody can tell who drives study {study!r}: {problem}"


def _mend(store: SqlStore, one: Examined) -> list[str]:
    """Keep what is sound of a study."""
    sql, done = store._sql, list[str]()
    if one.fault or one.sums or one.lease:
        event, sums, lease = store._event, store._snapshot, store._lease
        kept = one.events - one.events % SEGMENT
        sound = store.segments(one.study)
        last = min(kept, sound[-1].last if sound else 0)
        connection = store._connection
        if store.path is not None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.execute(
            sql.delete(event).where(
                event.c.study == one.study, (event.c.number > one.events) | (event.c.number < 1)
            )
        )
        connection.execute(
            sql.delete(sums).where(
                sums.c.study == one.study, (sums.c.number > last) | (sums.c.number < 1)
            )
        )
        if one.lease:
            connection.execute(sql.delete(lease).where(lease.c.study == one.study))
        connection.commit()
        if one.fault:
            done.append(
                f"study {one.study}: kept its first {one.events} events, and took "
                f"{one.rows - one.events} out of the log"
            )
        if one.lease:
            done.append(f"study {one.study}: nobody drives it any more")
    if store.folder is not None:
        files = Files(store.folder)
        for digest in one.files:
            aside = files.set_aside(digest)
            if aside is not None:
                done.append(f"study {one.study}: moved the damaged file {digest[:12]}… to {aside}")
    return done


# -- databases ------------------------------------------------------------------------------------


def _set_aside(store: SqlStore, found: list[Examined], stamp: str) -> str:
    """Keep the store as it is, before anything is taken out of it; says where."""
    if store.path is not None:
        return f"the store as it was is {_copied(store.path, stamp)}"
    assert store.folder is not None
    path = store.folder / f"damaged-{stamp}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    table = store._event
    with path.open("x", encoding="utf-8") as file:
        for one in found:
            query = store._sql.select(table).where(
                table.c.study == one.study, (table.c.number > one.events) | (table.c.number < 1)
            )
            for row in store._rows(query.order_by(table.c.number)):
                file.write(json.dumps([*row]) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return f"the rows that are taken out are in {path}"


def _copied(path: Path, stamp: str) -> Path:
    """A copy of a database beside it, with what waits in its write-ahead log."""
    target = path.with_name(f"{path.name}.damaged-{stamp}")
    if target.exists():
        raise StoreError(f"{target} is there already; try again in a second")
    shutil.copy2(path, target)
    waiting = path.with_name(f"{path.name}-wal")
    if waiting.exists():
        shutil.copy2(waiting, target.with_name(f"{target.name}-wal"))
    return target


def _readable(path: Path) -> bool:
    """Whether SQLite finds its own structure in the file."""
    try:
        connection = sqlite3.connect(path, timeout=30)
        try:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
        finally:
            connection.close()
    except sqlite3.Error:
        return False


def _salvage(store: SqlStore, stamp: str) -> str:
    """Write the rows that SQLite can still read into a new file; says so.

    Raises:
        StoreError: there are none.
    """
    path = store.path
    assert path is not None
    copy = _copied(path, stamp)
    rows: dict[tuple[str, int], tuple[Any, ...]] = {}
    for order in ("ASC", "DESC"):  # up to the damage, and from the other end
        try:
            connection = sqlite3.connect(copy)
            connection.text_factory = lenient
            for row in connection.execute(f"SELECT {EVENT} FROM event ORDER BY rowid {order}"):
                if all(type(one) is kind for one, kind in zip(row, TYPES, strict=True)):
                    rows.setdefault((row[0], row[1]), row)
        except sqlite3.Error:
            continue
    if not rows:
        raise StoreError(
            f"nothing of {path} can be read any more: it is beyond repair; restore it from a copy "
            f"({copy.name} is as it was)"
        )
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    fresh = SqlStore(new, folder=store.folder)
    fresh._make()
    assert fresh._raw is not None
    fresh._raw.execute("BEGIN IMMEDIATE")
    fresh._raw.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)", sorted(rows.values()))
    fresh._raw.execute("COMMIT")
    fresh.close()
    store.close()
    for suffix in ("-wal", "-shm"):
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
    os.replace(new, path)
    store._ends.clear()
    store._summing.clear()
    store._open()
    return f"the store as it was is {copy}; {len(rows)} of its rows could be read"
