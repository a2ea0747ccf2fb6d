"""DecisionSpace: the operations of a choice space that its encoder, size and check use."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from nasturtium.architecture import Architecture
from nasturtium.decision.base import Decision
from nasturtium.space.choose import Answer, Choose, Reading
from nasturtium.space.restrictions import Limits

if TYPE_CHECKING:
    from torch import nn

__all__ = ["DecisionSpace"]


class DecisionSpace(Protocol):
    """A space that asks decisions; :class:`~nasturtium.space.choice_space.ChoiceSpace` is one.

    The encoder, the size and the check depend on this protocol, and the class depends on them.
    """

    @property
    def name(self) -> str:
        """The space's name."""

    @property
    def limits(self) -> Limits | None:
        """Restrictions, ties and orders."""

    @property
    def builder_arguments(self) -> Mapping[str, Any]:
        """The builder's keyword arguments."""

    def run(
        self, answer: Answer, reading: Reading | None = None, whole: bool = True
    ) -> tuple[Architecture, Choose, Callable[[], Any]]:
        """Run the builder once with a source of answers."""

    def sample(self, rng: Random) -> Architecture:
        """Draw a random architecture."""

    def mutate(self, parent: Architecture, rng: Random) -> Architecture:
        """Return a copy of ``parent`` with one decision changed."""

    def decisions(self, architecture: Architecture) -> tuple[Decision, ...]:
        """Return the active decisions of an architecture."""

    def canonical(self, architecture: Architecture) -> Hashable:
        """Return a form that architectures of equal networks share."""

    def skeleton(self, architecture: Architecture) -> nn.Module:
        """Return the network on the meta device."""
