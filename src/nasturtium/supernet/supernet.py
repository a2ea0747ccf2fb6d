"""Supernet: every architecture of a space with weights from one store.

It is the mechanism of single-path one-shot methods (Guo et al. 2020, SPOS; Chu et al. 2021,
FairNAS) and of elastic methods (Cai et al. 2020, Once-for-All; Yu et al. 2020, BigNAS); the method
selects the architectures that a step trains. Deviation from Once-for-All: a smaller kernel is the
centre of the larger one, without a learned transformation.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from random import Random
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from nasturtium.architecture import RECIPE, Architecture, Value
from nasturtium.errors import EstimateError, SpaceError
from nasturtium.space.choice_space import ChoiceSpace
from nasturtium.supernet.shared_weights import Store
from nasturtium.supernet.single_path import Network, SinglePathReading
from nasturtium.supernet.weight_coverage import survey
from nasturtium.supernet.weight_slicing import ParameterSpec, is_statistic, parameter_specs

__all__ = ["Supernet"]

Values = tuple[tuple[str, Value], ...]

MUTANTS = 12  # mutants that the survey inspects of an architecture that needs new weights


@final
class Supernet(nn.Module):
    """All architectures of a space, sharing weights by path.

    See :mod:`nasturtium.supernet.weight_slicing`.

    The store holds the largest shapes that a survey of the space finds, so its parameters stay the
    same objects and one optimiser serves for all. Parameters that no architecture of a step uses
    keep ``grad`` None; those used in part get zeros elsewhere. Weight sharing needs stable names:
    an unnamed index of ``nn.Sequential`` that shifts un-shares what follows (:meth:`audit`).

    One thread at a time may call it. A network that recomputes activations (checkpointing) has to
    go backward before the next architecture goes forward.

    Args:
        space: the space; its recipe decisions are refused.
        seed: draws the initial weights, and the samples of the survey.
        samples: the survey ends when so many random architectures in a row need no new weights.
        cached: networks in the cache, one for each combination of values.
        limit: the most parameters of the store, by default 500 million.

    Attributes:
        weights: the store's tensors, named as in an ordinary network.

    Raises:
        SpaceError: the space has no builder that asks decisions, asks for a recipe, or needs a
            store beyond the limit.

    Example:
        >>> import nasturtium as nas, random, torch
        >>> from nasturtium.supernet.supernet import Supernet
        >>> space = nas.zoo.nasbench201.bind(channels=4, cells=1)
        >>> supernet = Supernet(space)
        >>> supernet(torch.zeros(2, 3, 8, 8), space.sample(random.Random(0))).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        space: ChoiceSpace,
        *,
        seed: int = 0,
        samples: int = 32,
        cached: int = 256,
        limit: int = 500_000_000,
    ) -> None:
        super().__init__()
        if not isinstance(space, ChoiceSpace):
            raise SpaceError(
                f"a supernet needs a space made by @nas.space, whose networks have parameters at "
                f"known paths; got {space!r}"
            )
        recipe = [name for name in space.encoder().names if name.startswith(RECIPE)]
        if recipe:
            raise SpaceError(
                f"a supernet shares the weights of networks; space {space.name!r} also asks for "
                f"training settings ({', '.join(recipe)}): give it the network's space"
            )
        self.space = space
        self._seed = seed
        self._cached = cached
        self._limit = limit
        self._networks: OrderedDict[Values, Network] = OrderedDict()
        self._store = Store()
        self.weights = self._store.tree
        self._add(self._survey(samples))

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next((p.device for p in self.parameters()), torch.device("cpu"))

    def forward(self, x: Tensor, architecture: Architecture) -> Any:
        """Return the output of the network of ``architecture`` for ``x``, with shared weights.

        In train mode, batch normalisation updates the shared statistics.

        Raises:
            SpaceError: the architecture does not fit the space, or needs weights that the survey
                did not find (see :meth:`grow`).
        """
        return self._bound(architecture).module(x)

    def extract(self, architecture: Architecture) -> nn.Module:
        """Return an ordinary network with a copy of the shared weights and statistics.

        It computes what :meth:`forward` computes, and is in the same mode, on the same device.
        """
        network = self.space.build(architecture.network, seed=self._seed).to(self.device)
        with torch.no_grad():
            for place in parameter_specs(network):
                place.home[place.name].copy_(self._store.part(place.piece)())
        return network.train(self.training)

    def recalibrate(self, architecture: Architecture, batches: Iterable[Any]) -> nn.Module:
        """Return an extracted network whose normalisation statistics are averaged over ``batches``.

        Shared statistics are those of a mixture of architectures; without this step they rank
        architectures at random (Guo et al. 2020, section 3.4; Yu & Huang 2019, section 3.2).

        Args:
            architecture: the architecture to extract.
            batches: inputs, or tuples that begin with inputs; every batch counts the same.

        Returns:
            the network, in eval mode.

        Raises:
            EstimateError: there are no batches.
        """
        network = self.extract(architecture).eval()
        norms = [m for m in network.modules() if isinstance(m, _BatchNorm)]
        norms = [norm for norm in norms if norm.track_running_stats]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a cumulative average
            norm.train()
        empty = True
        with torch.no_grad():
            for batch in batches:
                inputs = batch[0] if isinstance(batch, (tuple, list)) else batch
                network(inputs.to(self.device))
                empty = False
        if empty:
            raise EstimateError("recalibrate() got no batches; give a few hundred examples or more")
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        return network.eval()

    def audit(self, samples: int = 100, *, seed: int = 0) -> Mapping[str, float]:
        """Measure the share of random architectures' parameters that is shared, and why not all is.

        Returns:
            mean shares of an architecture's parameters, which add up to one: ``shared`` (another
            sample uses the same elements), ``alone`` (no other sample does, though it could),
            ``conflicting`` (at one path, networks have tensors of different kinds), ``missing``
            (the survey did not find them). Then ``conflict at PATH: KINDS``, the part of
            ``conflicting`` that each such path has.
        """
        rng = Random(seed)
        drawn = [self.space.sample(rng) for _ in range(samples)]
        counters = self._store.counters()
        conflicts = self._store.conflicts()
        totals: dict[str, float] = dict.fromkeys(("shared", "alone", "conflicting", "missing"), 0.0)
        asked = []
        for architecture in drawn:
            network = self._made(partial(self.space.build, architecture))
            asked.append({p.piece for p in parameter_specs(network) if p.piece.parameter})
            for piece in asked[-1]:
                self._store.tick(piece, counters)
        for used in asked:
            whole = sum(piece.numel for piece in used) * samples
            for piece in used:
                uses = self._store.uses(piece, counters)
                if uses is None:
                    totals["missing"] += piece.numel / whole
                elif piece.path in conflicts:
                    text = f"conflict at {piece.path}: {', '.join(conflicts[piece.path])}"
                    totals[text] = totals.get(text, 0.0) + piece.numel / whole
                    totals["conflicting"] += piece.numel / whole
                else:
                    shared = int((uses > 1).sum())
                    totals["shared"] += shared / whole
                    totals["alone"] += (piece.numel - shared) / whole
        return totals

    def grow(self, *architectures: Architecture) -> tuple[str, ...]:
        """Add the weights of architectures that the survey did not find; old values are kept.

        Returns:
            names of the tensors that are new objects. If there are any, create a new optimiser.
        """
        met: dict[ParameterSpec, Architecture] = {}
        for architecture in architectures:
            self._meet(architecture, met)
        self._store.reserve(met)
        return self._add(met)

    def _survey(self, samples: int) -> dict[ParameterSpec, Architecture]:
        """Reserve room for the space's weights; return, by piece, an architecture that has it."""
        met: dict[ParameterSpec, Architecture] = {}
        for architecture in survey(self.space):
            self._meet(architecture, met)
        self._store.reserve(met)
        rng = Random(self._seed)
        quiet = 0
        near: list[Architecture] = []  # their mutants may need more
        for _ in range(40 * samples):
            random = not near
            drawn = self.space.sample(rng) if random else self._beside(near.pop(), rng)
            more: dict[ParameterSpec, Architecture] = {}
            self._meet(drawn, more)
            if all(map(self._store.holds, more)):
                quiet += random
            else:
                quiet, near = 0, [drawn] * MUTANTS
                self._store.reserve(more)
                met = {**more, **met}
            if quiet >= samples:
                break
        return met

    def _beside(self, architecture: Architecture, rng: Random) -> Architecture:
        """Return a mutation, or the architecture itself where the space has none."""
        try:
            return self.space.mutate(architecture, rng)
        except SpaceError:
            return architecture

    def _meet(self, architecture: Architecture, met: dict[ParameterSpec, Architecture]) -> None:
        for place in self._network(architecture).places():
            met.setdefault(place.piece, architecture)

    def _add(self, met: Mapping[ParameterSpec, Architecture]) -> tuple[str, ...]:
        """Create the reserved tensors, with the layers' own initial values."""
        if (needed := self._store.numel()) > self._limit:
            raise SpaceError(
                f"a supernet of space {self.space.name!r} needs {needed:,} parameters, as many as "
                f"its largest networks together, and limit={self._limit:,}; restrict the space's "
                "widths and depths, or raise the limit"
            )
        blank = self._store.allocate(self.device)
        for piece, architecture in sorted(met.items(), key=lambda item: -item[0].numel):
            if self._store.lacks(piece, blank):
                network = self.space.build(architecture, seed=self._seed)
                for place in parameter_specs(network):
                    tensor = place.home[place.name].detach().to(self.device)
                    self._store.fill(place.piece, tensor, blank)
        self._store.complete(blank, self._seed)
        self._networks.clear()
        return tuple(blank)

    # -- networks on meta, bound to the store ----------------------------------------------------

    def _network(self, architecture: Architecture) -> Network:
        """Return the network of an architecture with its switches set, before weights are bound."""
        reading = SinglePathReading(self.space, architecture.network)
        values, make = reading.read()
        network = self._networks.get(values)
        if network is None:
            network = Network(self._made(make), reading.selection)
            self._networks[values] = network
            if len(self._networks) > self._cached:
                self._networks.popitem(last=False)
        self._networks.move_to_end(values)
        network.select(reading.selection, self._made)
        return network

    def _bound(self, architecture: Architecture) -> Network:
        network = self._network(architecture)
        try:
            network.bind(self._store, self.training)
        except SpaceError:
            self._networks.clear()
            raise
        return network

    def _made(self, make: Callable[[], nn.Module]) -> nn.Module:
        """Build a module on meta, or a real one if its constructor computes other tensors."""
        try:
            with torch.device("meta"):
                module = make()
            if not _constants(module):
                return module
        except (RuntimeError, NotImplementedError):
            pass  # its constructor may read values of tensors; any other error is raised again
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self._seed)
            return make().to(self.device)

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Supernet:
        self._networks.clear()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._networks.clear()
        super()._load_from_state_dict(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_networks": OrderedDict()}


def _constants(module: nn.Module) -> bool:
    """Return whether modules hold tensors besides parameters and statistics."""
    for part in module.modules():
        if any(isinstance(value, Tensor) for value in vars(part).values()):
            return True
        if any(b is not None and not is_statistic(name) for name, b in part._buffers.items()):
            return True
    return False
