"""Pickles of spaces by reference: a worker imports the builder's module and finds the space."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

__all__ = ["import_space", "is_importable"]


def is_importable(space: Any) -> bool:
    """Return whether the name of a space's builder, in its module, is a space of this builder."""
    builder = space.builder
    source = getattr(sys.modules.get(builder.__module__), builder.__qualname__, None)
    return isinstance(source, type(space)) and source.builder is builder


def import_space(
    module: str, name: str, arguments: Any, limits: Any, predicates: Any, recipe: Any
) -> Any:
    """Import a space, and bind and limit it as the pickled space was."""
    return getattr(import_module(module), name).derived(
        arguments=arguments, limits=limits, predicates=predicates, recipe=recipe
    )
