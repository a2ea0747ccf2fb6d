"""Retraining as jobs for workers: of a study's architectures and of reference networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from nasturtium.analyse.comparison.retrained import MEASURED
from nasturtium.analyse.reference_networks import build_reference
from nasturtium.analyse.training_notes import canonical_json
from nasturtium.architecture import Architecture
from nasturtium.cost.count import count
from nasturtium.errors import EstimateError
from nasturtium.study.estimator import Estimator
from nasturtium.study.job import Job
from nasturtium.task.merge_splits import merge_train_and_valid
from nasturtium.task.task import Task
from nasturtium.train.evaluate import evaluate
from nasturtium.train.fit import fit
from nasturtium.train.numerics import Numerics
from nasturtium.train.recipe import Recipe
from nasturtium.train.seeds import derive_seed

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Retrain", "RetrainJob"]

REFERENCE = "reference"  # the name of the space of reference networks


@final
@dataclass(frozen=True)
class RetrainJob:
    """One training to run.

    Attributes:
        identity: everything that determines its result, as plain JSON.
        architecture: an architecture of the study, or ``{"name": ..., "params": ...}`` of the
            space ``reference``.
        seed: seed of initial weights and training.
        recipe: how to train.
        trial: number of the architecture's trial; ``None`` for a reference network.
    """

    identity: Mapping[str, Any]
    architecture: Architecture
    seed: int
    recipe: Recipe
    trial: int | None = None

    @property
    def key(self) -> str:
        """The architecture's key, or the reference network's name."""
        if self.trial is None:
            return str(self.architecture["name"])
        return self.architecture.key

    @property
    def number(self) -> int:
        """The number of its job, the same in every run and different from those of trials."""
        return derive_seed(canonical_json(self.identity))

    @classmethod
    def of_reference(
        cls,
        name: str,
        params: int,
        seed: int,
        recipe: Recipe,
        whole: bool,
        task: Task,
        numerics: Numerics,
    ) -> RetrainJob:
        """Return the training of a reference network of about ``params`` parameters."""
        identity = {
            "reference": name,
            "params": params,
            "seed": seed,
            "recipe": recipe.to_json(),
            "whole": whole,
            "inputs": list(task.inputs),
            "classes": task.classes,
            "numerics": numerics.to_json(),
        }
        return cls(
            identity, Architecture(REFERENCE, {"name": name, "params": params}), seed, recipe
        )

    def build(self, job: Job) -> nn.Module:
        """Build the network with initial weights from its seed, the same as for ``finish``."""
        seed = derive_seed(self.seed, "finish", "init")
        if self.trial is not None:
            return job.space.build(self.architecture, seed=seed)
        name, params = str(self.architecture["name"]), self.architecture["params"]
        assert isinstance(params, int)
        return build_reference(name, job.task.inputs, job.task.classes, params, seed=seed)


@final
class Retrain(Estimator):
    """Retrains networks, and measures each of them once on the test examples.

    Args:
        trainings: the trainings by the number of their jobs.
        whole: train on training and validation examples together.
    """

    metrics = (*MEASURED, "params", "macs")

    def __init__(self, trainings: Mapping[int, RetrainJob], whole: bool) -> None:
        self.trainings = dict(trainings)
        self.whole = whole

    def estimate(self, job: Job) -> Mapping[str, float]:
        training, task = self.trainings[job.number], job.task
        if task.test is None:
            raise EstimateError(f"the data {task.name!r} have no test examples")
        model = training.build(job)
        cost = count(model, task.inputs)
        cache = None if job.context.files is None else job.context.files.tasks
        fitted = fit(
            model,
            merge_train_and_valid(task, cache) if self.whole else task,
            training.recipe,
            seed=derive_seed(training.seed, "finish", "fit"),
            numerics=job.context.numerics,
            checkpoint=job.checkpoint,
        )
        metrics = evaluate(fitted.model, task.test, task, numerics=job.context.numerics)
        return {**metrics, "params": float(cost.params), "macs": float(cost.macs)}
