"""Descriptions of spaces and studies as texts."""

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
from nasturtium.run.call import NO_TEXT
from nasturtium.run.names import NAMES, build_part
from nasturtium.run.store_address import split_address
from nasturtium.space.base import Space
from nasturtium.space.choice_space import ChoiceSpace
from nasturtium.space.graph_space import GraphSpace

if TYPE_CHECKING:
    from torch import nn

__all__ = ["describe_space", "describe_study", "is_study", "list_spaces", "parse_shape"]

ALL = 10_000  # boxes of a graph, so that all of it is drawn open


def is_study(text: str) -> bool:
    """Return whether a text names a study (``study.db``, ``study.db:name``) and not a space."""
    where = split_address(text)[0]
    if "://" in where:
        return True
    if where.endswith(".py") or text.partition("(")[0] in NAMES["space"]:
        return False
    exists = present(Path(where)) and Path(where).is_file()
    return exists or Path(where).suffix in (".db", ".sqlite", ".sqlite3")


def list_spaces() -> list[dict[str, str]]:
    """Return name, size and a one-line description of each named space."""
    table = []
    for name in sorted(NAMES["space"]):
        space = build_part("space", name)
        table.append({"name": name, "size": _size(space), "about": _first(space.__doc__)})
    return table


def describe_space(
    text: str,
    *,
    complete: bool = True,
    svg: Path | None = None,
    inputs: tuple[int, ...] | None = None,
    classes: int | None = None,
) -> dict[str, Any]:
    """Describe a space: its size, paper, arguments, decisions, and a drawn example.

    Args:
        text: its name, ``name(argument=value)`` or ``file.py:name``.
        complete: list every decision and every option; otherwise repeated ones are folded.
        svg: a file into which the example is drawn as well.
        inputs: the shape of one example of the data, e.g. ``(4, 64)`` for signals; every option is
            then built and run on such inputs.
        classes: number of classes of the data.

    Returns:
        texts, or lists of lines, by label.

    Raises:
        SpaceError: there is no such space, it builds no network, or it does not fit the inputs.
        StoreError: the file cannot be written.
    """
    import torch

    if svg is not None:
        check_target("the picture", svg)
    given = {"inputs": inputs, "classes": classes}
    shapes = {name: value for name, value in given.items() if value is not None}
    space = build_part("space", text).bind_known(**shapes)
    body: dict[str, Any] = {"space": space.name, "about": _first(space.__doc__)}
    own = space if isinstance(space, (ChoiceSpace, GraphSpace)) else None
    if own is not None:
        module = own.builder.__module__
        if module.startswith("nasturtium.space.zoo."):
            body["paper"] = _paper(sys.modules[module].__doc__)
        body["arguments"] = ", ".join(_arguments(own))
    try:
        body["size"] = _size(space)
        if isinstance(space, ChoiceSpace):
            asked = space.discover()
            full = [f"{one.name}: {one.options_text()}" for one in asked]
            body["decisions"] = full if complete else summarize_decisions(asked)
        if isinstance(space, GraphSpace):
            body["mutations"] = [f"{m.__name__}: {_first(m.__doc__)}" for m in space.mutations]
        example = max((space.sample(Random(seed)) for seed in range(5)), key=len)
        with torch.device("meta"):  # the network may not fit into memory
            network = space.build(example)
    except NasturtiumError:
        raise
    except Exception as error:  # a user's builder may raise anything
        raise SpaceError(
            f"space {text!r} cannot be built: {type(error).__name__}: {error}; check its arguments"
        ) from error
    full = [", ".join(f"{key}={value}" for key, value in example.items())]
    body["example"] = full[0] if complete else architecture_lines(example)
    body["its parameters"] = f"{sum(one.numel() for one in network.parameters()):,}"
    if own is not None and inputs is not None:
        body["check"] = str(own.check(inputs, classes))
    shape = inputs if inputs is not None or own is None else own.builder_arguments.get("inputs")
    if shape is not None:
        body |= _draw(network, tuple(shape), svg)
    elif svg is not None:
        raise SpaceError(
            f"the shape of the inputs of space {space.name!r} is unknown, so its example cannot be "
            "drawn; give it (--inputs 3x32x32), or add an argument to the builder: "
            "def net(choose, *, inputs, classes)"
        )
    return body


def parse_shape(text: str) -> tuple[int, ...]:
    """Return the shape in a text such as ``3x32x32``.

    Raises:
        SpaceError: the text is not a shape.

    Example:
        >>> parse_shape("4x64")
        (4, 64)
    """
    if not re.fullmatch(r"[1-9][0-9]{0,5}(x[1-9][0-9]{0,5}){0,3}", text):
        raise SpaceError(f"inputs {text!r} are not a shape; write one such as 3x32x32 or 4x64")
    return tuple(map(int, text.split("x")))


def describe_study(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Describe how a study was made, from its manifest."""
    data, call = manifest["data"], manifest["call"]
    counts = ", ".join(f"{size} {part}" for part, size in data["examples"].items())
    body = {
        "study": manifest["name"],
        "data": f"{data['name']}, {data['classes']} classes, inputs {tuple(data['inputs'])}; "
        f"{'; '.join([counts, *data.get('notes', ())])}",
        "space": f"{manifest['space']['name']}, {_count_decisions(manifest['space'])}",
    }
    for part in ("strategy", "estimator"):
        text = call[part]
        body[part] = str(manifest[part]["name"] if text == NO_TEXT else text)
    body["objectives"] = ", ".join(f"{o['goal']} {o['metric']}" for o in manifest["objectives"])
    body["constraints"] = ", ".join(
        f"{o['metric']}{'<' if o['goal'] == 'min' else '>'}{o['bound']:g}"
        for o in manifest["constraints"]
    )
    body["recipe"] = ", ".join(f"{key}={value}" for key, value in manifest["recipe"].items())
    body["numerics"] = ", ".join(f"{key}={value}" for key, value in manifest["numerics"].items())
    body["workers"] = str(manifest["workers"])
    body["seed"] = str(manifest["seed"])
    body["versions"] = ", ".join(f"{key} {value}" for key, value in manifest["versions"].items())
    body["machine"] = ", ".join(f"{key}: {value}" for key, value in manifest["machine"].items())
    body["commit"] = manifest["commit"] or ""
    return body


def _draw(network: nn.Module, inputs: tuple[int, ...], svg: Path | None) -> dict[str, Any]:
    """Draw the network as a tree, and its branching parts as lanes of text.

    Raises:
        SpaceError: there is to be a picture, and the network does not take the inputs.
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
                f"inputs of {shape} do not fit the example, so it cannot be drawn; give the shape "
                f"of one example with --inputs: {error}"
            ) from error
        reason = f"inputs of {shape} do not fit, give others with --inputs: {error}"
        return {"its parts": [f"not drawn, since {reason}"]}
    body: dict[str, Any] = {"its parts": [f"on inputs of {shape}", *draw_tree(flow)]}
    body["what branches"] = draw_branches(graph_of(flow, ALL))
    if svg is not None:
        drawing = picture(graph_of(flow), alone=True)
        try:
            svg.write_text(drawing, encoding="utf-8")
        except OSError as error:
            raise StoreError(
                f"the picture cannot be written to {svg}: {error.strerror}; name a file in a "
                "folder that exists and that you may write to"
            ) from error
        body["picture"] = f"{svg}, {svg.stat().st_size:,} bytes; open it in any browser"
    return body


def _count_decisions(space: Mapping[str, Any]) -> str:
    """Return the number of decisions or mutations in a space's description."""
    if "mutations" in space:
        return f"{len(space['mutations'])} mutations"
    count = f"{space.get('decisions')} decisions"
    return count if space.get("recipe") is None else f"{count}, with recipe {space['recipe']}"


def _size(space: Space) -> str:
    if isinstance(space, GraphSpace):
        return "without bound"
    size = getattr(space, "size", None)
    return str(size()) if callable(size) else "not counted"


def _first(text: str | None) -> str:
    """Return the first paragraph of a docstring."""
    return " ".join((text or "").split("\n\n")[0].split())


def _paper(text: str | None) -> str:
    """Return the second paragraph of a module's docstring, which names the paper of a space."""
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
