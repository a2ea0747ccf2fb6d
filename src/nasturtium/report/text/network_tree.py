"""Draw a network as a tree of text: its parts with shapes, parameters and multiply-accumulates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import groupby
from typing import final

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from nasturtium.report.draw import shape
from nasturtium.report.operations import Flow, Operation
from nasturtium.status.study_summary import format_metric

__all__ = ["draw_tree"]

CONTAINERS = frozenset({"Sequential", "ModuleList", "ModuleDict"})
WIDE = 10_000  # columns, so that no line is broken


@final
@dataclass(frozen=True)
class _Part:
    """A module, or a function that the network calls itself."""

    path: str
    type: str
    shape: tuple[int, ...]
    params: int
    macs: int


def draw_tree(flow: Flow) -> list[str]:
    """Return the network's parts, and the parts of its containers, as lines.

    Containers are ``Sequential``, ``ModuleList`` and ``ModuleDict``. Equal parts that follow one
    another are one line. Parameters and multiply-accumulates of the parts add up to those of the
    network.

    Args:
        flow: the traced data flow of the network.

    Example:
        >>> from torch import nn
        >>> from nasturtium.report.flow import trace_flow
        >>> body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
        >>> for line in draw_tree(trace_flow(nn.Sequential(body, nn.Flatten()), (3, 8, 8))):
        ...     print(line)
        Sequential                     224 params  7.8 k MACs
        ├── 0       Sequential  8×6×6  224 params  7.8 k MACs
        │   ├── 0   Conv2d      8×6×6  224 params  7.8 k MACs
        │   └── 1   ReLU        8×6×6
        └── 1       Flatten       288
    """
    params = sum(one.params for one in flow.operations)
    macs = sum(one.macs for one in flow.operations)
    rows = [_cells(_Part("", "", (), params, macs))]
    tree = Tree(Text(flow.types[""]))
    for part in _parts(flow, flow.operations, 1):
        branch = tree.add(Text(part.path or "the network itself"))
        rows.append(_cells(part))
        if part.type in CONTAINERS:
            inside = [one for one in flow.operations if one.name.startswith(f"{part.path}.")]
            for group in _alike(_parts(flow, inside, 2)):
                branch.add(Text(_span([one.path.rpartition(".")[2] for one in group])))
                rows.append(_cells(group[0]))
    table = Table.grid(padding=(0, 2))
    for column in range(5):
        table.add_column(justify="left" if column < 2 else "right", no_wrap=True)
    for label, row in zip(_lines(tree), rows, strict=True):
        table.add_row(Text(label), *map(Text, row))
    return _lines(table) + ([f"not all is known: {flow.missing}"] if flow.missing else [])


def _parts(flow: Flow, operations: Sequence[Operation], depth: int) -> list[_Part]:
    """Return operations summed up by so many first components of their names.

    Operations without a cost that belong to no module are left out.
    """
    shapes = {call.path: call.shape for call in flow.calls if call.path}
    groups: dict[str, list[Operation]] = {}
    for one in operations:
        free = not one.params and not one.macs
        if one.kind == "layer" or not free:
            path = "" if one.kind == "output" else ".".join(one.name.split(".")[:depth])
            groups.setdefault(path, []).append(one)
    return [
        _Part(
            path,
            flow.types.get(path, members[-1].type) if path else members[-1].type,
            shapes.get(path, members[-1].shape),
            sum(one.params for one in members),
            sum(one.macs for one in members),
        )
        for path, members in groups.items()
    ]


def _alike(parts: Sequence[_Part]) -> list[list[_Part]]:
    """Return successive parts of one type, shape and cost together."""
    kind = lambda one: (one.type, one.shape, one.params, one.macs)  # noqa: E731
    return [list(group) for _, group in groupby(parts, kind)]


def _span(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}, each"


def _cells(part: _Part) -> tuple[str, str, str, str]:
    return (
        part.type,
        shape(part.shape) if part.shape else "",
        f"{format_metric('params', part.params)} params" if part.params else "",
        f"{format_metric('macs', part.macs)} MACs" if part.macs else "",
    )


def _lines(drawn: RenderableType) -> list[str]:
    """Return what rich prints, as plain text."""
    file = StringIO()
    console = Console(file=file, width=WIDE, color_system=None, force_terminal=False)
    console.print(drawn)
    return [line.rstrip() for line in file.getvalue().splitlines()]
