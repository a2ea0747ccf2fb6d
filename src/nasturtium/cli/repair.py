"""``nasturtium check`` and ``nasturtium repair``: whether a store is sound, and what if not."""

from __future__ import annotations

import shlex

import typer

from nasturtium.cli.answer import StoreName, print_rows
from nasturtium.errors import StoreError

__all__ = ["check", "repair"]


def check(study: StoreName) -> None:
    """Compare every event and kept file of a store with its digest; changes nothing."""
    from nasturtium.run.store_address import find_store
    from nasturtium.study.stores.repair import examine

    store, name = find_store(study, read_only=True)
    names = store.studies() if name is None else (name,)
    if not names or (name is not None and name not in store.studies()):
        raise StoreError(f"{study} holds no study to check")
    examined = [examine(store, one) for one in names]
    for place, one in enumerate(examined):
        if place:
            typer.echo()
        print_rows(one.lines())
    damaged = [one.study for one in examined if not one.sound]
    if damaged:
        raise StoreError(
            f"{', '.join(damaged)}: damaged; nasturtium repair {shlex.quote(study)} keeps what "
            "holds and sets the rest aside"
        )


def repair(study: StoreName) -> None:
    """Keep what holds of a damaged store, and set the rest aside; nothing is deleted."""
    from nasturtium.run.store_address import find_store
    from nasturtium.study.stores.repair import repair

    done = repair(*find_store(study))
    for line in done or ["nothing is damaged, and nothing was changed"]:
        typer.echo(line)
