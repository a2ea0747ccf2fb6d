"""A study read back from its log: to look at, to finish, or to say how it was started."""

from __future__ import annotations

import shlex
from collections.abc import Hashable, Mapping
from difflib import get_close_matches
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn, final

from nasturtium.architecture import Architecture
from nasturtium.errors import StoreError
from nasturtium.run.manifest import FORMAT
from nasturtium.space.base import Space
from nasturtium.strategy.random import RandomSearch
from nasturtium.study.store import SqlStore, Store
from nasturtium.study.study import Study
from nasturtium.study.trial import Objective

if TYPE_CHECKING:
    from torch import nn

__all__ = ["found", "manifest_in", "parted", "reopen", "replay"]

NEEDED = ("name", "space", "objectives", "within", "seed", "call", "data", "numerics")
UNSAID = "?"  # stands in a manifest's call for an object that no text names


def parted(text: str) -> tuple[str, str | None]:
    """The store and the study in ``study.db``, ``study.db:name`` or ``postgresql://.../db:name``.

    Example:
        >>> parted("runs/study.db:digits-mobilenet-evolution")
        ('runs/study.db', 'digits-mobilenet-evolution')
    """
    if "://" not in text and Path(text).exists():
        return text, None
    start = max(text.rfind("/"), text.rfind("\\")) + 1
    last, colon, name = text[start:].partition(":")
    return (text[:start] + last, name) if colon and last and name else (text, None)


def found(text: str) -> tuple[Store, str | None]:
    """The store that ``store[:name]`` says, which has to be there, and the study's name.

    Raises:
        StoreError: there is no such file, or it is no store.
    """
    where, name = parted(text)
    if "://" not in where and not Path(where).exists():
        raise StoreError(
            f"there is no store {where!r} (looked in {Path.cwd()}); a search makes one, "
            "study.db if not told otherwise"
        )
    return SqlStore(where), name


def manifest_in(log: Store, name: str | None) -> Mapping[str, Any]:
    """The manifest of a study in a store; the name may be left out where there is one study.

    Raises:
        StoreError: there is no such study, or several to choose from.
    """
    names = log.studies()
    if name is None and len(names) != 1:
        raise StoreError(
            f"the store holds {len(names)} studies ({', '.join(names) or 'none'}); "
            + ("say which one, as store:name" if names else "start one with nasturtium search")
        )
    wanted = name or names[0]
    for event in log.read(wanted):
        if event.kind == "manifest":
            assert isinstance(event.data, Mapping)
            return _readable(event.data, wanted)
        break
    near = get_close_matches(wanted, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise StoreError(
        f"the store has no study {wanted!r}{hint} (it has: {', '.join(names) or 'none'})"
    )


def _readable(manifest: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The manifest, if this version can read it."""
    missing = [entry for entry in NEEDED if entry not in manifest]
    if manifest.get("format") != FORMAT or missing:
        raise StoreError(
            f"study {name!r} was written by another version: its manifest has format "
            f"{manifest.get('format')!r}"
            + (f" and lacks {', '.join(missing)}" if missing else "")
            + f"; this one reads format {FORMAT}; open it with nasturtium "
            f"{manifest.get('versions', {}).get('nasturtium', 'of its time')}"
        )
    return manifest


def reopen(log: Store, name: str | None = None, *, with_space: bool = False) -> Study:
    """A study to read: its history, best trial, front, manifest and notes; nothing is asked for.

    Args:
        log: where it is.
        name: which; may be left out where there is one.
        with_space: also make its space, as finishing needs; else nothing of it is imported.

    Raises:
        StoreError: there is no such study, or only its program has its space.
    """
    manifest = manifest_in(log, name)
    title = str(manifest["name"])
    space: Space = Absent(str(manifest["space"].get("name", "space")))
    if with_space:
        call = manifest["call"]
        joint = manifest["space"].get("recipe") is not None
        if call["space"] == UNSAID or (joint and call["recipe"] == UNSAID):
            raise StoreError(
                f"study {title!r} was made by a program with its own space or recipe; call "
                "nas.finish(study) in that program, where they are"
            )
        space = _made(call["space"], call["recipe"] if joint else "", manifest["data"])
    return Study(
        space,
        RandomSearch(),  # never asked
        objectives=[Objective(**one) for one in manifest["objectives"]],
        within=[Objective(**one) for one in manifest["within"]],
        store=log,
        name=title,
        seed=manifest["seed"],
    )


def _made(text: str, recipe: str, data: Mapping[str, Any]) -> Space:
    from nasturtium.run.names import made, recipe_space
    from nasturtium.space.choice import ChoiceSpace

    space = made("space", text)
    assert isinstance(space, Space)
    space = space.taking(inputs=tuple(data["inputs"]), classes=data["classes"])
    settings = recipe_space(recipe)
    if settings is not None and isinstance(space, ChoiceSpace):
        return space.joined(settings)
    return space


def replay(manifest: Mapping[str, Any]) -> str:
    """The command that makes the same study.

    Raises:
        StoreError: it was started from objects that no command line can say.
    """
    call = manifest["call"]
    missing = [key for key, value in call.items() if value == UNSAID]
    if missing:
        raise StoreError(
            f"study {manifest['name']!r} was started by a program with its own "
            f"{', '.join(missing)}; no command line says the same, run that program again"
        )
    words = ["nasturtium", "search", str(call["data"])]
    numerics = manifest["numerics"]
    exact = {
        "numerics": ",".join(f"{key}={value}" for key, value in numerics.items()),
        "executor": f"processes(workers={manifest['workers']})",
        "name": manifest["name"],
    }
    if manifest["executor"] == "here":
        exact["executor"] = "here"
    for key, value in {**call, **exact}.items():
        if key in ("data", "store") or value is None:
            continue
        option = key.replace("_", "-")
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(one, bool):
                words.append(f"--{'' if one else 'no-'}{option}")
            else:
                words += [f"--{option}", str(one)]
    return shlex.join(words)


@final
class Absent(Space):
    """Stands for the space of a study that is only read."""

    def __init__(self, name: str) -> None:
        self.name = name

    def sample(self, rng: Random) -> Architecture:
        self._refuse()

    def mutate(self, parent: Architecture, rng: Random) -> Architecture:
        self._refuse()

    def cross(self, mother: Architecture, father: Architecture, rng: Random) -> Architecture:
        self._refuse()

    def build(self, architecture: Architecture, *, seed: int | None = None) -> nn.Module:
        self._refuse()

    def canonical(self, architecture: Architecture) -> Hashable:
        return architecture.key

    def using(self, **arguments: Any) -> Space:
        return self

    def describe(self) -> Mapping[str, Any]:
        return {"name": self.name}

    def _refuse(self) -> NoReturn:
        raise StoreError(
            f"the study was opened to be read, without its space {self.name!r}; open it with "
            "reopen(log, name, with_space=True)"
        )
