"""A study read back from its log: to look at, to finish, or to say how it was started."""

from __future__ import annotations

import shlex
from collections.abc import Hashable, Mapping
from difflib import get_close_matches
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn, final

from nasturtium.architecture import Architecture
from nasturtium.atomic_write import present
from nasturtium.errors import StoreError
from nasturtium.run.arguments import plain_text
from nasturtium.run.manifest import UNSAID
from nasturtium.run.names import NAMES, admit, foreign, made, recipe_space
from nasturtium.run.validate_manifest import checked
from nasturtium.space.base import Space
from nasturtium.strategy.random_search import RandomSearch
from nasturtium.study.objective import Objective
from nasturtium.study.stores.base import Store
from nasturtium.study.stores.redact import redact
from nasturtium.study.stores.sql import SqlStore
from nasturtium.study.study import Study

if TYPE_CHECKING:
    from torch import nn

REPEATED = {"objectives": "objective", "constraints": "constraint"}  # options given once a value

__all__ = ["admitted", "found", "manifest_in", "parted", "reopen", "replay"]


def parted(text: str) -> tuple[str, str | None]:
    """The store and the study in ``study.db``, ``study.db:name`` or ``postgresql://.../db:name``.

    Example:
        >>> parted("runs/study.db:digits-mobilenet-evolution")
        ('runs/study.db', 'digits-mobilenet-evolution')
    """
    if "://" not in text and present(Path(text)):
        return text, None
    start = max(text.rfind("/"), text.rfind("\\")) + 1
    last, colon, name = text[start:].partition(":")
    return (text[:start] + last, name) if colon and last and name else (text, None)


def found(text: str, *, read_only: bool = False) -> tuple[SqlStore, str | None]:
    """The store that ``store[:name]`` says, which has to be there, and the study's name.

    Args:
        text: the store, and the study.
        read_only: whether it is only looked at, and may lie on a medium that cannot be written.

    Raises:
        StoreError: there is no such file, or it is no store.
    """
    where, name = parted(text)
    if "://" not in where and not present(Path(where)):
        raise StoreError(
            f"there is no store {where!r} (looked in {Path.cwd()}); a search makes one, "
            "study.db if not told otherwise"
        )
    return SqlStore(where, read_only=read_only), name


def manifest_in(log: Store, name: str | None, *, whole: bool = True) -> Mapping[str, Any]:
    """The manifest of a study in a store; the name may be left out where there is one study.

    Args:
        log: the store.
        name: the study.
        whole: check all of it; else what is needed to say how the study stands.

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
            return checked(event.data, wanted, whole=whole)
        break
    near = get_close_matches(wanted, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise StoreError(
        f"the store has no study {wanted!r}{hint} (it has: {', '.join(names) or 'none'})"
    )


def reopen(
    log: Store,
    name: str | None = None,
    *,
    with_space: bool = False,
    own: bool = True,
    trust: bool = False,
    why: str = "the study was opened to be read",
) -> Study:
    """A study to read: its history, best trial, front, manifest and notes; nothing is asked for.

    Args:
        log: where it is.
        name: which; may be left out where there is one.
        with_space: also make its space, as finishing needs; else nothing of it is imported.
        own: whether this may be a space of the user's own, whose code then runs.
        trust: let it run also where this user has not searched with the same content before.
        why: what is said where the space is asked for and not there.

    Raises:
        StoreError: there is no such study, only its program has its space, or its space is code
            that may not run.
    """
    manifest = manifest_in(log, name)
    title = str(manifest["name"])
    space: Space = Absent(manifest["space"]["name"], why)
    if with_space:
        call = manifest["call"]
        joint = manifest["space"].get("recipe") is not None
        parts = {kind: call[kind] for kind in (("space", "recipe") if joint else ("space",))}
        if UNSAID in parts.values():
            raise StoreError(
                f"study {title!r} was made by a program with its own space or recipe; call "
                "nas.retrain(study) in that program, where they are"
            )
        if own or not foreign(parts):
            admit(parts, trust)
            space = _made(parts["space"], parts.get("recipe") or "", manifest["data"])
        else:
            space = Absent(
                space.name,
                f"a space of the user's own ({parts['space']}) is code, and "
                "a command that only reads runs none",
            )
    return Study(
        space,
        RandomSearch(),  # never asked
        objectives=[Objective(**one) for one in manifest["objectives"]],
        constraints=[Objective(**one) for one in manifest["constraints"]],
        store=log,
        name=title,
        seed=manifest["seed"],
    )


def admitted(manifest: Mapping[str, Any], trust: bool) -> dict[str, Any]:
    """The call in a manifest, once the code that it names may run.

    Raises:
        StoreError: some of it may not; the message says what to do.
    """
    call = dict(manifest["call"])
    admit(_named(call), trust)
    return call


def _named(call: Mapping[str, Any]) -> dict[str, str]:
    """The texts of a call that name parts."""
    texts = {kind: call.get(kind) for kind in NAMES}
    return {kind: text for kind, text in texts.items() if isinstance(text, str) and text != UNSAID}


def _made(text: str, recipe: str, data: Mapping[str, Any]) -> Space:
    from nasturtium.space.choice_space import ChoiceSpace

    space: Space = made("space", text).bind_known(
        inputs=tuple(data["inputs"]), classes=data["classes"]
    )
    settings = recipe_space(recipe)
    if settings is not None and isinstance(space, ChoiceSpace):
        return space.joined(settings)
    return space


def replay(manifest: Mapping[str, Any], store: str | None = None, *, trust: bool = False) -> str:
    """The command that makes the same study, quoted for the shell.

    Args:
        manifest: of the study.
        store: where it is; left out where the command line would take the same.
        trust: also a command that runs code which this user has not searched with.

    Raises:
        StoreError: it was started from objects that no command line can say, or the command would
            run code that this user has not searched with.
    """
    call = manifest["call"]
    missing = [key for key, value in call.items() if value == UNSAID]
    if missing:
        raise StoreError(
            f"study {manifest['name']!r} was started by a program with its own "
            f"{', '.join(missing)}; no command line says the same, run that program again"
        )
    admit(_named(call), trust)
    exact = {
        "numerics": plain_text(manifest["numerics"]),
        "executor": f"processes(workers={manifest['workers']})",
        "store": None if store in (None, "study.db") else redact(str(store)),
        "name": manifest["name"],
    }
    if manifest["executor"] == "here":
        exact["executor"] = "here"
    words = ["nasturtium", "search"]
    for key, value in {**call, **exact}.items():
        if key == "data" or value is None:
            continue
        option = REPEATED.get(key) or key.replace("_", "-")
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(one, bool):
                words.append(f"--{'' if one else 'no-'}{option}")
            else:
                words += [f"--{option}", str(one)]
    data = str(call["data"])
    words[2:2] = [data] if not data.startswith("-") else []
    words += ["--", data] if data.startswith("-") else []
    strange = [word for word in words if not word.isprintable()]
    if strange:
        raise StoreError(
            f"study {manifest['name']!r} has {strange[0]!r} in its call, which cannot be pasted "
            "into a shell safely; start it from Python"
        )
    return shlex.join(words)


@final
class Absent(Space):
    """Stands for the space of a study that is only read."""

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self.why = why

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

    def bind(self, **arguments: Any) -> Space:
        return self

    def describe(self) -> Mapping[str, Any]:
        return {"name": self.name}

    def _refuse(self) -> NoReturn:
        raise StoreError(f"the space {self.name!r} is not at hand: {self.why}")
