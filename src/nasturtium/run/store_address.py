"""Addresses of stores and studies: ``study.db`` and ``study.db:name``."""

from __future__ import annotations

from pathlib import Path

from nasturtium.atomic_write import present
from nasturtium.errors import StoreError
from nasturtium.study.stores.sql import SqlStore

__all__ = ["find_store", "split_address"]


def split_address(text: str) -> tuple[str, str | None]:
    """Split an address into store and study: ``study.db``, ``study.db:name`` or ``postgresql://.../db:name``.

    Example:
        >>> split_address("runs/study.db:digits-mobilenet-evolution")
        ('runs/study.db', 'digits-mobilenet-evolution')
    """
    if "://" not in text and present(Path(text)):
        return text, None
    start = max(text.rfind("/"), text.rfind("\\")) + 1
    last, colon, name = text[start:].partition(":")
    return (text[:start] + last, name) if colon and last and name else (text, None)


def find_store(text: str, *, read_only: bool = False) -> tuple[SqlStore, str | None]:
    """Open the store in ``store[:name]``, which has to exist, and return it with the name.

    Args:
        text: the address of the store, and of a study in it.
        read_only: whether it is only read, e.g. from a medium that cannot be written.

    Raises:
        StoreError: there is no such file, or it is not a store.
    """
    where, name = split_address(text)
    if "://" not in where and not present(Path(where)):
        raise StoreError(
            f"there is no store {where!r} (looked in {Path.cwd()}); a search makes one, "
            "study.db by default"
        )
    return SqlStore(where, read_only=read_only), name
