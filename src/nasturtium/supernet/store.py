"""The store of a supernet: one tensor for each path and kind, as large as any network needs."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from math import prod
from typing import final

import torch
from torch import Tensor, nn

from nasturtium.errors import SpaceError
from nasturtium.supernet.share import Piece, Shape, cut, cut_in

__all__ = ["Store"]


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

    def holds(self, piece: Piece) -> bool:
        """Whether room for a piece is reserved."""
        key = self.key(piece)
        return key is not None and self._slots[key].fits(piece.shape)

    def numel(self) -> int:
        """Elements of all parameters that have room reserved."""
        return sum(prod(slot.shape) for slot in self._slots.values() if slot.parameter)

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
        if key is None or slot is None or not self.holds(piece):
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
        if key is None or not self.holds(piece):
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
