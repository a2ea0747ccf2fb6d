"""What is sent to worker processes: by value, wherever a worker could not import it."""

from __future__ import annotations

import io
from typing import Any, final

import cloudpickle

from nasturtium.space.choice_space import ChoiceSpace
from nasturtium.space.recipe_space import RecipeSpace

__all__ = ["packed"]


def packed(message: object) -> bytes:
    """A message as bytes for ``pickle.loads``; parts of the main program travel by value."""
    buffer = io.BytesIO()
    _Packer(buffer).dump(message)
    return buffer.getvalue()


@final
class _Packer(cloudpickle.Pickler):  # type: ignore[misc]
    """Cloudpickle, for spaces as well: it sends functions of the main program by value.

    A space names its builder's module instead, which a worker does not have where that is the main
    program, or a file given as ``file.py:name``.
    """

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, (ChoiceSpace, RecipeSpace)):
            module = obj.builder.__module__
            if module == "__main__" or module in cloudpickle.list_registry_pickle_by_value():
                return obj.by_value()
        return super().reducer_override(obj)
