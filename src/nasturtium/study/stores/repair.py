"""Checking a store for damage, and repairing it.

A repaired log ends before its first damaged event, since later events depend on it. Nothing is
deleted: the whole database is copied beside itself, and damaged files are moved to a folder.
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
from nasturtium.study.event_order import damaged_log, order_problem
from nasturtium.study.files import Files
from nasturtium.study.goals import Goals, parse_goals
from nasturtium.study.log_summary import SEGMENT
from nasturtium.study.stores.failure import explain_failure
from nasturtium.study.stores.lease_holder import LeaseRow, lease_problem
from nasturtium.study.stores.sql import SqlStore
from nasturtium.study.stores.sqlite import decode_leniently
from nasturtium.study.trial import Outcome, Trial

__all__ = ["Examination", "examine", "repair"]

COLUMNS = "study, number, kind, body, measured, digest"
TYPES = (str, int, str, str, str, str)


@final
@dataclass(frozen=True)
class Examination:
    """The sound and the damaged parts of a study.

    Attributes:
        study: its name.
        events: events of the log that are sound, from the first.
        rows: events that are stored.
        fault: why the next event is not sound, or ``None``.
        files: why files cannot be used, by digest.
        snapshots: stored snapshots that do not match the log; they are not used.
        lease: why the holder of the lease is unknown, or ``None``.
    """

    study: str
    events: int
    rows: int
    fault: str | None
    files: Mapping[str, str]
    snapshots: int
    lease: str | None

    @property
    def sound(self) -> bool:
        """Whether nothing is damaged."""
        return not (self.fault or self.files or self.snapshots or self.lease)

    def lines(self) -> list[tuple[str, str]]:
        """Return labels and texts to print."""
        log = f"{self.events} events hold"
        if self.fault:
            log += f", {self.rows - self.events} do not: {self.fault.partition('; nasturtium')[0]}"
        lines = [("study", self.study), ("log", log)]
        lines += [("file", fault) for fault in self.files.values()]
        if self.snapshots:
            text = f"{self.snapshots} snapshots do not match the log, and are not used"
            lines.append(("snapshots", text))
        if self.lease:
            lines.append(("lease", self.lease))
        return lines


def examine(store: SqlStore, study: str) -> Examination:
    """Check every event of a study, and every file that its log names, against their digests."""
    goals: Goals | None = None
    pending: set[int] = set()
    asked = events = 0
    fault: str | None = None
    digests: dict[str, None] = {}
    try:
        for number, kind, body, measured, _ in store.rows(study):
            event = _decode(study, number, kind, body, measured)
            if number == 1 and event.kind == "manifest" and isinstance(event.data, Mapping):
                goals = parse_goals(event.data)
            problem = order_problem(event, dict.fromkeys(pending), asked, goals or Goals((), ()))
            if problem is not None:
                raise StoreError(damaged_log(study, number, problem))
            if isinstance(event.data, Trial):
                asked += 1
                if event.data.state == "pending":
                    pending.add(event.data.number)
            elif isinstance(event.data, Outcome):
                pending.discard(event.data.number)
            digests |= dict.fromkeys(_named_files(event))
            events = number
    except StoreError as error:
        fault = str(error)
    rows = _count(store, store.database.event, study)
    if fault is None and rows > events:
        fault = f"{rows - events} rows of study {study!r} have numbers that no event has"
    files = {} if store.folder is None else _file_faults(Files(store.folder), digests)
    snapshots = _count(store, store.database.snapshot, study) - len(store.summaries(study))
    return Examination(study, events, rows, fault, files, snapshots, _lease_fault(store, study))


def repair(store: SqlStore, name: str | None = None) -> list[str]:
    """Repair a damaged store: keep what is sound, and set the rest aside.

    Args:
        store: opened for writing.
        name: the study; all studies of the store if not given.

    Returns:
        what was done, in lines; none where nothing is damaged.

    Raises:
        StoreError: a driver is at work, or nothing of the database can be read.
    """
    done: list[str] = []
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    if store.path is not None and not _is_readable(store.path):
        done.append(_salvage(store, stamp))
    names = store.studies() if name is None else (name,)
    damaged = [one for one in (examine(store, study) for study in names) if not one.sound]
    if not damaged:
        return done
    for one in damaged:
        if one.lease is None:
            store.lease(one.study).release()  # which is refused while a driver is at work
    if not done and any(one.fault or one.snapshots or one.lease for one in damaged):
        done.append(_set_aside(store, damaged, stamp))
    for number, one in enumerate(damaged, 1):
        try:
            done += _repair_study(store, one)
        except store.database.sql.exc.DatabaseError as error:
            # Some damage shows only when the file is written: the rows go into a new file.
            store.database.rollback()
            if store.path is None:
                raise StoreError(explain_failure(store.url, "repaired", error)) from error
            done.append(_salvage(store, f"{stamp}-{number}"))
            done += _repair_study(store, examine(store, one.study))
    return done


def _decode(study: str, number: int, kind: str, body: str, measured: str) -> Event:
    try:
        return decode(kind, body, measured)
    except StoreError as error:
        raise StoreError(f"event {number} of study {study!r}: {error}") from error


def _named_files(event: Event) -> Iterator[str]:
    """Yield the digests of files that an event names."""
    data = event.data
    if isinstance(data, Outcome):
        yield from data.files.values()
    elif isinstance(data, Mapping):
        for entry in ("digest", "weights"):
            if isinstance(data.get(entry), str):
                yield data[entry]


def _file_faults(files: Files, digests: Mapping[str, None]) -> dict[str, str]:
    faults = {digest: files.fault(digest) for digest in digests}
    return {digest: fault for digest, fault in faults.items() if fault is not None}


def _count(store: SqlStore, table: Any, study: str) -> int:
    sql = store.database.sql
    query = sql.select(sql.func.count()).where(table.c.study == study)
    return int(store.database.fetch(query)[0][0])


def _lease_fault(store: SqlStore, study: str) -> str | None:
    sql, table = store.database.sql, store.database.lease
    query = sql.select(table.c.holder, table.c.beat).where(table.c.study == study)
    rows = store.database.fetch(query)
    problem = lease_problem(LeaseRow(*rows[0])) if rows else None
    return None if problem is None else f"nobody can tell who drives study {study!r}: {problem}"


def _repair_study(store: SqlStore, one: Examination) -> list[str]:
    """Keep what is sound of a study."""
    done = list[str]()
    if one.fault or one.snapshots or one.lease:
        _delete_rows(store, one)
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


def _delete_rows(store: SqlStore, one: Examination) -> None:
    """Delete damaged events, the snapshots that cover them, and a damaged lease."""
    database = store.database
    sql, connection = database.sql, database.connection
    event, snapshot, lease = database.event, database.snapshot, database.lease
    covered = one.events - one.events % SEGMENT
    sound = store.summaries(one.study)
    last = min(covered, sound[-1].last if sound else 0)
    if store.path is not None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    for table, keep in ((event, one.events), (snapshot, last)):
        connection.execute(
            sql.delete(table).where(
                table.c.study == one.study, (table.c.number > keep) | (table.c.number < 1)
            )
        )
    if one.lease:
        connection.execute(sql.delete(lease).where(lease.c.study == one.study))
    connection.commit()


# -- databases ------------------------------------------------------------------------------------


def _set_aside(store: SqlStore, damaged: list[Examination], stamp: str) -> str:
    """Copy what will be deleted from the store, and return a line that says where it is."""
    if store.path is not None:
        return f"the store as it was is {_copy(store.path, stamp)}"
    assert store.folder is not None
    path = store.folder / f"damaged-{stamp}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    table = store.database.event
    with path.open("x", encoding="utf-8") as file:
        for one in damaged:
            query = store.database.sql.select(table).where(
                table.c.study == one.study, (table.c.number > one.events) | (table.c.number < 1)
            )
            for row in store.database.fetch(query.order_by(table.c.number)):
                file.write(json.dumps([*row]) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return f"the rows that are taken out are in {path}"


def _copy(path: Path, stamp: str) -> Path:
    """Copy a database and its write-ahead log beside it, and return the path of the copy."""
    target = path.with_name(f"{path.name}.damaged-{stamp}")
    if target.exists():
        raise StoreError(f"{target} is there already; try again in a second")
    shutil.copy2(path, target)
    waiting = path.with_name(f"{path.name}-wal")
    if waiting.exists():
        shutil.copy2(waiting, target.with_name(f"{target.name}-wal"))
    return target


def _is_readable(path: Path) -> bool:
    """Return whether SQLite finds the structure of the file sound."""
    try:
        connection = sqlite3.connect(path, timeout=30)
        try:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
        finally:
            connection.close()
    except sqlite3.Error:
        return False


def _salvage(store: SqlStore, stamp: str) -> str:
    """Write the rows that SQLite can still read into a new file, and return a line about it.

    Raises:
        StoreError: no row can be read.
    """
    path = store.path
    assert path is not None
    copy = _copy(path, stamp)
    rows: dict[tuple[str, int], tuple[Any, ...]] = {}
    for order in ("ASC", "DESC"):  # up to the damage, and from the other end
        try:
            connection = sqlite3.connect(copy)
            connection.text_factory = decode_leniently
            for row in connection.execute(f"SELECT {COLUMNS} FROM event ORDER BY rowid {order}"):
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
    fresh.database.create_tables()
    raw = fresh.database.raw
    assert raw is not None
    raw.execute("BEGIN IMMEDIATE")
    raw.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)", sorted(rows.values()))
    raw.execute("COMMIT")
    fresh.close()
    store.close()
    for suffix in ("-wal", "-shm"):
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
    os.replace(new, path)
    store.reopen()
    return f"the store as it was is {copy}; {len(rows)} of its rows could be read"
