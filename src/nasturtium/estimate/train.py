"""Estimates by training each architecture and evaluating it on the validation examples."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import final

from nasturtium.errors import StoreError
from nasturtium.study.estimator import Estimator
from nasturtium.study.job import Job
from nasturtium.train.checkpoint import Checkpoint
from nasturtium.train.fit import Progress, fit
from nasturtium.train.recipe import Recipe
from nasturtium.train.weights import inherit, load_weights, save_weights

__all__ = ["Train"]


@final
class Train(Estimator):
    """Training of each network by itself, at the trial's fidelity.

    Args:
        recipe: the training recipe; the default recipe if not given.
        inherit: start from the parent's weights, by path and shape, if the proposal has a parent
            (Real et al. 2017, "Large-scale evolution of image classifiers", section 3.3).
        overlap: with ``inherit``, also copy the overlapping channels of tensors whose shapes
            differ (EAT-NAS, width-level sharing).
        keep: keep every trial's weights; implied by ``inherit``.

    Example:
        >>> import nasturtium as nas
        >>> from torch import nn
        >>> from nasturtium.study.context import StudyContext
        >>> from nasturtium.study.job import Job
        >>> from nasturtium.study.trial import Proposal
        >>> @nas.space
        ... def linear(choose, *, inputs, classes):
        ...     bias = choose("bias", (True, False))
        ...     return lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, classes, bias=bias))
        >>> task = nas.load("digits")
        >>> space = linear.bind(**task.data_shapes)
        >>> biased, _ = space.every()
        >>> estimator = nas.Train(nas.Recipe(epochs=1))
        >>> context = StudyContext("example", 0, space, task)
        >>> sorted(estimator.estimate(Job(0, Proposal(biased), context)))
        ['accuracy', 'balanced_accuracy', 'loss', 'train_loss']
    """

    metrics = ("accuracy", "balanced_accuracy", "loss", "train_loss")

    def __init__(
        self,
        recipe: Recipe | None = None,
        inherit: bool = False,
        overlap: bool = False,
        keep: bool = False,
    ) -> None:
        self.recipe = recipe
        self.inherit = inherit
        self.overlap = overlap
        self.keep = keep

    def full_epochs(self) -> int | None:
        return (self.recipe or Recipe()).epochs

    def estimate(self, job: Job) -> Mapping[str, float]:
        recipe = job.recipe or self.recipe or Recipe()
        fidelity = job.fidelity
        model = job.build()
        if self.inherit and job.parent_weights is not None:
            weights = load_weights(job.files.get(job.parent_weights))
            inherit(model, weights, overlap=self.overlap)
        checkpoint = job.checkpoint
        resumed = job.resumed
        if checkpoint is not None and resumed is not None and not checkpoint.exists():
            # If the earlier trial's checkpoint is missing or damaged, train from the start.
            with suppress(StoreError):
                Checkpoint.copy(job.files.get(resumed), checkpoint)

        def report(progress: Progress) -> bool:
            job.epochs = progress.epoch
            return job.report({"epoch": progress.epoch, **progress.metrics})

        fitted = fit(
            model,
            job.task,
            recipe,
            seed=job.seed("fit"),
            epochs=fidelity.epochs,
            data=fidelity.data,
            resolution=fidelity.resolution,
            complete=fidelity.schedule == "complete",
            numerics=job.context.numerics,
            checkpoint=checkpoint,
            progress=report,
            time_limit=job.context.time_limit,
        )
        job.curve = [dict(point) for point in fitted.curve]
        job.end(stopped=fitted.stopped == "progress")
        if self.keep or self.inherit:
            path = job.files.temporary()
            save_weights(path, fitted.model)
            job.keep("weights", path)
        if fidelity.schedule == "prefix" and checkpoint is not None and checkpoint.exists():
            path = job.files.temporary()
            Checkpoint.copy(checkpoint, path)
            job.keep("checkpoint", path)
        return fitted.metrics
