"""Weights that a study keeps: loading them, and using those of a trial without retraining."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nasturtium.analyse.retraining_settings import numerics_of, search_recipe
from nasturtium.errors import EstimateError, StoreError, StrategyError
from nasturtium.retraining.measure import measure_network
from nasturtium.retraining.retrained import Retrained
from nasturtium.space.base import Space
from nasturtium.study.files import Files
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial
from nasturtium.task.task import Task
from nasturtium.train.weights import load_weights

if TYPE_CHECKING:
    from torch import nn

__all__ = ["load_kept_weights", "use_trial_weights"]


def load_kept_weights(model: nn.Module, files: Files, digest: str) -> str | None:
    """Load kept weights into a network; return why this failed, or ``None``."""
    fault = files.fault(digest)
    if fault is not None:
        return fault
    try:
        model.load_state_dict(load_weights(files.get(digest)))
    except (EstimateError, RuntimeError) as error:
        return str(error).splitlines()[0]
    model.eval()
    return None


def use_trial_weights(study: Study, trial: Trial, space: Space, task: Task) -> Retrained:
    """Return the network of a trial with its weights from the search, measured on the test split.

    Raises:
        StrategyError: the trial kept no weights.
        StoreError: its weights cannot be loaded.
    """
    digest = trial.files.get("weights")
    if digest is None or study.files is None:
        raise StrategyError(
            f"trial {trial.number} of study {study.name!r} kept no weights; search with "
            'estimator="train(keep=True)", or retrain the network without keep'
        )
    model = space.build(trial.architecture, seed=0)
    fault = load_kept_weights(model, study.files, digest)
    if fault is not None:
        raise StoreError(
            f"the weights of trial {trial.number} from the search cannot be loaded: {fault}; "
            "nasturtium finish without --keep retrains the network"
        )
    return Retrained(
        model,
        measure_network(model, task, numerics_of(study)),
        trial.architecture,
        trial.number,
        search_recipe(study, trial.architecture),
        task,
        trial.seconds,
        True,
        "kept from the search",
    )
