"""A search space: what strategies and estimators know of it, and no more."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from random import Random
from typing import TYPE_CHECKING, Any

from nasturtium import renamed
from nasturtium.architecture import Architecture

if TYPE_CHECKING:
    from torch import nn

    from nasturtium.predict.graph import Graph

__all__ = ["Space"]


class Space(ABC):
    """A set of architectures that can be drawn from, varied and built.

    Two kinds satisfy it: :class:`~nasturtium.space.choice.ChoiceSpace`, a builder that asks, and
    spaces without a fixed vocabulary, which grow a graph.

    Attributes:
        name: the space's name, part of every architecture's record.
        graph: how an architecture becomes a labelled graph, for surrogates that read graphs (graph
            networks, path encodings, subtree kernels); ``None`` where the space does not say.
    """

    name: str
    graph: Callable[[Architecture], Graph] | None = None

    if not TYPE_CHECKING:
        __getattr__ = renamed.missing_attribute

    def __init_subclass__(cls) -> None:
        renamed.refuse_hooks("Space", vars(cls), cls.__name__)

    @abstractmethod
    def sample(self, rng: Random) -> Architecture:
        """A random architecture."""

    @abstractmethod
    def mutate(self, parent: Architecture, rng: Random) -> Architecture:
        """A copy of ``parent`` with one decision changed, and what follows from it."""

    @abstractmethod
    def cross(self, mother: Architecture, father: Architecture, rng: Random) -> Architecture:
        """A child whose every answer comes from a parent where a parent has it."""

    @abstractmethod
    def build(self, architecture: Architecture, *, seed: int | None = None) -> nn.Module:
        """A fresh ordinary network; its initial weights are drawn from ``seed`` if given."""

    @abstractmethod
    def canonical(self, architecture: Architecture) -> Hashable:
        """A form that architectures of equal networks share, where the space defines one."""

    @abstractmethod
    def bind(self, **arguments: Any) -> Space:
        """The same space under other builder arguments, e.g. ``inputs=(1, 28, 28)``."""

    def bind_known(self, **facts: Any) -> Space:
        """The space under those of a task's facts that it asks for and that are not bound yet."""
        return self

    @abstractmethod
    def describe(self) -> Mapping[str, Any]:
        """What identifies the space in a study's manifest, as plain JSON."""
