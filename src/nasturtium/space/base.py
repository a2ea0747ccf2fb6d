"""Space: the interface of a search space for strategies and estimators."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from random import Random
from typing import TYPE_CHECKING, Any

from nasturtium import renamed
from nasturtium.architecture import Architecture

if TYPE_CHECKING:
    from torch import nn

    from nasturtium.predict.graph_encodings import Graph

__all__ = ["Space"]


class Space(ABC):
    """A set of architectures that can be sampled, mutated and built.

    :class:`~nasturtium.space.choice_space.ChoiceSpace` reads a builder that asks decisions,
    :class:`~nasturtium.space.graph_space.GraphSpace` grows graphs by mutations, and
    :class:`~nasturtium.space.pool_space.PoolSpace` holds the rows of a table.

    Attributes:
        name: the space's name, part of every architecture's record.
        graph: a function from an architecture to its labelled graph, for surrogates that read
            graphs (graph networks, path encodings, subtree kernels); ``None`` if there is none.

    Example:
        A space of one decision, without networks:

        >>> import nasturtium as nas
        >>> from random import Random
        >>> class Digit(nas.Space):
        ...     name = "digit"
        ...     def sample(self, rng):
        ...         return nas.Architecture(self.name, {"digit": rng.randrange(10)})
        ...     def mutate(self, parent, rng):
        ...         return nas.Architecture(self.name, {"digit": (parent["digit"] + 1) % 10})
        ...     def cross(self, mother, father, rng):
        ...         return rng.choice((mother, father))
        ...     def build(self, architecture, *, seed=None):
        ...         raise nas.SpaceError("space 'digit' has no networks; use it with a table")
        ...     def canonical(self, architecture):
        ...         return architecture.key
        ...     def bind(self, **arguments):
        ...         return self
        ...     def describe(self):
        ...         return {"name": self.name}
        >>> space = Digit()
        >>> parent = space.sample(Random(0))
        >>> parent["digit"], space.mutate(parent, Random(1))["digit"]
        (6, 7)
    """

    name: str
    graph: Callable[[Architecture], Graph] | None = None

    if not TYPE_CHECKING:
        __getattr__ = renamed.missing_attribute

    def __init_subclass__(cls) -> None:
        renamed.refuse_hooks("Space", vars(cls), cls.__name__)

    @abstractmethod
    def sample(self, rng: Random) -> Architecture:
        """Draw a random architecture."""

    @abstractmethod
    def mutate(self, parent: Architecture, rng: Random) -> Architecture:
        """Return a copy of ``parent`` with one decision changed, and those that depend on it."""

    @abstractmethod
    def cross(self, mother: Architecture, father: Architecture, rng: Random) -> Architecture:
        """Return a child whose answers come from its parents where they have them."""

    @abstractmethod
    def build(self, architecture: Architecture, *, seed: int | None = None) -> nn.Module:
        """Build a new ordinary network; ``seed``, if given, draws its initial weights."""

    @abstractmethod
    def canonical(self, architecture: Architecture) -> Hashable:
        """Return a form that architectures of equal networks share, where the space defines one."""

    @abstractmethod
    def bind(self, **arguments: Any) -> Space:
        """Bind arguments of the builder, e.g. ``inputs=(1, 28, 28)``, in a new space."""

    def bind_known(self, **shapes: Any) -> Space:
        """Bind the data shapes that the builder asks for and that are not bound yet."""
        return self

    @abstractmethod
    def describe(self) -> Mapping[str, Any]:
        """Return the description that identifies the space in a study's manifest, as plain JSON."""
