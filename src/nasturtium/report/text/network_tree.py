"""A network drawn as text: its parts with shapes, parameters and multiply-accumulates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from torch import nn

from nasturtium.cost.count import Layer, breakdown, count
from nasturtium.report.text.summary import format_metric

__all__ = ["tree"]

Row = tuple[str, str, str, str, str]  # label, type, shape, parameters, multiply-accumulates


def tree(network: nn.Module, inputs: tuple[int, ...]) -> list[str]:
    """The network's parts, and the parts of plain sequences; equal ones in a row on one line.

    Args:
        network: any network, on any device; it is neither moved nor run nor altered.
        inputs: shape of one example.

    Raises:
        EstimateError: the network does not accept the input.

    Example:
        >>> body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
        >>> for line in tree(nn.Sequential(body, nn.Flatten()), (3, 8, 8)):
        ...     print(line)
        Sequential                     224 params  7.8 k MACs
        ├─ 0        Sequential  8x6x6  224 params  7.8 k MACs
        │  ├─ 0     Conv2d      8x6x6  224 params  7.8 k MACs
        │  └─ 1     ReLU        8x6x6
        └─ 1        Flatten       288
    """
    whole = count(network, inputs)
    rows = [_row(type(network).__name__, "", None, whole.params, whole.macs)]
    tops = breakdown(network, inputs, depth=1)
    below = breakdown(network, inputs, depth=2)
    for place, top in enumerate(tops):
        corner, bar = ("└─ ", "   ") if place + 1 == len(tops) else ("├─ ", "│  ")
        rows.append(_layer(corner + (top.path or "itself"), top))
        if top.type == "Sequential":
            groups = _alike(layer for layer in below if layer.path.startswith(f"{top.path}."))
            for number, group in enumerate(groups):
                corner = "└─ " if number + 1 == len(groups) else "├─ "
                names = [layer.path.rpartition(".")[2] for layer in group]
                name = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}, each"
                rows.append(_layer(bar + corner + name, group[0]))
    return _aligned(rows)


def _alike(layers: Iterable[Layer]) -> list[list[Layer]]:
    """Successive layers of one type, shape and cost together."""
    kind = lambda one: (one.type, one.output_shape, one.params, one.macs)  # noqa: E731
    return [list(group) for _, group in groupby(layers, kind)]


def _layer(label: str, layer: Layer) -> Row:
    return _row(label, layer.type, layer.output_shape, layer.params, layer.macs)


def _row(label: str, kind: str, shape: tuple[int, ...] | None, params: int, macs: int) -> Row:
    return (
        label,
        kind,
        "x".join(map(str, shape or ())),
        f"{format_metric('params', params)} params" if params else "",
        f"{format_metric('macs', macs)} MACs" if macs else "",
    )


def _aligned(rows: Sequence[Row]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(5)]
    lines = []
    for row in rows:
        texts = [f"{text:<{width}}" for text, width in zip(row[:2], widths, strict=False)]
        numbers = [f"{text:>{width}}" for text, width in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join([*texts, *numbers]).rstrip())
    return lines
