"""Serialization for worker processes: by value, where a worker could not import an object."""

from __future__ import annotations

import io
from typing import Any, final

import cloudpickle

from nasturtium.space.choice_space import ChoiceSpace
from nasturtium.space.recipe_space import RecipeSpace

__all__ = ["dumps"]


def dumps(message: object) -> bytes:
    """Serialize a message for ``pickle.loads``, objects of the main program by value."""
    buffer = io.BytesIO()
    _Pickler(buffer).dump(message)
    return buffer.getvalue()


@final
class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """A cloudpickle pickler that serializes spaces of the main program by value as well.

    A space is otherwise pickled as the name of its builder's module. A worker cannot import that
    module if it is the main program or a file that was given as ``file.py:name``.
    """

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, (ChoiceSpace, RecipeSpace)):
            module = obj.builder.__module__
            if module == "__main__" or module in cloudpickle.list_registry_pickle_by_value():
                return obj.by_value()
        return super().reducer_override(obj)
