"""Opening an SQLite file for writing, or for reading without leaving a trace."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

__all__ = [
    "decode_leniently",
    "find_view_or_trigger",
    "open_for_reading",
    "open_for_writing",
    "unshared_state",
]

WAIT = 30.0  # seconds to wait for another process that holds the file


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Return a connection that may write; opening does not change an existing file.

    Transactions are started explicitly: ``BEGIN IMMEDIATE`` takes the write lock at once, where an
    implicit transaction would fail at its first write.
    """
    connection = sqlite3.connect(path, timeout=WAIT, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Return a connection that cannot write, and leaves no file beside this one where it can.

    While another process has the file open, its write-ahead log is read as well. Otherwise only
    the file itself is read, so a read-only medium works; :func:`unshared_state` tells whether that
    is still enough.

    Raises:
        sqlite3.Error: the file cannot be opened.
    """
    if unshared_state(path) is None:
        return _open_uri(path, "mode=ro")
    return _open_uri(path, "mode=ro&immutable=1")


def unshared_state(path: Path) -> tuple[int, int] | None:
    """Return what identifies the content of a file that no other process has open, else ``None``.

    Nothing waits in a write-ahead log then, and the file itself holds everything.
    """
    for suffix in ("-wal", "-journal"):
        beside = path.with_name(path.name + suffix)
        try:
            if beside.stat().st_size or os.access(path.parent, os.W_OK):
                return None
        except OSError:
            continue
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _open_uri(path: Path, flags: str) -> sqlite3.Connection:
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


def find_view_or_trigger(connection: Any) -> str | None:
    """Return a view or a trigger of a database, or ``None``; this package makes neither.

    A view in place of a table can compute rows without end, and a trigger can change what is
    written.
    """
    query = "SELECT type, name FROM sqlite_master WHERE type IN ('view', 'trigger') LIMIT 1"
    row = connection.exec_driver_sql(query).fetchone()
    return None if row is None else f"{row[0]} {str(row[1])[:80]!r}"


def decode_leniently(text: bytes) -> str:
    """Return a stored text with anything that is not UTF-8 replaced; its digest then differs."""
    return text.decode("utf-8", "replace")
