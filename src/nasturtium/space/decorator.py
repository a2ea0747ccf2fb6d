"""The decorator ``@nas.space``, which makes a search space of a builder."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, overload

from nasturtium.architecture import Architecture
from nasturtium.errors import SpaceError
from nasturtium.space.choice_space import Builder, ChoiceSpace

if TYPE_CHECKING:
    from nasturtium.predict.graph_encodings import Graph

__all__ = ["space"]


@overload
def space(builder: Builder, /) -> ChoiceSpace: ...
@overload
def space(
    *,
    name: str | None = None,
    canonical: Callable[[Architecture], Hashable] | None = None,
    graph: Callable[[Architecture], Graph] | None = None,
) -> Callable[[Builder], ChoiceSpace]: ...
def space(
    builder: Builder | None = None,
    /,
    *,
    name: str | None = None,
    canonical: Callable[[Architecture], Hashable] | None = None,
    graph: Callable[[Architecture], Graph] | None = None,
) -> ChoiceSpace | Callable[[Builder], ChoiceSpace]:
    """Make a search space of a builder (a decorator, with or without arguments).

    The builder's first parameter is the handle through which it asks decisions. Its keyword
    parameters are the data's shapes (``inputs``, ``classes``) or are bound by ``space.bind(...)``.
    It asks all decisions without creating a tensor, and returns a function that builds the network.

    Args:
        builder: ``builder(choose, *, inputs, classes) -> build``.
        name: the space's name; by default the function's.
        canonical: a form that architectures of equal networks share.
        graph: returns the labelled graph of an architecture, a
            :class:`nasturtium.predict.graph_encodings.Graph`, for surrogates that read graphs.

    Example:
        >>> import nasturtium as nas
        >>> from torch import nn
        >>> @nas.space
        ... def net(choose, *, inputs, classes):
        ...     width = choose("width", (8, 16))
        ...     def build():
        ...         stem = nn.Conv2d(inputs[0], width, 3)
        ...         return nn.Sequential(stem, nas.Classifier(width, classes))
        ...     return build
        >>> net.size().value
        2
    """
    if builder is None:
        return lambda made: ChoiceSpace(made, name or made.__name__, canonical, graph=graph)
    if not callable(builder):
        raise SpaceError(f"@nas.space got {builder!r}; it decorates a function that asks")
    if not list(inspect.signature(builder).parameters):
        raise SpaceError(
            f"{builder.__name__}() takes no arguments; the first one of a builder is the handle "
            "that it asks: def net(choose, *, inputs, classes)"
        )
    return ChoiceSpace(builder, builder.__name__)
