"""Weight slicing: networks share stored tensors, which are cut to each network's shapes.

A tensor of a network is a view of the stored one of the same path: leading channels in every
dimension, the centre of a convolution's kernel (Cai et al. 2020, "Once-for-All", section 3.2; Yu
et al. 2020, "BigNAS", section 3). So elastic width, kernel and depth need no elastic layers.

Some layers keep several matrices in one tensor; their rule is the same, section by section:

* ``nn.MultiheadAttention`` (and any layer called ``qkv``): thirds; ``nn.GRU`` thirds, ``nn.LSTM``
  quarters;
* grouped convolutions, (out, in / groups, ...): each weight joins an output to an input channel,
  and the same two have the same weight under every grouping, as if a dense convolution were masked
  (:func:`columns`). The store is as wide as the largest group. Where all networks have the same
  number of groups instead, each gives its leading channels;
* a linear layer after a flattening (C, H, W): leading features are leading channels as long as
  H x W stays the same; name such a layer by its resolution where it does not.

Buffers called ``running_*`` or ``num_batches_tracked`` are statistics and shared like weights. Any
other buffer (a mask, a table of positions) is what the network's own constructor computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

__all__ = [
    "ParameterSlot",
    "ParameterSpec",
    "columns",
    "cut",
    "cut_in",
    "is_statistic",
    "parameter_specs",
]

Shape = tuple[int, ...]


@final
@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """The specification of one tensor of a network.

    Attributes:
        path: its dotted path in the network.
        kind: the layer's class, the number of dimensions and the type of the elements: tensors at
            one path are shared only if these agree.
        shape: its shape.
        parameter: whether it is a parameter, else a statistic.
        sections: equal parts of the first dimension that are cut one by one.
        groups: groups of a convolution, 1 for any other layer.
        convolution: whether it is a convolution's weight.
        centred: whether dimensions from the third on are a kernel's.
    """

    path: str
    kind: str
    shape: Shape
    parameter: bool
    sections: int
    groups: int
    convolution: bool
    centred: bool

    @property
    def numel(self) -> int:
        return prod(self.shape)


@final
@dataclass(frozen=True, slots=True)
class ParameterSlot:
    """The place of a piece's tensor in a network: ``home[name]``."""

    home: dict[str, Any]
    name: str
    piece: ParameterSpec
    module: nn.Module


def parameter_specs(network: nn.Module, prefix: str = "") -> Iterator[ParameterSlot]:
    """Yield every parameter and statistic of a network; if held twice, twice with one piece."""
    met: dict[int, ParameterSpec] = {}
    homes: tuple[tuple[dict[str, Any], bool], ...]
    for path, module in network.named_modules(prefix=prefix):
        homes = ((module._parameters, True), (module._buffers, False))
        for home, parameter in homes:
            for name, tensor in home.items():
                if tensor is None or not (parameter or is_statistic(name)):
                    continue
                piece = met.get(id(tensor))
                if piece is None:
                    full = f"{path}.{name}" if path else name
                    piece = met[id(tensor)] = _piece(full, module, name, tensor, parameter)
                yield ParameterSlot(home, name, piece, module)


def is_statistic(name: str) -> bool:
    """Return whether a buffer of that name is state that training changes."""
    return name.startswith("running_") or name == "num_batches_tracked"


def _piece(
    path: str, module: nn.Module, name: str, tensor: Tensor, parameter: bool
) -> ParameterSpec:
    layer = type(module).__name__
    convolution = isinstance(module, _ConvNd)
    weight = convolution and name == "weight"
    return ParameterSpec(
        path,
        f"{layer} {tensor.dim()}d {str(tensor.dtype).removeprefix('torch.')}",
        tuple(tensor.shape),
        parameter,
        _sections(path, module, name),
        module.groups if weight else 1,  # type: ignore[arg-type]
        weight,
        tensor.dim() > 3 or (convolution and tensor.dim() == 3),
    )


def _sections(path: str, module: nn.Module, name: str) -> int:
    if isinstance(module, nn.LSTM):
        return 4 if name.split("_")[0] in ("weight", "bias") and "_hr" not in name else 1
    if isinstance(module, nn.GRU):
        return 3
    parts = path.split(".")
    fused = name.startswith("in_proj_") or (len(parts) > 1 and parts[-2] in ("qkv", "to_qkv"))
    return 3 if fused else 1


def cut(
    stored: Tensor, shape: Shape, sections: int = 1, centred: bool = False, groups: int = 1
) -> Tensor:
    """Return the part of a stored tensor that a network with that ``shape`` uses.

    Args:
        stored: the larger tensor, no dimension smaller than ``shape``'s.
        shape: the network's shape.
        sections: equal parts of the first dimension, each of which gives its leading rows.
        centred: take the centre of the dimensions from the third on, not their beginning.
        groups: equal parts of the first dimension that each read other inputs: groups of a
            convolution; see :func:`columns`.

    Returns:
        the stored tensor itself where the shapes agree; a view of it; a copy (differentiable)
        where several sections are cut short, or groups are narrower than the store.
    """
    if stored.shape == shape:
        return stored
    if sections > 1 and stored.shape[0] != shape[0]:
        split = stored.view(sections, -1, *stored.shape[1:])
        part = split[:, : shape[0] // sections]
        return cut(part.flatten(0, 1), shape, 1, centred)
    if groups == 1 or stored.shape[1] == shape[1]:
        return stored[_inside(stored, shape, centred)]
    wide = stored.shape[1]
    part = stored[_inside(stored, (shape[0], wide, *shape[2:]), centred)]
    rows = torch.arange(shape[0], device=stored.device)
    places = (rows[:, None] * wide + columns(rows, shape, groups, wide)).flatten()
    return part.flatten(0, 1).index_select(0, places).view(shape)


def columns(rows: Tensor, shape: Shape, groups: int, wide: int) -> Tensor:
    """Return the stored columns of a grouped convolution's weights: (rows, channels per group).

    The weight of an output and the input channel i lies in column i modulo the store's width, in
    the row of the output. The inputs of one output follow one another and are no more than the
    store is wide, so no two meet. Widths that divide one another (AnyNet's powers of two) give one
    column to each pair of channels; for others, few pairs that no single network has share one.

    Args:
        rows: output channels.
        shape: the convolution's weight, (out, in / groups, ...).
        groups: its groups.
        wide: columns of the store, at least in / groups.
    """
    per = shape[1]
    first = rows // (shape[0] // groups) * per
    return (first[:, None] + torch.arange(per, device=rows.device)) % wide


def _inside(stored: Tensor, shape: Shape, centred: bool) -> tuple[slice, ...]:
    index = []
    for dimension, (large, small) in enumerate(zip(stored.shape, shape, strict=True)):
        start = (large - small) // 2 if centred and dimension > 1 else 0
        index.append(slice(start, start + small))
    return tuple(index)


def cut_in(
    stored: Tensor, part: Tensor, sections: int, centred: bool = False, groups: int = 1
) -> None:
    """Write ``part`` to where :func:`cut` reads it."""
    shape = tuple(part.shape)
    with torch.no_grad():
        if sections > 1 and stored.shape[0] != shape[0]:
            rows = shape[0] // sections
            split = stored.view(sections, -1, *stored.shape[1:])
            for section in range(sections):
                piece = part[section * rows : (section + 1) * rows]
                cut(split[section], tuple(piece.shape), 1, centred).copy_(piece)
        elif groups > 1 and stored.shape[1] != shape[1]:
            wide = stored.shape[1]
            row = torch.arange(shape[0], device=stored.device)
            inside = stored[_inside(stored, (shape[0], wide, *shape[2:]), centred)]
            inside[row[:, None], columns(row, shape, groups, wide)] = part
        else:
            stored[_inside(stored, shape, centred)].copy_(part)
