"""Spaces and studies described for people."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from nasturtium.errors import EstimateError, SpaceError
from nasturtium.run.names import NAMES, made
from nasturtium.run.reopen import UNSAID, parted
from nasturtium.space.base import Space
from nasturtium.space.choice import ChoiceSpace
from nasturtium.space.graph import GraphSpace

if TYPE_CHECKING:
    from torch import nn

__all__ = ["is_study", "listed", "of_space", "of_study"]


def is_study(text: str) -> bool:
    """Whether a text says a study (``study.db``, ``study.db:name``) and not a space."""
    where = parted(text)[0]
    if "://" in where:
        return True
    if where.endswith(".py") or text.partition("(")[0] in NAMES["space"]:
        return False
    return Path(where).is_file() or Path(where).suffix in (".db", ".sqlite", ".sqlite3")


def listed() -> list[dict[str, str]]:
    """Name, size and one line of each space that has a name."""
    table = []
    for name in sorted(NAMES["space"]):
        space = made("space", name)
        table.append({"name": name, "size": _size(space), "about": _first(space.__doc__)})
    return table


def of_space(text: str) -> dict[str, Any]:
    """What a space is: its size, paper, arguments, decisions, and an example, drawn.

    Values are texts, or lists of lines.

    Raises:
        SpaceError: there is no such space.
    """
    import torch

    space = made("space", text)
    if not isinstance(space, Space):
        raise SpaceError(f"{text} is {type(space).__name__}; expected a space, see @nas.space")
    told: dict[str, Any] = {"space": space.name, "about": _first(space.__doc__)}
    made_of = space if isinstance(space, (ChoiceSpace, GraphSpace)) else None
    if made_of is not None:
        home = made_of.builder.__module__
        if home.startswith("nasturtium.space.zoo."):
            told["paper"] = _paper(sys.modules[home].__doc__)
        told["arguments"] = ", ".join(_arguments(made_of))
    told["size"] = _size(space)
    if isinstance(space, ChoiceSpace):
        told["decisions"] = [f"{one.name}: {one.options_text()}" for one in space.discover()]
    if isinstance(space, GraphSpace):
        told["mutations"] = [f"{one.__name__}: {_first(one.__doc__)}" for one in space.mutations]
    drawn = [space.sample(Random(seed)) for seed in range(5)]
    example = max(drawn, key=len) if isinstance(space, GraphSpace) else drawn[0]
    with torch.device("meta"):  # it may be larger than this machine
        network = space.build(example)
    told["example"] = ", ".join(f"{key}={value}" for key, value in example.items())
    told["its parameters"] = f"{sum(one.numel() for one in network.parameters()):,}"
    if made_of is not None and "inputs" in made_of.facts:
        told["its parts"] = _parts(network, tuple(made_of.facts["inputs"]))
    return told


def of_study(manifest: Mapping[str, Any]) -> dict[str, str]:
    """How a study was made, from its manifest."""
    data, call = manifest["data"], manifest["call"]
    counts = ", ".join(f"{size} {part}" for part, size in data["examples"].items())
    told = {
        "study": manifest["name"],
        "data": f"{data['name']}, {data['classes']} classes, inputs {tuple(data['inputs'])}; "
        f"{counts}",
        "space": f"{manifest['space']['name']}, {_asks(manifest['space'])}",
    }
    for part in ("strategy", "estimator"):
        text = call[part]
        told[part] = str(manifest[part]["name"] if text == UNSAID else text)
    told["objectives"] = ", ".join(f"{o['goal']} {o['metric']}" for o in manifest["objectives"])
    told["within"] = ", ".join(
        f"{o['metric']}{'<' if o['goal'] == 'min' else '>'}{o['bound']:g}"
        for o in manifest["within"]
    )
    told["recipe"] = ", ".join(f"{key}={value}" for key, value in manifest["recipe"].items())
    told["numerics"] = ", ".join(f"{key}={value}" for key, value in manifest["numerics"].items())
    told["workers"] = str(manifest["workers"])
    told["seed"] = str(manifest["seed"])
    told["versions"] = ", ".join(f"{key} {value}" for key, value in manifest["versions"].items())
    told["machine"] = ", ".join(f"{key}: {value}" for key, value in manifest["machine"].items())
    told["commit"] = manifest["commit"] or ""
    return told


def _parts(network: nn.Module, inputs: tuple[int, ...]) -> list[str]:
    """The network drawn on inputs of the bound shape, or of CIFAR-10's where none is."""
    from nasturtium.run.tree import tree

    shape = "x".join(map(str, inputs))
    try:
        return [f"on inputs of {shape}", *tree(network, inputs)]
    except EstimateError as error:
        return [f"not drawn, since inputs of {shape} do not fit: {error}"]


def _asks(space: Mapping[str, Any]) -> str:
    """What a space's description says that it is made of."""
    if "mutations" in space:
        return f"{len(space['mutations'])} mutations"
    asked = f"{space.get('decisions')} decisions"
    return asked if space.get("recipe") is None else f"{asked}, with recipe {space['recipe']}"


def _size(space: Space) -> str:
    if isinstance(space, GraphSpace):
        return "without bound"
    size = getattr(space, "size", None)
    return str(size()) if callable(size) else "not counted"


def _first(text: str | None) -> str:
    """The first sentence of a docstring."""
    return " ".join((text or "").split("\n\n")[0].split())


def _paper(text: str | None) -> str:
    """The second paragraph of a module's docstring, where a space's file names its paper."""
    parts = (text or "").split("\n\n")
    return " ".join(parts[1].split()) if len(parts) > 1 else ""


def _arguments(space: ChoiceSpace | GraphSpace) -> list[str]:
    shown = []
    for parameter in list(inspect.signature(space.builder).parameters.values())[1:]:
        if parameter.name in space.arguments:
            shown.append(f"{parameter.name}={space.arguments[parameter.name]!r}")
        elif parameter.default is not parameter.empty:
            shown.append(f"{parameter.name}={parameter.default!r}")
    return shown
