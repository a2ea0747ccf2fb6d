"""Shared weights of a supernet: one tensor for each path and kind, of the largest size needed."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from math import prod
from typing import final

import torch
from torch import Tensor, nn

from nasturtium.errors import SpaceError
from nasturtium.supernet.weight_slicing import ParameterSpec, Shape, cut, cut_in

__all__ = ["Store"]

Family = tuple[str, str]  # path and kind


@final
class _Slot:
    """The specification of one stored tensor, before and after its allocation."""

    __slots__ = ("centred", "circular", "kind", "parameter", "sections", "shape")

    def __init__(self, piece: ParameterSpec, sections: int, circular: bool) -> None:
        self.kind = piece.kind
        self.parameter = piece.parameter
        self.sections = sections
        self.circular = circular
        self.centred = piece.centred
        self.shape = piece.shape

    def fits(self, shape: Shape) -> bool:
        return all(small <= large for small, large in zip(shape, self.shape, strict=True))

    def widen(self, shape: Shape) -> None:
        self.shape = tuple(map(max, self.shape, shape))

    def cut(self, stored: Tensor, piece: ParameterSpec) -> partial[Tensor]:
        """Return the function that cuts a piece out of a tensor of this slot's shape."""
        groups = piece.groups if self.circular else 1
        return partial(cut, stored, piece.shape, self.sections, self.centred, groups)

    def cut_in(self, stored: Tensor, part: Tensor, piece: ParameterSpec) -> None:
        """Write the piece that :meth:`cut` reads."""
        groups = piece.groups if self.circular else 1
        cut_in(stored, part, self.sections, self.centred, groups)


@final
class Store:
    """The tensors that the networks of a space share, under their paths in the networks.

    A second kind of tensor at the same path gets a suffix: ``1.weight~2``.

    Attributes:
        tree: modules without a forward that hold the tensors; its ``state_dict`` has the names
            of an ordinary network's.
    """

    def __init__(self) -> None:
        self.tree = nn.Module()
        self._slots: dict[str, _Slot] = {}
        self._kinds: dict[str, list[str]] = {}  # by path, the kinds in the order of their discovery
        # By path and class: convolutions with one number of groups, and convolutions whose
        # groups share one tensor, with its width in channels per group (several if it grew).
        self._by_number: set[Family] = set()
        self._circular: dict[Family, list[int]] = {}
        self._met: dict[str, dict[ParameterSpec, None]] = {}  # by path, until tensors are allocated
        self._allocated = False

    def reserve(self, met: Collection[ParameterSpec]) -> None:
        """Reserve room for pieces; :meth:`allocate` creates the tensors.

        Until then, all pieces of a path determine how it is shared; later, only the new ones.
        """
        paths: dict[str, list[ParameterSpec]] = {}
        for piece in met:
            paths.setdefault(piece.path, []).append(piece)
        for path, new in paths.items():
            if not self._allocated:
                known = self._met.setdefault(path, {})
                known.update(dict.fromkeys(new))
                self._forget(path)
                new = list(known)
            families: dict[str, list[ParameterSpec]] = {}
            for piece in new:
                if piece.convolution:
                    families.setdefault(piece.kind, []).append(piece)
            for kind, members in families.items():
                self._arrange((path, kind), members)
            for piece in new:
                self._place(piece)

    def _forget(self, path: str) -> None:
        """Discard the layout of a path, of which more pieces were found."""
        for place, kind in enumerate(self._kinds.pop(path, ())):
            self._slots.pop(_named(path, place), None)
            family = (path, " ".join(kind.split()[:3]))  # the piece's kind, without what was added
            self._by_number.discard(family)
            self._circular.pop(family, None)

    def _arrange(self, family: Family, members: list[ParameterSpec]) -> None:
        """Decide how the groupings of a convolution share weights, or widen the shared tensor."""
        wide = max(piece.shape[1] for piece in members)
        if family in self._circular:
            if wide > self._circular[family][-1]:
                # Other columns would be other pairs of channels: keep the trained ones.
                self._circular[family].append(wide)
            return
        grouped = [piece for piece in members if piece.groups > 1]
        if not grouped or family[0] in self._kinds:
            return
        apart: dict[int, list[ParameterSpec]] = {}
        for piece in members:
            apart.setdefault(piece.shape[1] if piece.groups > 1 else 0, []).append(piece)
        one = len({piece.groups for piece in grouped}) == 1
        several = len({piece.shape[1] for piece in grouped}) > 1
        together = _room(members) <= sum(map(_room, apart.values()))
        if one and several and (0 not in apart or not together):
            self._by_number.add(family)
        elif together:
            self._circular[family] = [wide]

    def _place(self, piece: ParameterSpec) -> None:
        kinds = self._kinds.setdefault(piece.path, [])
        kind = self._kind(piece)
        if kind not in kinds:
            kinds.append(kind)
        key = self.key(piece)
        assert key is not None
        if key not in self._slots:
            family = (piece.path, piece.kind)
            many = piece.groups > 1 and family in self._by_number
            sections = piece.groups if many else piece.sections
            self._slots[key] = _Slot(piece, sections, family in self._circular)
        self._slots[key].widen(piece.shape)

    def _kind(self, piece: ParameterSpec) -> str:
        family = (piece.path, piece.kind)
        if family in self._circular:
            widths = self._circular[family]
            place = next((i for i, w in enumerate(widths) if piece.shape[1] <= w), len(widths))
            return f"{piece.kind} in groups" + (f", wider {place}" if place else "")
        if piece.groups == 1:
            return piece.kind
        if family in self._by_number:
            return f"{piece.kind} of {piece.groups} groups"
        return f"{piece.kind} of {piece.shape[1]} channels per group"

    def key(self, piece: ParameterSpec) -> str | None:
        """Return the name of the tensor that a piece is cut from; None for an unknown kind."""
        kinds = self._kinds.get(piece.path, [])
        kind = self._kind(piece)
        if kind not in kinds:
            return None
        return _named(piece.path, kinds.index(kind))

    def holds(self, piece: ParameterSpec) -> bool:
        """Return whether room for a piece is reserved."""
        key = self.key(piece)
        return key is not None and self._slots[key].fits(piece.shape)

    def numel(self) -> int:
        """Return the number of elements of all reserved parameters."""
        return sum(prod(slot.shape) for slot in self._slots.values() if slot.parameter)

    def allocate(self, device: torch.device) -> dict[str, Tensor]:
        """Create every reserved tensor that is missing or too small.

        Returns:
            by name, a mask of the elements without a value; old values are kept.
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
        self._allocated = True
        self._met.clear()
        return blank

    def fill(self, piece: ParameterSpec, values: Tensor, blank: dict[str, Tensor]) -> None:
        """Fill the elements of a piece that have no value."""
        key = self.key(piece)
        if key is None or key not in blank:
            return
        slot, stored = self._slots[key], self[key].detach()
        new, old = slot.cut(blank[key], piece)(), slot.cut(stored, piece)()
        slot.cut_in(stored, torch.where(new, values, old), piece)
        slot.cut_in(blank[key], torch.zeros_like(new), piece)

    def lacks(self, piece: ParameterSpec, blank: dict[str, Tensor]) -> bool:
        """Return whether some element of a piece has no value."""
        key = self.key(piece)
        if key is None or key not in blank:
            return False
        return bool(self._slots[key].cut(blank[key], piece)().any())

    def complete(self, blank: dict[str, Tensor], seed: int) -> None:
        """Fill elements that no network uses with values of the others, drawn with replacement."""
        generator = torch.Generator().manual_seed(seed)
        for key, mask in blank.items():
            stored, empty = self[key].detach(), int(mask.sum())
            if empty:
                known = stored[~mask]
                places = torch.randint(len(known), (empty,), generator=generator)
                stored[mask] = known[places.to(known.device)]

    def part(self, piece: ParameterSpec) -> partial[Tensor]:
        """Return the function that cuts a piece out of its stored tensor.

        Raises:
            SpaceError: no tensor of this path and kind is stored, or it is too small.
        """
        key = self.key(piece)
        slot = None if key is None else self._slots[key]
        if key is None or slot is None or not self.holds(piece):
            have = "nothing" if slot is None else f"{slot.shape}"
            raise SpaceError(
                f"the supernet has no weights of shape {piece.shape} at {piece.path!r} (it has "
                f"{have} for a {piece.kind.split()[0]}): its survey of the space did not find "
                "them; call supernet.grow(architecture), then create a new optimiser"
            )
        return slot.cut(self[key], piece)

    def counters(self) -> dict[str, Tensor]:
        """Return zeros of the shape of each stored parameter, by name."""
        return {
            key: torch.zeros(slot.shape, dtype=torch.int32)
            for key, slot in self._slots.items()
            if slot.parameter
        }

    def uses(self, piece: ParameterSpec, counters: dict[str, Tensor]) -> Tensor | None:
        """Return the counts of a piece's elements; None if they are not stored."""
        key = self.key(piece)
        if key is None or not self.holds(piece):
            return None
        return self._slots[key].cut(counters[key], piece)()

    def tick(self, piece: ParameterSpec, counters: dict[str, Tensor]) -> None:
        """Count one use of a piece's elements."""
        uses, key = self.uses(piece, counters), self.key(piece)
        if uses is not None and key is not None:
            self._slots[key].cut_in(counters[key], uses + 1, piece)

    def conflicts(self) -> dict[str, tuple[str, ...]]:
        """Return, by path, the kinds of tensors there that cannot be shared with one another."""
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


def _named(path: str, place: int) -> str:
    """Return the name of the tensor of one kind at a path."""
    return path if place == 0 else f"{path}~{place + 1}"


def _room(members: Collection[ParameterSpec]) -> int:
    """Return the number of elements of the smallest tensor with room for each of some pieces."""
    return prod(map(max, zip(*(piece.shape for piece in members), strict=True)))
