"""Altered stores: rows, digests, leases, snapshots, tables, and bytes of the file."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import sqlite3
import time
from pathlib import Path
from random import Random
from typing import Any

from fuzz.hostile import TEXTS, alter_bytes, alter_json, text, value
from fuzz.material import EVIL, copy_files, copy_store
from fuzz.watch import Case, Problem
from nasturtium.errors import StoreError
from nasturtium.study.event import chain_digest
from nasturtium.study.stores.sql import SqlStore

__all__ = ["run"]

Row = list[Any]  # study, number, kind, body, measured, digest
KINDS = ("manifest", "asked", "told", "failed", "rejected", "note", "prepared", "x", "", None, 3)
READING = (
    ("status", "s.db"),
    ("status", "s.db", "--json"),
    ("best", "s.db:s"),
    ("best", "s.db:s", "--top", "3", "--json"),
    ("describe", "s.db:s"),
    ("describe", "s.db:s", "--json"),
    ("describe", "s.db:s", "--command"),
    ("report", "s.db:s", "--out", "page.html"),
    ("report", "s.db:s", "--out", "page.html"),
    ("evidence", "s.db:s", "--saved"),
    ("evidence", "s.db:s", "--saved", "--json"),
    ("check", "s.db"),
    ("check", "s.db"),
)
ACTING = (
    ("resume", "s.db:s", "-q", "--executor", "here", "--trials", "8"),
    ("resume", "s.db:t", "-q", "--executor", "here"),
    ("finish", "s.db:s", "-q", "--recipe", "epochs=1"),
    ("finish", "s.db:s", "-q", "--keep"),
    (
        *[
            "evidence",
            "s.db:s",
            "-q",
            "--top",
            "1",
            "--seeds",
            "1",
            "--spread",
            "1",
            "--no-references",
            "--recipe",
            "epochs=1",
        ],
    ),
    ("export", "s.db:s", "net.pt2"),
    (
        *[
            "search",
            "d.npz",
            "--space",
            "mlp",
            "--store",
            "s.db",
            "--name",
            "s",
            "--executor",
            "here",
            "-q",
            "--trials",
            "7",
        ],
    ),
)


def run(case: Case) -> str:
    """Alter a store, and give commands; says whether one of them accepted it."""
    path = copy_store(case)
    Path("evil.py").write_text(EVIL)
    rng, drawn = case.rng, case.rng.random()
    known = _written(case.material / "s.db")
    if drawn < 0.62:
        sealed = rng.random() < 0.6
        alter_rows(case, path, sealed)
    elif drawn < 0.68:
        sealed = True
        alter_lease(case, path)
    elif drawn < 0.76:
        sealed = alter_snapshots(case, path)
    elif drawn < 0.84:
        sealed = True
        alter_tables(case, path)
    else:
        sealed = False
        _bytes(case, path)
    return _use(case, path, known, sealed)


def _use(case: Case, path: Path, known: list[tuple[str, Any]], sealed: bool) -> str:
    rng = case.rng
    accepted = False
    for words in rng.sample(READING, rng.randint(1, 2)):
        before = path.read_bytes()
        accepted |= case.command(*words).code == 0
        if path.read_bytes() != before:
            raise Problem("damaged", f"{words[0]} writes into the store")
    if not sealed:
        _compare(path, known)
    acts = rng.random()
    if acts < 0.08:
        _repair(case, path, known, sealed)
    elif acts < 0.13:
        copy_files(case)
        shutil.copyfile(case.material / "d.npz", "d.npz")
        words = rng.choice(ACTING)
        if words[0] == "export" and rng.random() < 0.9:  # which takes most of a second
            words = ACTING[0]
        accepted |= case.command(*words).code == 0
        if rng.random() < 0.5:
            case.command("status", "s.db")
    return "accepted" if accepted else "refused"


def _repair(case: Case, path: Path, known: list[tuple[str, Any]], sealed: bool) -> None:
    copy_files(case)
    before = _content(path)
    done = case.command("repair", "s.db")
    kept = (one for one in Path().glob("s.db*") if one.is_file())
    if before not in map(_content, kept):
        raise Problem("damaged", "repair does not keep the store as it was", done.out)
    if done.code == 0:
        checked = case.command("check", "s.db")
        if checked.code and "contains no study" not in checked.err:  # where no event was sound
            raise Problem("damaged", "check refuses what was repaired", done.out)
        if not sealed:
            _compare(path, known)
        case.command("status", "s.db")


def _content(path: Path) -> Any:
    """The rows of a log, or the bytes of a file that has none."""
    try:
        with _connected(path) as connection:
            return connection.execute("SELECT * FROM event LIMIT 1000").fetchall()
    except sqlite3.Error:
        return path.read_bytes()


@functools.cache
def _written(path: Path) -> list[tuple[str, Any]]:
    return _events(path, "s")


def _events(path: Path, study: str) -> list[tuple[str, Any]]:
    store = SqlStore(path)
    try:
        return [(event.kind, event.data) for event in store.read(study)]
    finally:
        store.close()


def _compare(path: Path, known: list[tuple[str, Any]]) -> None:
    """What is read of a store whose digests were left is the beginning of what was written."""
    try:
        found = _events(path, "s")
    except StoreError:
        return
    if found != known[: len(found)]:
        place = next(n for n, (a, b) in enumerate(zip(found, known, strict=False)) if a != b)
        raise Problem("damaged", "an altered log is read", f"{found[place]} was {known[place]}")


# -- rows -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def _connected(path: Path) -> Any:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        yield connection


def alter_rows(case: Case, path: Path, sealed: bool) -> None:
    """Alter rows of the log, and make its digests fit again if ``sealed``."""
    rng = case.rng
    study = rng.choice("ssst")
    with _connected(path) as connection:
        query = "SELECT * FROM event WHERE study = ? ORDER BY number"
        rows: list[Row] = [list(row) for row in connection.execute(query, (study,))]
        for _ in range(1 if rng.random() < 0.8 else rng.randint(2, 5)):
            _alter(case, rng, rows)
            if not rows:
                break
        if sealed and rng.random() < 0.7:
            connection.execute("DELETE FROM snapshot WHERE study = ?", (study,))
        connection.execute("DELETE FROM event WHERE study = ?", (study,))
        previous = ""
        for row in rows:
            if sealed:
                row[5] = previous = _digest(previous, row)
            with contextlib.suppress(sqlite3.Error, UnicodeEncodeError, OverflowError):
                connection.execute("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)", row)
    case.note("sealed" if sealed else "digests left")


def _digest(previous: str, row: Row) -> str:
    try:
        return chain_digest(previous, *row[1:5])
    except (TypeError, UnicodeEncodeError):
        return str(row[5])


def _alter(case: Case, rng: Random, rows: list[Row]) -> None:
    place = rng.randrange(len(rows))
    row, drawn = rows[place], rng.random()
    if rng.random() < 0.25:
        place, row = 0, rows[0]
    if drawn < 0.7:
        if isinstance(row[3], str) and row[3]:
            with contextlib.suppress(ValueError, RecursionError):  # altered before
                row[3], told = alter_json(rng, row[3], rng.choice((1, 1, 1, 2, 3)))
                case.note(f"row {place} ({row[2]}):", told, "; now", row[3][:200])
    elif drawn < 0.75:
        row[4] = rng.choice(["[1e400,1]", "[]", "null", '"x"', "[1,2,3]", "[NaN,1]", "[true,1]"])
        row[4] = rng.choice([row[4], alter_json(rng, "[1.5,2.5]")[0], None, b"\xff", 3])
        case.note(f"row {place}: measured {str(row[4])[:80]}")
    elif drawn < 0.8:
        row[2] = rng.choice(KINDS)
        case.note(f"row {place}: kind {row[2]!r}")
    elif drawn < 0.84:
        del rows[place]
        for number, one in enumerate(rows, 1):
            one[1] = number if rng.random() < 0.9 else one[1]
        case.note(f"row {place} is gone")
    elif drawn < 0.88:
        rows.insert(rng.randint(0, len(rows)), list(row))
        for number, one in enumerate(rows, 1):
            one[1] = number
        case.note(f"row {place} twice")
    elif drawn < 0.92:
        other = rng.choice(rows)
        row[2:5], other[2:5] = other[2:5], row[2:5]
        case.note(f"row {place} and that of number {other[1]!r} have changed places")
    elif drawn < 0.95:
        row[1] = rng.choice([0, -1, 2**62, 1.5, "x", None, 1000, b"1"])
        case.note(f"row {place}: number {row[1]!r}")
    elif drawn < 0.98:
        name = rng.choice(TEXTS)
        for one in rows if rng.random() < 0.5 else [row]:
            one[0] = name
        case.note(f"row {place}: study {name!r}")
    else:
        column = rng.choice((3, 4, 5))
        row[column] = rng.choice([None, b"\xff\xfe", b"{}", 3, 1e300, "", text(rng)])
        case.note(f"row {place}: column {column} is {row[column]!r:.80}")


def alter_lease(case: Case, path: Path) -> None:
    """Put a lease there."""
    rng = case.rng
    now = time.time()
    here = {"host": os.uname().nodename, "pid": 1, "started": "1", "token": "x"}
    holder = rng.choice(
        [
            json.dumps(here),
            json.dumps({**here, "host": "elsewhere"}),
            alter_json(rng, json.dumps(here))[0],
            str(value(rng))[:100_000],
            None,
            b"\xff",
        ]
    )
    beat = rng.choice([now, now + 1e9, -1.0, 1e308, float("inf"), "x", None, b"\xff", 0])
    case.note(f"lease {str(holder)[:200]} {beat}")
    with _connected(path) as connection, contextlib.suppress(sqlite3.Error, UnicodeEncodeError):
        connection.execute("INSERT OR REPLACE INTO lease VALUES ('s', ?, ?)", (holder, beat))


def alter_snapshots(case: Case, path: Path) -> bool:
    """Alter snapshots; says whether their digests fit."""
    rng = case.rng
    sealed = rng.random() < 0.5
    with _connected(path) as connection:
        rows = connection.execute("SELECT * FROM snapshot").fetchall()
        if not rows:
            raise RuntimeError("there are no snapshots")
        study, number, digest, body = rng.choice(rows)
        body, told = alter_json(rng, body, rng.choice((1, 1, 2)))
        new = number if rng.random() < 0.8 else rng.choice([0, -8, number + 1, number + 800])
        if sealed:
            query = "SELECT digest FROM event WHERE study = ? AND number = ?"
            found = connection.execute(query, (study, new)).fetchone()
            with contextlib.suppress(UnicodeEncodeError):
                digest = chain_digest(found[0] if found else "", new, "segment", body, "")
        case.note(f"snapshot {number} of {study}: {told}; now {body[:300]}", sealed)
        with contextlib.suppress(sqlite3.Error, UnicodeEncodeError):
            connection.execute("DELETE FROM snapshot WHERE study = ? AND number = ?", rows[0][:2])
            row = (study, new, digest, body)
            connection.execute("INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?, ?)", row)
    return sealed


COUNTING = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) "
TABLES = (
    "ALTER TABLE event RENAME TO events",
    "ALTER TABLE event RENAME COLUMN body TO bodies",
    "ALTER TABLE event RENAME COLUMN digest TO d",
    "ALTER TABLE event DROP COLUMN digest",
    "ALTER TABLE event DROP COLUMN measured",
    "ALTER TABLE event ADD COLUMN more TEXT",
    "ALTER TABLE lease RENAME TO leases",
    "ALTER TABLE lease DROP COLUMN beat",
    "ALTER TABLE lease RENAME COLUMN holder TO h",
    "ALTER TABLE snapshot RENAME TO snapshots",
    "ALTER TABLE snapshot DROP COLUMN body",
    "DROP TABLE event",
    "DROP TABLE lease",
    "DROP TABLE snapshot",
    "DELETE FROM event",
    "DELETE FROM snapshot",
    "CREATE TRIGGER x AFTER INSERT ON event BEGIN DELETE FROM event; END",
    "CREATE TRIGGER x AFTER INSERT ON event BEGIN SELECT raise(ABORT, 'no'); END",
    "CREATE TRIGGER x AFTER UPDATE ON lease BEGIN DELETE FROM lease; END",
    "CREATE TRIGGER x BEFORE INSERT ON snapshot BEGIN SELECT raise(IGNORE); END",
    "DROP TABLE event; CREATE VIEW event AS " + COUNTING + "SELECT 's' AS study, n AS number, "
    "'note' AS kind, '{}' AS body, '' AS measured, '' AS digest FROM c",
    "DROP TABLE event; CREATE TABLE event (study, number, kind, body, measured, digest)",
    "DROP TABLE event; CREATE TABLE event (a)",
    "DROP TABLE lease; CREATE TABLE lease (a)",
    "DROP TABLE lease; CREATE VIEW lease AS " + COUNTING + "SELECT n AS study, n AS holder, "
    "n AS beat FROM c",
    "DROP TABLE snapshot; CREATE TABLE snapshot (study, number, digest, body)",
    "PRAGMA user_version = 99",
    "PRAGMA application_id = 99",
    "PRAGMA encoding = 'UTF-16'",
    "PRAGMA page_size = 65536; VACUUM",
    "PRAGMA auto_vacuum = 1; VACUUM",
    "PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = 'CREATE TABLE event (x'",
    "PRAGMA writable_schema = 1; UPDATE sqlite_master SET rootpage = 1",
    "PRAGMA writable_schema = 1; UPDATE sqlite_master SET rootpage = 9999 WHERE name = 'event'",
    "CREATE TABLE more (x)",
    "CREATE VIEW more AS SELECT * FROM more",
)


def alter_tables(case: Case, path: Path) -> None:
    """Alter tables, columns and settings of the database."""
    told = case.rng.choice(TABLES)
    case.note(told)
    with _connected(path) as connection, contextlib.suppress(sqlite3.Error):
        connection.executescript(told)


def _bytes(case: Case, path: Path) -> None:
    content = path.read_bytes()
    drawn = case.rng.random()
    if drawn < 0.1:
        size = case.rng.choice([0, 1, 100, 512, 4096])
        beside = case.rng.choice(["s.db-wal", "s.db-journal", "s.db-shm"])
        Path(beside).write_bytes(case.rng.randbytes(size))
        case.note(f"{beside} of {size} bytes")
        return
    if drawn < 0.2:  # in place of a text, so that the page stays sound
        old = case.rng.choice([b"accuracy", b'"n":', b"0.3", b"told", b"mlp", b"true"])
        new = bytes(case.rng.choices(b'0123456789abc\xff"{', k=len(old)))
        path.write_bytes(content.replace(old, new))
        case.note(f"{old!r} is {new!r} everywhere")
        return
    altered, told = alter_bytes(case.rng, content)
    case.note(told)
    path.write_bytes(altered)
