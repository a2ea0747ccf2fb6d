"""Continuous relaxation of a space: one network in which all options are mixed.

Liu et al. (2019), "DARTS", section 2.2, generalised: each choice between modules becomes a
weighted sum of all options, each join a gated sum of all its inputs (the edge normalisation of Xu
et al. 2020, "PC-DARTS", section 3.3). Options see the same input: none may change it in place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

from torch import Tensor, nn

from nasturtium.architecture import Architecture, Value
from nasturtium.decision.base import Decision
from nasturtium.decision.one_of import OneOf
from nasturtium.decision.subset import Subset
from nasturtium.errors import SpaceError
from nasturtium.module_factory import Block
from nasturtium.space.answer_sources import MISSING, first_answer
from nasturtium.space.choice_space import ChoiceSpace
from nasturtium.space.choose import Reading
from nasturtium.space.joins import given
from nasturtium.supernet.relaxation import Labels, Relaxation, labels_of, value_of

__all__ = ["GatedJoin", "Mixture", "relax"]


@final
class Mixture(nn.Module):
    """All options of a module decision, mixed; children have their labels, as in ``Chosen``."""

    def __init__(
        self, relaxation: Relaxation, decision: OneOf, ops: Mapping[str, nn.Module]
    ) -> None:
        super().__init__()
        for label, op in ops.items():
            self.add_module(label, op)
        # In a tuple, so that alpha is not among the network's weights.
        self._parts = (relaxation, decision)

    def forward(self, *inputs: Tensor) -> Tensor:
        relaxation, decision = self._parts
        return relaxation.mix(decision, self._modules, *inputs)  # type: ignore[arg-type]


@final
class GatedJoin(nn.Module):
    """All inputs of a join, gated; takes tensors as ``Join`` does."""

    def __init__(
        self,
        relaxation: Relaxation,
        decision: Subset,
        labels: Labels,
        ops: Mapping[str, nn.Module],
    ) -> None:
        super().__init__()
        for label, op in ops.items():
            self.add_module(label, op)
        self._parts = (relaxation, decision)
        self._places = [labels.index(label) for label in ops]  # a restricted join skips some

    def forward(self, *inputs: Tensor | Sequence[Tensor]) -> Tensor:
        relaxation, decision = self._parts
        all_of_them = given(inputs)
        tensors = [all_of_them[place] for place in self._places]
        return relaxation.join(decision, self._modules, tensors)  # type: ignore[arg-type]


def relax(
    space: ChoiceSpace, relaxation: Relaxation, base: Architecture | None = None
) -> nn.Module:
    """Return the network of mixtures of a space; weights have an ordinary network's paths.

    Args:
        space: the space.
        relaxation: the weights of the options; its alpha is created here.
        base: answers to the value decisions (widths, depths, kernels), which cannot be mixed.

    Returns:
        a network whose parameters are weights only; alpha is ``relaxation.parameters()``.

    Raises:
        SpaceError: ``base`` does not answer a value decision, or the space asks no decisions.

    Example:
        >>> import nasturtium as nas, torch
        >>> from nasturtium.supernet.relaxed_network import relax
        >>> from nasturtium.supernet.relaxation import Softmax
        >>> space = nas.zoo.nasbench201.bind(channels=4, cells=1)
        >>> alpha = Softmax()
        >>> relax(space, alpha)(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 10])
        >>> len(alpha.derive(space))
        6
    """
    if not isinstance(space, ChoiceSpace):
        raise SpaceError(
            f"a relaxation mixes the options of a builder's decisions; {type(space).__name__} "
            f"{space.name!r} asks none. Use a space made by @nas.space"
        )
    known: set[str] = set()
    while True:  # module decisions are known after the builder has run
        reading = Relaxed(space, relaxation, base, known)
        _, make = space.ask(reading)
        if known == set(reading.mixed):
            break
        known = set(reading.mixed)
    for decision in reading.open():
        value_of(space, decision, base)
    for mixed in reading.mixed.values():
        relaxation.register(mixed)
    network = make()
    network.register_forward_pre_hook(_Begin(relaxation))
    return network


@final
class Relaxed(Reading):
    """A reading that answers value decisions from a base, and mixes the options of modules."""

    def __init__(
        self,
        space: ChoiceSpace,
        relaxation: Relaxation,
        base: Architecture | None,
        known: set[str],
    ) -> None:
        self._limits = space.limits
        self._relaxation = relaxation
        self._base = base
        self._known = known
        self._asked: dict[str, Decision] = {}
        self.mixed: dict[str, OneOf | Subset] = {}

    def answer(self, decision: Decision) -> Value:
        self._asked[decision.name] = decision
        value: Value = MISSING if self._base is None else self._base.get(decision.name, MISSING)
        if decision.name not in self._known and decision.allows(value):
            return value
        # A builder that reads which inputs are joined gets all of them.
        return decision.options if isinstance(decision, Subset) else first_answer(decision)

    def open(self) -> list[Decision]:
        """Return the value decisions that were asked."""
        return [d for name, d in self._asked.items() if name not in self.mixed]

    def module(self, decision: OneOf, options: Mapping[str, Block], label: str) -> Block:
        leader = self._leader(decision)
        assert isinstance(leader, OneOf)
        self.mixed[leader.name] = leader
        parts = _parts(leader, decision, options)
        return Block(mixture, (self._relaxation, leader, parts))

    def join(self, decision: Subset, inputs: Mapping[str, Block], kept: Labels) -> Block:
        leader = self._leader(decision)
        assert isinstance(leader, Subset)
        self.mixed[leader.name] = leader
        parts = _parts(leader, decision, inputs)
        return Block(gated, (self._relaxation, leader, tuple(inputs), parts))

    def _leader(self, decision: Decision) -> Decision:
        """Return the decision itself, or the decision that it is tied to."""
        names = (decision.name,) if self._limits is None else self._limits.group(decision.name)
        return next(self._asked[name] for name in (decision.name, *names) if name in self._asked)


def _parts(
    leader: OneOf | Subset, decision: Decision, given: Mapping[str, Block]
) -> tuple[tuple[str, Block], ...]:
    """Return the options of a decision, for the labels of the decision that it is tied to.

    Raises:
        SpaceError: the decision lacks a label, so the two cannot have the same weights.
    """
    labels = labels_of(leader)
    if not set(labels) <= set(given):
        raise SpaceError(
            f"decision {decision.name!r} has the options {', '.join(given)} and is tied to "
            f"{leader.name!r} with {', '.join(labels)}: they cannot be mixed with the same "
            "weights; untie them, or give both the same options"
        )
    return tuple((label, given[label]) for label in labels)


def mixture(
    relaxation: Relaxation,
    decision: OneOf,
    options: tuple[tuple[str, Block], ...],
    *late: Any,
    **named: Any,
) -> Mixture:
    """Build every option of a module decision."""
    ops = {
        label: relaxation.option(decision, label, block, *late, **named) for label, block in options
    }
    return Mixture(relaxation, decision, ops)


def gated(
    relaxation: Relaxation,
    decision: Subset,
    labels: Labels,
    inputs: tuple[tuple[str, Block], ...],
    *late: Any,
    **named: Any,
) -> GatedJoin:
    """Build every input of a join."""
    ops = {label: block(*late, **named) for label, block in inputs}
    return GatedJoin(relaxation, decision, labels, ops)


@final
class _Begin:
    """A hook that begins each forward pass of a relaxation (a class, so that it can be copied)."""

    def __init__(self, relaxation: Relaxation) -> None:
        self.relaxation = relaxation

    def __call__(self, module: nn.Module, inputs: Any) -> None:
        self.relaxation.begin()
