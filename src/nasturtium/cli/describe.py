"""Spaces and studies described for people."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from nasturtium.atomic_write import check_target, present
from nasturtium.decision.summary import summarize_decisions
from nasturtium.display.architecture import architecture_lines
from nasturtium.errors import EstimateError, NasturtiumError, SpaceError, StoreError
from nasturtium.run.manifest import UNSAID
from nasturtium.run.names import NAMES, made
from nasturtium.run.open_study import parted
from nasturtium.space.base import Space
from nasturtium.space.choice_space import ChoiceSpace
from nasturtium.space.graph_space import GraphSpace

if TYPE_CHECKING:
    from torch import nn

__all__ = ["is_study", "listed", "of_space", "of_study", "shape_in"]

ALL = 10_000  # boxes of a graph that is not to be closed, since parts of it are drawn


def is_study(text: str) -> bool:
    """Whether a text says a study (``study.db``, ``study.db:name``) and not a space."""
    where = parted(text)[0]
    if "://" in where:
        return True
    if where.endswith(".py") or text.partition("(")[0] in NAMES["space"]:
        return False
    there = present(Path(where)) and Path(where).is_file()
    return there or Path(where).suffix in (".db", ".sqlite", ".sqlite3")


def listed() -> list[dict[str, str]]:
    """Name, size and one line of each space that has a name."""
    table = []
    for name in sorted(NAMES["space"]):
        space = made("space", name)
        table.append({"name": name, "size": _size(space), "about": _first(space.__doc__)})
    return table


def of_space(
    text: str,
    *,
    complete: bool = True,
    svg: Path | None = None,
    inputs: tuple[int, ...] | None = None,
    classes: int | None = None,
) -> dict[str, Any]:
    """What a space is: its size, paper, arguments, decisions, and an example, drawn.

    Args:
        text: its name, ``name(argument=value)`` or ``file.py:name``.
        complete: every decision and every option; else those that repeat are said once.
        svg: a file that the example is drawn into as well.
        inputs: the shape of one example of the data, e.g. ``(4, 64)`` for signals; every option is
            then built and run on such inputs.
        classes: how many classes the data have.

    Returns:
        texts, or lists of lines.

    Raises:
        SpaceError: there is no such space, it builds no network, or it does not fit the inputs.
        StoreError: the file cannot be written.
    """
    import torch

    if svg is not None:
        check_target("the picture", svg)
    facts = {"inputs": inputs, "classes": classes}
    facts = {fact: value for fact, value in facts.items() if value is not None}
    space = made("space", text).bind_known(**facts)
    told: dict[str, Any] = {"space": space.name, "about": _first(space.__doc__)}
    made_of = space if isinstance(space, (ChoiceSpace, GraphSpace)) else None
    if made_of is not None:
        home = made_of.builder.__module__
        if home.startswith("nasturtium.space.zoo."):
            told["paper"] = _paper(sys.modules[home].__doc__)
        told["arguments"] = ", ".join(_arguments(made_of))
    try:
        told["size"] = _size(space)
        if isinstance(space, ChoiceSpace):
            asked = space.discover()
            full = [f"{one.name}: {one.options_text()}" for one in asked]
            told["decisions"] = full if complete else summarize_decisions(asked)
        if isinstance(space, GraphSpace):
            told["mutations"] = [f"{m.__name__}: {_first(m.__doc__)}" for m in space.mutations]
        example = max((space.sample(Random(seed)) for seed in range(5)), key=len)
        with torch.device("meta"):  # it may be larger than this machine
            network = space.build(example)
    except NasturtiumError:
        raise
    except Exception as error:  # a builder, also of a user's own, may raise anything
        raise SpaceError(
            f"space {text!r} cannot be built: {type(error).__name__}: {error}; check its arguments"
        ) from error
    full = [", ".join(f"{key}={value}" for key, value in example.items())]
    told["example"] = full[0] if complete else architecture_lines(example)
    told["its parameters"] = f"{sum(one.numel() for one in network.parameters()):,}"
    if made_of is not None and inputs is not None:
        told["check"] = str(made_of.check(inputs, classes))
    shape = (
        inputs if inputs is not None or made_of is None else made_of.builder_arguments.get("inputs")
    )
    if shape is not None:
        told |= _drawn(network, tuple(shape), svg)
    elif svg is not None:
        raise SpaceError(
            f"space {space.name!r} does not say the shape of its inputs, so its example cannot be "
            "drawn; give them (--inputs 3x32x32), or let the builder ask for them: "
            "def net(choose, *, inputs, classes)"
        )
    return told


def shape_in(text: str) -> tuple[int, ...]:
    """The shape that a text such as ``3x32x32`` says.

    Raises:
        SpaceError: it says none.

    Example:
        >>> shape_in("4x64")
        (4, 64)
    """
    if not re.fullmatch(r"[1-9][0-9]{0,5}(x[1-9][0-9]{0,5}){0,3}", text):
        raise SpaceError(
            f"inputs {text!r} are not understood; write a shape such as 3x32x32 or 4x64"
        )
    return tuple(map(int, text.split("x")))


def of_study(manifest: Mapping[str, Any]) -> dict[str, str]:
    """How a study was made, from its manifest."""
    data, call = manifest["data"], manifest["call"]
    counts = ", ".join(f"{size} {part}" for part, size in data["examples"].items())
    told = {
        "study": manifest["name"],
        "data": f"{data['name']}, {data['classes']} classes, inputs {tuple(data['inputs'])}; "
        f"{'; '.join([counts, *data.get('notes', ())])}",
        "space": f"{manifest['space']['name']}, {_asks(manifest['space'])}",
    }
    for part in ("strategy", "estimator"):
        text = call[part]
        told[part] = str(manifest[part]["name"] if text == UNSAID else text)
    told["objectives"] = ", ".join(f"{o['goal']} {o['metric']}" for o in manifest["objectives"])
    told["constraints"] = ", ".join(
        f"{o['metric']}{'<' if o['goal'] == 'min' else '>'}{o['bound']:g}"
        for o in manifest["constraints"]
    )
    told["recipe"] = ", ".join(f"{key}={value}" for key, value in manifest["recipe"].items())
    told["numerics"] = ", ".join(f"{key}={value}" for key, value in manifest["numerics"].items())
    told["workers"] = str(manifest["workers"])
    told["seed"] = str(manifest["seed"])
    told["versions"] = ", ".join(f"{key} {value}" for key, value in manifest["versions"].items())
    told["machine"] = ", ".join(f"{key}: {value}" for key, value in manifest["machine"].items())
    told["commit"] = manifest["commit"] or ""
    return told


def _drawn(network: nn.Module, inputs: tuple[int, ...], svg: Path | None) -> dict[str, Any]:
    """Draw the network as a tree, and its branching parts as lanes.

    Raises:
        SpaceError: a picture was asked for, and the network does not take the inputs.
        StoreError: the picture cannot be written.
    """
    from nasturtium.report.draw import picture
    from nasturtium.report.flow import trace_flow
    from nasturtium.report.graph import graph_of
    from nasturtium.report.text.dataflow import draw_branches
    from nasturtium.report.text.network_tree import draw_tree

    shape = "x".join(map(str, inputs))
    try:
        flow = trace_flow(network, inputs)
    except EstimateError as error:
        if svg is not None:
            raise SpaceError(
                f"inputs of {shape} do not fit the example, so it cannot be drawn: {error}"
            ) from error
        return {"its parts": [f"not drawn, since inputs of {shape} do not fit: {error}"]}
    told: dict[str, Any] = {"its parts": [f"on inputs of {shape}", *draw_tree(flow)]}
    told["what branches"] = draw_branches(graph_of(flow, ALL))
    if svg is not None:
        drawing = picture(graph_of(flow), alone=True)
        try:
            svg.write_text(drawing, encoding="utf-8")
        except OSError as error:
            raise StoreError(
                f"the picture cannot be written to {svg}: {error.strerror}; name a file in a "
                "folder that exists and that you may write to"
            ) from error
        told["picture"] = f"{svg}, {svg.stat().st_size:,} bytes; open it in any browser"
    return told


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
