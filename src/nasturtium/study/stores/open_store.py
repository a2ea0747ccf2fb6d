"""Opening a store from a path or an address."""

from __future__ import annotations

from pathlib import Path

from nasturtium.study.stores.base import Store
from nasturtium.study.stores.database import sqlite_path
from nasturtium.study.stores.memory import MemoryStore
from nasturtium.study.stores.sql import SqlStore

__all__ = ["files_folder", "open_store"]


def open_store(store: Store | str | Path | None) -> Store:
    """Return the store at a path or URL; ``None`` gives a new one in memory."""
    if isinstance(store, Store):
        return store
    return MemoryStore() if store is None else SqlStore(store)


def files_folder(store: Store | str | Path | None) -> Path | None:
    """Return the folder for the files of a store; ``None`` for a store in memory.

    A database on a server is asked for it, an SQLite file is not opened.
    """
    if store is None or isinstance(store, Store):
        return None if store is None else store.folder
    path = sqlite_path(str(store) if "://" in str(store) else f"sqlite:///{store}")
    if path is not None:
        return Path(f"{path}.files")
    opened = SqlStore(store)
    try:
        return opened.folder
    finally:
        opened.close()
