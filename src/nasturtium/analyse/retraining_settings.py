"""Recipe and numerics with which the networks of a study are trained, from its manifest."""

from __future__ import annotations

from nasturtium.architecture import Architecture
from nasturtium.study.study import Study
from nasturtium.train.numerics import Numerics
from nasturtium.train.recipe import Recipe

__all__ = ["numerics_of", "retraining_recipe", "search_recipe"]

LONGER = 4  # times the search's epochs, if no recipe is given


def search_recipe(study: Study, architecture: Architecture | None = None) -> Recipe:
    """Return the recipe of the search: the architecture's own if it has one, else the study's."""
    own = getattr(study.space, "recipe", None)
    if own is not None and architecture is not None:
        recipe: Recipe = own.of(architecture)
        return recipe
    known = study.manifest.get("recipe")
    return Recipe() if known is None else Recipe.from_json(known)


def retraining_recipe(study: Study, architecture: Architecture | None = None) -> Recipe:
    """Return the default recipe of a retraining: the search's with four times as many epochs."""
    base = search_recipe(study, architecture)
    return base.replace(epochs=base.epochs * LONGER)


def numerics_of(study: Study) -> Numerics:
    """Return device, threads, precision and memory format of a study's trainings."""
    known = study.manifest.get("numerics")
    return Numerics() if known is None else Numerics.from_json(known)
