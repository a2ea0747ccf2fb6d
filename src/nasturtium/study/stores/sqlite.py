"""How an SQLite file is opened: to be written, or to be read without a trace."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

__all__ = ["active", "alone", "lenient", "reading", "writing"]

WAIT = 30.0  # seconds for another process to let go


def writing(path: Path) -> sqlite3.Connection:
    """A connection that may write; an existing file is not changed by opening it.

    Transactions are begun by hand: ``BEGIN IMMEDIATE`` takes the write lock at once instead of
    failing half-way.
    """
    connection = sqlite3.connect(path, timeout=WAIT, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, and leaves nothing beside the file where it can.

    While another process has the file open, its write-ahead log is read as well. Else the file is
    read alone, also on a medium that cannot be written; :func:`alone` says whether it still may be.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    if alone(path) is None:
        return _opened(path, "mode=ro")
    return _opened(path, "mode=ro&immutable=1")


def alone(path: Path) -> tuple[int, int] | None:
    """What identifies the file's content while no other process has it open; ``None`` if one has.

    Nothing waits in a write-ahead log then, and a reader sees all in the file itself.
    """
    for suffix in ("-wal", "-journal"):
        beside = path.with_name(path.name + suffix)
        try:
            if beside.stat().st_size or os.access(path.parent, os.W_OK):
                return None
        except OSError:
            continue
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def _opened(path: Path, flags: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?{flags}",
        uri=True,
        timeout=WAIT,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def active(connection: Any) -> str | None:
    """A view or a trigger in a database, where there is one: neither is of ours.

    A view in place of a table can compute rows without an end, and a trigger can change what is
    written.
    """
    query = "SELECT type, name FROM sqlite_master WHERE type IN ('view', 'trigger') LIMIT 1"
    row = connection.exec_driver_sql(query).fetchone()
    return None if row is None else f"{row[0]} {str(row[1])[:80]!r}"


def lenient(text: bytes) -> str:
    """A text as it is stored, what is not UTF-8 in it replaced: its digest tells that it is not."""
    return text.decode("utf-8", "replace")
