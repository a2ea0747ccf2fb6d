"""``nasturtium check`` and ``nasturtium repair``, for the integrity of stores."""

from __future__ import annotations

import shlex

import typer

from nasturtium.cli import options
from nasturtium.cli.output import print_rows
from nasturtium.errors import StoreError

__all__ = ["check", "repair"]


def check(study: options.StoreName) -> None:
    """Compare every event and kept file of a store with its digest; change nothing."""
    from nasturtium.run.store_address import find_store
    from nasturtium.study.stores.repair import examine

    store, name = find_store(study, read_only=True)
    names = store.studies() if name is None else (name,)
    if not names or (name is not None and name not in store.studies()):
        raise StoreError(f"{study} contains no study to check")
    examined = [examine(store, one) for one in names]
    for place, one in enumerate(examined):
        if place:
            typer.echo()
        print_rows(one.lines())
    damaged = [one.study for one in examined if not one.sound]
    if damaged:
        raise StoreError(
            f"{', '.join(damaged)}: damaged; nasturtium repair {shlex.quote(study)} keeps the "
            "valid part and sets the rest aside"
        )


def repair(study: options.StoreName) -> None:
    """Keep the valid part of a damaged store, and set the rest aside; delete nothing."""
    from nasturtium.run.store_address import find_store
    from nasturtium.study.stores.repair import repair

    done = repair(*find_store(study))
    for line in done or ["nothing is damaged, and nothing was changed"]:
        typer.echo(line)
