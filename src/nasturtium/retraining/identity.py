"""The identity of a retraining: everything that determines its result."""

from __future__ import annotations

from typing import Any

from nasturtium.run.describe_part import without_addresses
from nasturtium.space.base import Space
from nasturtium.train.numerics import Numerics
from nasturtium.train.recipe import Recipe

__all__ = ["training_identity"]


def training_identity(
    trial: int, recipe: Recipe, seed: int, whole: bool, space: Space, numerics: Numerics
) -> dict[str, Any]:
    """Return the identity of a retraining as plain JSON; equal identities give equal weights.

    Args:
        trial: number of the architecture's trial.
        recipe: the recipe.
        seed: seed of initial weights and training.
        whole: whether training and validation examples are trained on together.
        space: the space that builds the network.
        numerics: device, threads, precision and memory format.
    """
    return {
        "trial": trial,
        "recipe": recipe.to_json(),
        "seed": seed,
        "whole": whole,
        "space": without_addresses(space.describe()),
        "numerics": numerics.to_json(),
    }
