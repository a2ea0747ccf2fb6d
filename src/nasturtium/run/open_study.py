"""Open a study from its store, to read it or to finish its answer."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from difflib import get_close_matches
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn, final

from nasturtium.architecture import Architecture
from nasturtium.errors import StoreError
from nasturtium.run.call import NO_TEXT
from nasturtium.run.names import build_part, find_recipe_space
from nasturtium.run.trust import check_trust, names_user_code
from nasturtium.run.validate_manifest import validate_manifest
from nasturtium.space.base import Space
from nasturtium.space.choice_space import ChoiceSpace
from nasturtium.strategy.random_search import RandomSearch
from nasturtium.study.objective import Objective
from nasturtium.study.stores.base import Store
from nasturtium.study.study import Study

if TYPE_CHECKING:
    from torch import nn

__all__ = ["open_study", "read_manifest"]


def read_manifest(log: Store, name: str | None, *, whole: bool = True) -> Mapping[str, Any]:
    """Return the manifest of a study in a store; the name may be left out if there is one study.

    Args:
        log: the store.
        name: the study.
        whole: whether to check all of it, and not only the part that ``status`` needs.

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
            return validate_manifest(event.data, wanted, whole=whole)
        break
    near = get_close_matches(wanted, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise StoreError(
        f"the store has no study {wanted!r}{hint} (it has: {', '.join(names) or 'none'})"
    )


def open_study(
    log: Store,
    name: str | None = None,
    *,
    with_space: bool = False,
    own: bool = True,
    trust: bool = False,
    why: str = "the study was opened to be read",
) -> Study:
    """Open a study to read its history, best trial, front, manifest and notes.

    Args:
        log: the store.
        name: of the study; may be left out if there is one.
        with_space: whether to build its space, as retraining needs; else it is not imported.
        own: whether this may be the user's own space, whose code then runs.
        trust: whether the code may run although this user has not searched with it before.
        why: the reason in the message if the space is used without having been built.

    Raises:
        StoreError: there is no such study, only its program has its space, or the space is code
            that may not run.
    """
    manifest = read_manifest(log, name)
    title = str(manifest["name"])
    space: Space = AbsentSpace(manifest["space"]["name"], why)
    if with_space:
        call = manifest["call"]
        joint = manifest["space"].get("recipe") is not None
        parts = {kind: call[kind] for kind in (("space", "recipe") if joint else ("space",))}
        if NO_TEXT in parts.values():
            raise StoreError(
                f"study {title!r} was made by a program with its own space or recipe; call "
                "nas.retrain(study) in that program, where they are"
            )
        if own or not names_user_code(parts):
            check_trust(parts, trust)
            space = _build_space(parts["space"], parts.get("recipe") or "", manifest["data"])
        else:
            space = AbsentSpace(
                space.name,
                f"the user's own space ({parts['space']}) is code, and a "
                "command that only reads runs none",
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


def _build_space(text: str, recipe: str, data: Mapping[str, Any]) -> Space:

    space: Space = build_part("space", text).bind_known(
        inputs=tuple(data["inputs"]), classes=data["classes"]
    )
    settings = find_recipe_space(recipe)
    if settings is not None and isinstance(space, ChoiceSpace):
        return space.joined(settings)
    return space


@final
class AbsentSpace(Space):
    """Stand-in for the space of a study that is only read."""

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
        raise StoreError(f"the space {self.name!r} is not available: {self.why}")
