"""Loading the network of a study that was retrained last."""

from __future__ import annotations

from typing import Any

from nasturtium.errors import StrategyError
from nasturtium.retraining.retrain import retrain
from nasturtium.retraining.retrained import Retrained
from nasturtium.retraining.study_task import load_study_task
from nasturtium.run.describe_part import without_addresses
from nasturtium.run.resolve import bind_space
from nasturtium.study.study import Study
from nasturtium.train.numerics import Numerics
from nasturtium.train.recipe import Recipe

__all__ = ["load_retrained"]


def load_retrained(study: Study, *, trial: int | None = None, data: Any = None) -> Retrained:
    """Load the network that was retrained last; nothing is trained.

    Args:
        study: the study.
        trial: only networks of this trial; of any trial if not given.
        data: the data, if the study was made from objects.

    Raises:
        StrategyError: no network was retrained yet, or none of that trial.
        StoreError: its weights are damaged or missing.
    """
    task = load_study_task(study, data)
    space, old = without_addresses(bind_space(study.space, task).describe()), False
    for note in reversed(study.notes):
        identity = note.get("finished", {})
        if identity.get("space") != space or trial not in (None, identity["trial"]):
            continue
        old = "numerics" not in identity
        if not old:
            return retrain(
                study,
                trial=identity["trial"],
                recipe=Recipe.from_json(identity["recipe"]),
                data=task,
                seed=identity["seed"],
                whole=identity["whole"],
                numerics=Numerics.from_json(identity["numerics"]),
                train=False,
                progress=False,
            )
    which = "" if trial is None else f" of trial {trial}"
    if old:
        raise StrategyError(
            f"the retrained network{which} of study {study.name!r} was written by an older "
            "version, which did not record the numerics of the training; nas.retrain(study) or "
            "nasturtium finish trains it again"
        )
    raise StrategyError(
        f"study {study.name!r} has no retrained network{which} yet; nas.retrain(study) or "
        "nasturtium finish trains one"
    )
