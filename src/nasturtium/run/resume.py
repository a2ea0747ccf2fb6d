"""The function :func:`resume`: continue a study by its name alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nasturtium.errors import StoreError
from nasturtium.run.call import NO_TEXT
from nasturtium.run.open_study import read_manifest
from nasturtium.run.search import search
from nasturtium.run.trust import trusted_call
from nasturtium.study.stores.base import Store
from nasturtium.study.stores.open_store import open_store
from nasturtium.study.study import Study

__all__ = ["resume"]

# Budget and surroundings, which may differ from those that a study was started with.
CHANGES = ("trials", "hours", "executor", "time_limit", "progress", "watch")


def resume(
    store: Store | str | Path, name: str | None = None, *, trust: bool = False, **changes: Any
) -> Study:
    """Resume a study that was started from the command line, or from parts that texts name.

    Args:
        store: where its log is.
        name: which study; may be left out if the store holds one.
        trust: let files and modules run that the store names, also those that this user has not
            searched with before.
        **changes: budget and surroundings: ``trials``, ``hours``, ``executor``, ``time_limit``,
            ``progress``, ``watch``.

    Returns:
        the study.

    Raises:
        StoreError: there is no such study, or it was started from objects that only its program
            has; calling :func:`nasturtium.search` with them again resumes it. Or it names code of
            which this user has not run the same content.

    Example:
        >>> import nasturtium as nas
        >>> store = nas.MemoryStore()
        >>> study = nas.search("digits", space="nasbench201(cells=1,channels=4)", trials=1,
        ...     recipe="epochs=1", executor="here", store=store, control=0)
        >>> len(nas.resume(store, trials=2).history)
        2
    """
    unknown = [key for key in changes if key not in CHANGES]
    if unknown:
        raise StoreError(
            f"resume got {unknown[0]}={changes[unknown[0]]!r}; a study is resumed with the "
            f"settings that it was started with, and {', '.join(CHANGES)} may change"
        )
    log = open_store(store)
    manifest = read_manifest(log, name)
    call = trusted_call(manifest, trust)
    missing = [key for key, value in call.items() if value == NO_TEXT]
    if missing:
        raise StoreError(
            f"study {manifest['name']!r} was started by a program with its own "
            f"{', '.join(missing)}; run that program again to resume it"
        )
    kept = {key: _tupled(value) for key, value in call.items() if value is not None}
    kept.setdefault("split_seed", manifest["seed"])  # older studies used one seed for both
    return search(**{**kept, **changes, "store": log, "name": manifest["name"]})


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
