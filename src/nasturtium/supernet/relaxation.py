"""Relaxation: architecture parameters, the weights of options and inputs, and derivation.

A method of the DARTS family (Liu et al. 2019, "DARTS", section 2.2) is a subclass of
:class:`Relaxation`: it defines the weights, and may change how options are built, mixed and joined,
the samples before a forward pass, and the derived architecture.

Deviation of :class:`Softmax` from DARTS' code: all options are treated alike; to derive without the
option "none", restrict the space: ``relaxation.derive(space.restrict({"*": labels}))``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from nasturtium.architecture import Architecture, Value
from nasturtium.decision.base import Decision
from nasturtium.decision.one_of import OneOf
from nasturtium.decision.subset import Subset
from nasturtium.errors import SpaceError
from nasturtium.module_factory import Block
from nasturtium.space.answer_sources import MISSING, first_answer
from nasturtium.space.choice_space import ChoiceSpace

__all__ = ["Labels", "Relaxation", "Softmax", "labels_of", "value_of"]

Labels = tuple[str, ...]


class Relaxation(nn.Module, ABC):
    """The architecture parameters alpha of a space's module decisions and joins.

    The network's weights are not part of it. ``relax`` creates the parameters, so an optimiser of
    alpha is created after it. Cells that ask the same decision share its alpha.

    Attributes:
        alpha: by decision name, with ``/`` for its dots, a parameter of shape (options,).
        seed: draws the initial values.
        scale: their standard deviation.

    Example:
        >>> import nasturtium as nas
        >>> class Sigmoid(nas.Relaxation):
        ...     def weights(self, decision):
        ...         return self.logits(decision).sigmoid()
        >>> alpha = Sigmoid()
        >>> network = nas.relax(nas.zoo.nasbench201.bind(channels=4, cells=1), alpha)
        >>> len(list(alpha.parameters()))
        6
    """

    def __init__(self, *, seed: int = 0, scale: float = 1e-3) -> None:
        super().__init__()
        self.alpha = nn.ParameterDict()
        self.seed = seed
        self.scale = scale
        self._labels: dict[str, Labels] = {}

    # -- a method defines these ------------------------------------------------------------------

    @abstractmethod
    def weights(self, decision: OneOf | Subset) -> Tensor:
        """Return the weight of each of the decision's options or inputs, shape (options,)."""

    def option(
        self, decision: OneOf, label: str, block: Block, *late: Any, **named: Any
    ) -> nn.Module:
        """Build one option of a mixture, with the space's late arguments.

        Override it for fewer channels (PC-DARTS) or a normalisation after pooling (DARTS).
        """
        return block(*late, **named)

    def mix(self, decision: OneOf, ops: Mapping[str, nn.Module], *inputs: Tensor) -> Tensor:
        """Compute the weighted sum of all options of a choice between modules."""
        terms = zip(self.weights(decision), ops.values(), strict=True)
        return _total([weight * op(*inputs) for weight, op in terms])

    def join(
        self, decision: Subset, ops: Mapping[str, nn.Module], tensors: Sequence[Tensor]
    ) -> Tensor:
        """Compute the gated sum of the modules' outputs for a join.

        A join without alternatives has no gates.
        """
        outputs = [op(tensor) for op, tensor in zip(ops.values(), tensors, strict=True)]
        if decision.count == 1:
            return _total(outputs)
        gates = self.weights(decision)
        return _total([gate * out for gate, out in zip(gates, outputs, strict=True)])

    def begin(self) -> None:
        """Prepare a forward pass: methods that sample draw here, once for all cells."""

    def penalty(self) -> Tensor:
        """Return a term for the loss of alpha; by default zero."""
        return torch.zeros(())

    def advance(self, progress: float) -> None:
        """Set temperatures and thresholds for the progress of the search, from 0 to 1."""

    def kept(self, decision: Subset) -> Labels:
        """Return the derived inputs of a join, in any order.

        These are the strongest ``least`` inputs, and up to ``most`` whose weight is not below the
        mean.
        """
        strengths = self._strengths(decision)
        even = sum(strengths.values()) / len(strengths)
        ranked = sorted(strengths, key=lambda label: -strengths[label])
        more = [label for label in ranked[decision.least :] if strengths[label] >= even]
        return tuple([*ranked[: decision.least], *more][: decision.most])

    # -- the same for all methods ----------------------------------------------------------------

    def logits(self, decision: OneOf | Subset) -> nn.Parameter:
        """Return alpha of one decision.

        Raises:
            SpaceError: ``relax`` did not create it.
        """
        key = _key(decision.name)
        if key not in self.alpha:
            raise SpaceError(
                f"{type(self).__name__} has no alpha for decision {decision.name!r}; call "
                "relax(space, relaxation) first, with a space that asks it"
            )
        found: nn.Parameter = self.alpha[key]
        return found

    def register(self, decision: OneOf | Subset) -> None:
        """Create alpha for a decision, unless it exists.

        Raises:
            SpaceError: it exists for other options.
        """
        name, labels = decision.name, labels_of(decision)
        known = self._labels.setdefault(name, labels)
        if known != labels:
            raise SpaceError(
                f"{type(self).__name__} has alpha for {known!r} at {name!r}, but this space asks "
                f"{decision.options_text()}; use a new relaxation for a restricted space"
            )
        key = _key(name)
        if key not in self.alpha:
            generator = torch.Generator().manual_seed(self.seed + len(self.alpha))
            drawn = self.scale * torch.randn(len(labels), generator=generator)
            self.alpha[key] = nn.Parameter(drawn.to(next(self.parameters(), drawn).device))

    def derive(self, space: ChoiceSpace, base: Architecture | None = None) -> Architecture:
        """Return the architecture of the strongest options and inputs.

        Args:
            space: the relaxed space, or one that restricts its options further.
            base: answers to the value decisions (widths, depths), as given to ``relax``.

        Raises:
            SpaceError: ``base`` does not answer a value decision; a derived combination that
                the space rejects.
        """

        def answer(decision: Decision) -> Value:
            if decision.name not in self._labels:
                return value_of(space, decision, base)
            if isinstance(decision, Subset):
                chosen = self.kept(decision)
                return tuple(label for label in decision.options if label in chosen)
            assert isinstance(decision, OneOf)
            strengths = self._strengths(decision)
            return max(strengths, key=lambda label: strengths[label])

        return space.decide(answer)

    def _strengths(self, decision: OneOf | Subset) -> dict[str, float]:
        """Return the weights of the options that the decision still has, by label."""
        labels = self._labels[decision.name]
        kind: OneOf | Subset
        if isinstance(decision, Subset):
            kind = Subset(decision.name, labels, decision.least, decision.most)
        else:
            kind = OneOf(decision.name, labels)
        with torch.no_grad():
            weights = self.weights(kind).tolist()
        known = dict(zip(labels, weights, strict=True))
        if unknown := [label for label in labels_of(decision) if label not in known]:
            raise SpaceError(
                f"decision {decision.name!r} was relaxed over {labels!r}, without {unknown!r}; "
                "derive from the relaxed space, or from one that restricts it"
            )
        return {label: known[label] for label in labels_of(decision)}


@final
class Softmax(Relaxation):
    """Weights that add up to one: ``softmax(alpha)`` over options, and over a join's inputs.

    Example:
        >>> import nasturtium as nas
        >>> alpha = nas.Softmax()
        >>> space = nas.zoo.nasbench201.bind(channels=4, cells=1)
        >>> network = nas.relax(space, alpha)
        >>> edge = space.discover()[0]
        >>> round(float(alpha.weights(edge).sum().detach()), 4), edge.name in alpha.derive(space)
        (1.0, True)
    """

    def weights(self, decision: OneOf | Subset) -> Tensor:
        return self.logits(decision).softmax(0)


def value_of(space: ChoiceSpace, decision: Decision, base: Architecture | None) -> Value:
    """Return the base's answer to a value decision; a decision with one answer needs no base."""
    value: Value = MISSING if base is None else base.get(decision.name, MISSING)
    if value is MISSING and decision.count == 1:
        return first_answer(decision)
    if not decision.allows(value):
        given = "no base architecture was given"
        if base is not None:
            given = f"the base says {'nothing' if value is MISSING else repr(value)}"
        raise SpaceError(
            f"decision {decision.name!r} of space {space.name!r} asks for a value "
            f"({decision.options_text()}), which cannot be mixed, and {given}; give an "
            "architecture that answers it as base=..."
        )
    return value


def labels_of(decision: OneOf | Subset) -> Labels:
    """Return the labels of a module decision's options, or of a join's inputs."""
    return tuple(str(option) for option in decision.options)


def _key(name: str) -> str:
    """Return a decision's name as the name of a parameter, which has no dots."""
    return name.replace("/", "%2F").replace(".", "/")


def _total(terms: Sequence[Tensor]) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
