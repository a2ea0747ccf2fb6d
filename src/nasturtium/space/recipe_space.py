"""RecipeSpace: training settings as decisions, for joint search of architecture and recipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, final

from nasturtium.architecture import RECIPE, Architecture, Value
from nasturtium.decision.base import Decision
from nasturtium.errors import SpaceError
from nasturtium.space.answer_sources import MISSING
from nasturtium.space.builder import check_arguments
from nasturtium.space.choose import Choose

__all__ = ["RecipeSpace", "recipe"]


@final
class RecipeSpace:
    """A builder that asks for training settings; made by :func:`recipe`.

    Args:
        builder: ``builder(choose, ...) -> Recipe``.
        arguments: keyword arguments bound so far.
    """

    def __init__(
        self, builder: Callable[..., Any], arguments: Mapping[str, Any] | None = None
    ) -> None:
        self.builder = builder
        self.name = builder.__name__
        self.arguments = dict(arguments or {})
        self.__doc__ = builder.__doc__

    def ask(self, choose: Choose) -> Any:
        """Ask the settings from a handle, and return the recipe."""
        return self.builder(choose, **self.arguments)

    def of(self, architecture: Architecture) -> Any:
        """Return the recipe of an architecture, from its ``recipe`` decisions.

        Raises:
            SpaceError: a decision is missing or not allowed.
        """

        def answer(decision: Decision) -> Value:
            value = architecture.get(decision.name, MISSING)
            if not decision.allows(value):
                recorded = "nothing" if value is MISSING else repr(value)
                raise SpaceError(
                    f"{decision.name!r} allows {decision.options_text()}, but the record says "
                    f"{recorded}; it is not from a space joined with recipe {self.name!r}"
                )
            allowed: Value = value
            return allowed

        choose = Choose(answer, {})
        with choose.scope(RECIPE[:-1]):
            return self.ask(choose)

    def bind(self, **arguments: Any) -> RecipeSpace:
        """Bind arguments of the builder, e.g. ``epochs=5``, in a new space.

        Raises:
            SpaceError: the builder has no such argument.
        """
        check_arguments(f"recipe {self.name!r}", self.builder, arguments)
        return RecipeSpace(self.builder, {**self.arguments, **arguments})

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by reference where the builder is importable as this object; else by value."""
        module, name = self.builder.__module__, self.builder.__qualname__
        found = getattr(sys.modules.get(module), name, None)
        if isinstance(found, RecipeSpace) and found.builder is self.builder:
            return _found, (module, name, self.arguments)
        return self.by_value()

    def by_value(self) -> tuple[Any, ...]:
        """Return the pickle of a space whose module cannot be imported."""
        return RecipeSpace, (self.builder, self.arguments)

    def __str__(self) -> str:
        """Return the name with the bound arguments, in the command line's form."""
        bound = ", ".join(f"{name}={value!r}" for name, value in sorted(self.arguments.items()))
        return f"{self.name}({bound})" if bound else self.name

    def __repr__(self) -> str:
        return f"<recipe space {self}>"


def _found(module: str, name: str, arguments: Mapping[str, Any]) -> RecipeSpace:
    source: RecipeSpace = getattr(import_module(module), name)
    return RecipeSpace(source.builder, arguments)


def recipe(builder: Callable[..., Any]) -> RecipeSpace:
    """Make a space of training settings of a builder (a decorator).

    Its keyword parameters, if it has any, are bound by ``bind(...)``.

    Example:
        >>> import nasturtium as nas
        >>> @nas.recipe
        ... def settings(choose, *, epochs=3):
        ...     return nas.Recipe(lr=choose.range("lr", 0.01, 0.5, log=True), epochs=epochs)
        >>> joint = nas.zoo.nasbench201.joined(settings)
        >>> from random import Random
        >>> architecture = joint.sample(Random(0))
        >>> 0.01 <= settings.of(architecture).lr <= 0.5, len(architecture.network)
        (True, 6)
    """
    if not callable(builder):
        raise SpaceError(f"@nas.recipe got {builder!r}; it decorates a function that asks")
    return RecipeSpace(builder)
