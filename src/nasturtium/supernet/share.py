"""Which weights networks have in common: tensors of one store, cut to each network's shapes.

A tensor of a network is a view of the stored one of the same path: leading channels in every
dimension, the centre of a convolution's kernel (Cai et al. 2020, "Once-for-All", section 3.2; Yu
et al. 2020, "BigNAS", section 3). So elastic width, kernel and depth need no elastic layers.

Some layers keep several matrices in one tensor; their rule is the same, section by section:

* ``nn.MultiheadAttention`` (and any layer called ``qkv``): thirds; ``nn.GRU`` thirds, ``nn.LSTM``
  quarters;
* grouped convolutions, (out, in / groups, ...): where all networks have the same channels per
  group (depthwise ones do), the leading channels are the leading groups; where all have the same
  number of groups, the leading channels of each group; where both vary, each number of channels
  per group has weights of its own;
* a linear layer after a flattening (C, H, W): leading features are leading channels as long as
  H x W stays the same; name such a layer by its resolution where it does not.

Buffers called ``running_*`` or ``num_batches_tracked`` are statistics and shared like weights. Any
other buffer (a mask, a table of positions) is what the network's own constructor computes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from nasturtium.errors import SpaceError

__all__ = ["Piece", "Place", "Store", "cut", "pieces"]

Shape = tuple[int, ...]


@final
@dataclass(frozen=True, slots=True)
class Piece:
    """What one tensor of a network asks of the store.

    Attributes:
        path: its dotted path in the network.
        kind: the layer's class, the number of dimensions and the type of the elements: tensors at
            one path are shared only if these agree.
        shape: its shape.
        parameter: whether it is a parameter, else a statistic.
        sections: equal parts of the first dimension that are cut one by one.
        groups: groups of a convolution, 1 for any other layer.
        centred: whether dimensions from the third on are a kernel's.
    """

    path: str
    kind: str
    shape: Shape
    parameter: bool
    sections: int
    groups: int
    centred: bool

    @property
    def numel(self) -> int:
        return prod(self.shape)


@final
@dataclass(frozen=True, slots=True)
class Place:
    """Where a network holds the tensor of a piece: ``home[name]`` is it."""

    home: dict[str, Any]
    name: str
    piece: Piece
    module: nn.Module


def pieces(network: nn.Module, prefix: str = "") -> Iterator[Place]:
    """Every parameter and statistic of a network; one held twice comes twice, with one piece."""
    met: dict[int, Piece] = {}
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
                yield Place(home, name, piece, module)


def is_statistic(name: str) -> bool:
    """Whether a buffer of that name is state that training changes."""
    return name.startswith("running_") or name == "num_batches_tracked"


def _piece(path: str, module: nn.Module, name: str, tensor: Tensor, parameter: bool) -> Piece:
    layer = type(module).__name__
    convolution = isinstance(module, _ConvNd)
    return Piece(
        path,
        f"{layer} {tensor.dim()}d {str(tensor.dtype).removeprefix('torch.')}",
        tuple(tensor.shape),
        parameter,
        _sections(path, module, name),
        module.groups if convolution and name == "weight" else 1,  # type: ignore[arg-type]
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


def cut(stored: Tensor, shape: Shape, sections: int = 1, centred: bool = False) -> Tensor:
    """The part of a stored tensor that a network of that ``shape`` uses.

    Args:
        stored: the larger tensor, no dimension smaller than ``shape``'s.
        shape: the network's shape.
        sections: equal parts of the first dimension, each of which gives its leading rows.
        centred: take the centre of the dimensions from the third on, not their beginning.

    Returns:
        the stored tensor itself where the shapes agree; a view of it; a copy (differentiable)
        where several sections are cut short.
    """
    if stored.shape == shape:
        return stored
    if sections > 1 and stored.shape[0] != shape[0]:
        split = stored.view(sections, -1, *stored.shape[1:])
        part = split[:, : shape[0] // sections]
        return cut(part.flatten(0, 1), shape, 1, centred)
    index = []
    for dimension, (large, small) in enumerate(zip(stored.shape, shape, strict=True)):
        start = (large - small) // 2 if centred and dimension > 1 else 0
        index.append(slice(start, start + small))
    return stored[tuple(index)]


@final
class _Slot:
    """One stored tensor: what is known of it before and after it is allocated."""

    __slots__ = ("centred", "kind", "parameter", "sections", "shape")

    def __init__(self, piece: Piece, sections: int) -> None:
        self.kind = piece.kind
        self.parameter = piece.parameter
        self.sections = sections
        self.centred = piece.centred
        self.shape = piece.shape

    def fits(self, shape: Shape) -> bool:
        return all(small <= large for small, large in zip(shape, self.shape, strict=True))

    def widen(self, shape: Shape) -> None:
        self.shape = tuple(map(max, self.shape, shape))


@final
class Store:
    """The tensors that the networks of a space have in common, at the paths they have there.

    The second kind of tensor at one path gets a suffix: ``1.weight~2``.

    Attributes:
        tree: modules without a forward that hold the tensors; its ``state_dict`` has the names
            of an ordinary network's.
    """

    def __init__(self) -> None:
        self.tree = nn.Module()
        self._slots: dict[str, _Slot] = {}
        self._kinds: dict[str, list[str]] = {}  # by path, the kinds in the order they were met
        self._by_number: set[str] = set()  # paths of convolutions with one number of groups

    def reserve(self, met: Collection[Piece]) -> None:
        """Make room for pieces; :meth:`allocate` makes the tensors."""
        groups: dict[str, set[tuple[int, int]]] = {}
        for piece in met:
            if piece.groups > 1 and piece.path not in self._kinds:
                groups.setdefault(piece.path, set()).add((piece.groups, piece.shape[1]))
        for path, seen in groups.items():
            numbers, channels = zip(*seen, strict=True)
            if len(set(channels)) > 1 and len(set(numbers)) == 1:
                self._by_number.add(path)
        for piece in met:
            kinds = self._kinds.setdefault(piece.path, [])
            kind = self._kind(piece)
            if kind not in kinds:
                kinds.append(kind)
            key = self.key(piece)
            assert key is not None
            if key not in self._slots:
                sections = piece.groups if piece.path in self._by_number else piece.sections
                self._slots[key] = _Slot(piece, sections)
            self._slots[key].widen(piece.shape)

    def _kind(self, piece: Piece) -> str:
        if piece.groups == 1:
            return piece.kind
        if piece.path in self._by_number:
            return f"{piece.kind} of {piece.groups} groups"
        return f"{piece.kind} of {piece.shape[1]} channels per group"

    def key(self, piece: Piece) -> str | None:
        """The name of the tensor that a piece is cut from; None where its kind was never met."""
        kinds = self._kinds.get(piece.path, [])
        kind = self._kind(piece)
        if kind not in kinds:
            return None
        place = kinds.index(kind)
        return piece.path if place == 0 else f"{piece.path}~{place + 1}"

    def allocate(self, device: torch.device) -> dict[str, Tensor]:
        """Make every tensor that has room reserved and is missing or too small.

        Returns:
            by name, a mask of the elements that have no value yet; old values are kept.
        """
        blank = {}
        for key, slot in self._slots.items():
            old = self._find(key)
            if old is not None and old.shape == slot.shape:
                continue
            dtype = getattr(torch, slot.kind.split()[2])
            new = torch.zeros(slot.shape, dtype=dtype, device=device)
            blank[key] = torch.ones(slot.shape, dtype=torch.bool, device=device)
            if old is not None:
                cut_in(new, old.detach(), slot.sections, slot.centred)
                done = torch.zeros(old.shape, dtype=torch.bool, device=device)
                cut_in(blank[key], done, slot.sections, slot.centred)
            self._put(key, new, slot.parameter)
        return blank

    def fill(self, piece: Piece, values: Tensor, blank: dict[str, Tensor]) -> None:
        """Give those elements of a piece their values that have none yet."""
        key = self.key(piece)
        if key is None or key not in blank:
            return
        slot, stored = self._slots[key], self[key].detach()
        new = cut(blank[key], piece.shape, slot.sections, slot.centred)
        old = cut(stored, piece.shape, slot.sections, slot.centred)
        cut_in(stored, torch.where(new, values, old), slot.sections, slot.centred)
        cut_in(blank[key], torch.zeros_like(new), slot.sections, slot.centred)

    def lacks(self, piece: Piece, blank: dict[str, Tensor]) -> bool:
        """Whether some element of a piece has no value yet."""
        key = self.key(piece)
        if key is None or key not in blank:
            return False
        slot = self._slots[key]
        return bool(cut(blank[key], piece.shape, slot.sections, slot.centred).any())

    def complete(self, blank: dict[str, Tensor], seed: int) -> None:
        """Give elements that no network met values drawn, with replacement, from the others."""
        generator = torch.Generator().manual_seed(seed)
        for key, mask in blank.items():
            stored, empty = self[key].detach(), int(mask.sum())
            if empty:
                known = stored[~mask]
                places = torch.randint(len(known), (empty,), generator=generator)
                stored[mask] = known[places.to(known.device)]

    def part(self, piece: Piece) -> partial[Tensor]:
        """How a piece is cut out of its stored tensor, at once or before each use.

        Raises:
            SpaceError: nothing of this path and kind is stored, or it is too small.
        """
        key = self.key(piece)
        slot = None if key is None else self._slots[key]
        if key is None or slot is None or not slot.fits(piece.shape):
            have = "nothing" if slot is None else f"{slot.shape}"
            raise SpaceError(
                f"the supernet has no weights of shape {piece.shape} at {piece.path!r} (it has "
                f"{have} for a {piece.kind.split()[0]}): its survey of the space never met them; "
                "call supernet.grow(architecture), then make the optimiser anew"
            )
        return partial(cut, self[key], piece.shape, slot.sections, slot.centred)

    def counters(self) -> dict[str, Tensor]:
        """By name, zeros of the shape of each stored parameter."""
        return {
            key: torch.zeros(slot.shape, dtype=torch.int32)
            for key, slot in self._slots.items()
            if slot.parameter
        }

    def uses(self, piece: Piece, counters: dict[str, Tensor]) -> Tensor | None:
        """The counts of a piece's elements; None where they are not stored."""
        key = self.key(piece)
        if key is None or not self._slots[key].fits(piece.shape):
            return None
        slot = self._slots[key]
        return cut(counters[key], piece.shape, slot.sections, slot.centred)

    def tick(self, piece: Piece, counters: dict[str, Tensor]) -> None:
        """Count one use of a piece's elements."""
        uses, key = self.uses(piece, counters), self.key(piece)
        if uses is not None and key is not None:
            slot = self._slots[key]
            cut_in(counters[key], uses + 1, slot.sections, slot.centred)

    def conflicts(self) -> dict[str, tuple[str, ...]]:
        """By path, the kinds of tensors there that cannot be shared with one another."""
        return {path: tuple(kinds) for path, kinds in self._kinds.items() if len(kinds) > 1}

    def __getitem__(self, key: str) -> Tensor:
        found = self._find(key)
        assert found is not None, key
        return found

    def _find(self, key: str) -> Tensor | None:
        folder, _, name = key.rpartition(".")
        module: nn.Module | None = self.tree
        for part in folder.split(".") if folder else ():
            module = None if module is None else module._modules.get(part)
        if module is None:
            return None
        found = module._parameters.get(name)
        return module._buffers.get(name) if found is None else found

    def _put(self, key: str, tensor: Tensor, parameter: bool) -> None:
        folder, _, name = key.rpartition(".")
        module = self.tree
        try:
            for part in folder.split(".") if folder else ():
                if part not in module._modules:
                    module.add_module(part, nn.Module())
                inside = module._modules[part]
                assert inside is not None
                module = inside
            if parameter:
                trained = tensor.is_floating_point() or tensor.is_complex()
                module.register_parameter(name, nn.Parameter(tensor, requires_grad=trained))
            else:
                module.register_buffer(name, tensor)
        except KeyError as error:
            raise SpaceError(
                f"the weights at {key!r} cannot be stored: {error}; a module of another network "
                "of this space has that path; give one of the two another name"
            ) from None


def cut_in(stored: Tensor, part: Tensor, sections: int, centred: bool) -> None:
    """Write ``part`` to where :func:`cut` reads it."""
    with torch.no_grad():
        if sections > 1 and stored.shape[0] != part.shape[0]:
            rows = part.shape[0] // sections
            split = stored.view(sections, -1, *stored.shape[1:])
            for section in range(sections):
                piece = part[section * rows : (section + 1) * rows]
                cut(split[section], tuple(piece.shape), 1, centred).copy_(piece)
        else:
            cut(stored, tuple(part.shape), sections, centred).copy_(part)
