"""Retraining the best architecture of a study, or that of a given trial."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from nasturtium.analyse.retraining_settings import numerics_of, retraining_recipe
from nasturtium.errors import StoreError, StrategyError
from nasturtium.retraining.identity import training_identity
from nasturtium.retraining.kept_weights import load_kept_weights, use_trial_weights
from nasturtium.retraining.measure import measure_network
from nasturtium.retraining.retrained import NEW_WEIGHTS, Retrained
from nasturtium.retraining.study_task import load_study_task
from nasturtium.run.progress import choose_view
from nasturtium.run.resolve import bind_space, parse_recipe
from nasturtium.run.stages import call_both
from nasturtium.space.base import Space
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial
from nasturtium.task.merge_splits import merge_train_and_valid
from nasturtium.task.task import Task
from nasturtium.train.check_arguments import check_types, find_type_hints
from nasturtium.train.fit import Progress, fit
from nasturtium.train.numerics import Numerics, default_torch_state
from nasturtium.train.recipe import Recipe
from nasturtium.train.seeds import derive_seed
from nasturtium.train.weights import save_weights

if TYPE_CHECKING:
    from torch import nn

__all__ = ["retrain"]

logger = logging.getLogger("nasturtium")


@default_torch_state()
def retrain(
    study: Study,
    *,
    trial: Trial | int | None = None,
    recipe: Recipe | str | None = None,
    build: Space | None = None,
    data: Any = None,
    seed: int | None = None,
    whole: bool = True,
    keep: bool = False,
    numerics: Numerics | None = None,
    progress: bool | None = None,
    watch: Callable[[Progress], None] | None = None,
    train: bool = True,
) -> Retrained:
    """Retrain the best architecture, or a given trial's, and measure it on the test split.

    The search did not use the test split. The study keeps the result: the same call again loads
    it, and an interrupted training resumes from its checkpoint.

    Args:
        study: a study of :func:`nasturtium.search`.
        trial: which trial; the study's best if not given.
        recipe: how to train; the recipe of the trial or the study with four times as many epochs
            if not given; text such as ``"epochs=60"`` changes that recipe.
        build: the space with other arguments, e.g. more cells; the study's own if not given.
        data: the data, if the study was made from objects; otherwise they are read again.
        seed: seed of weights and training; the study's if not given.
        whole: train on training and validation examples together, since no further choice depends
            on the validation examples.
        keep: do not train; use the weights that the trial had in the search. The search has to
            keep them: ``estimator="train(keep=True)"``.
        numerics: the study's if not given.
        progress: whether to show progress, as for :func:`nasturtium.search`.
        watch: called after each epoch.
        train: whether to train a network again, after a warning, if it was retrained before and
            its kept weights are damaged or missing.

    Returns:
        the network with its metrics.

    Raises:
        StrategyError: the study has no finished trial, or the trial kept no weights.
        StoreError: a driver is searching in the study now, or kept weights cannot be loaded.
        TaskError: the data cannot be read again, or are not those of the study.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.search(
        ...     "digits", space="mlp", trials=1, control=0.0, confirm=0, recipe="epochs=1",
        ...     executor="here", numerics="threads=1", store=None,
        ... )
        >>> nas.retrain(study, recipe="epochs=2").reused
        False
        >>> nas.retrain(study, recipe="epochs=2").reused  # loaded
        True
    """
    check_types("retrain", dict(locals()), find_type_hints(retrain), StrategyError)
    view = choose_view(progress, watch is not None)
    if view is not None:
        watch = call_both(view.epoch, watch)
    with view or nullcontext():
        chosen = study.best if trial is None else trial
        if isinstance(chosen, int):
            chosen = study.history.trial(chosen)
        task = load_study_task(study, data)
        space = bind_space(study.space if build is None else build, task)
        if keep:
            return use_trial_weights(study, chosen, space, task)
        training = _Training(
            study,
            chosen,
            parse_recipe(recipe, retraining_recipe(study, chosen.architecture)),
            study.seed if seed is None else seed,
            whole,
            space,
            task,
            numerics or numerics_of(study),
        )
        earlier, weights = _load_earlier(training, train)
        return _train(training, weights, watch) if earlier is None else earlier


@final
@dataclass(frozen=True)
class _Training:
    """One retraining, and everything that determines it.

    Attributes:
        study: the study that keeps the result.
        trial: the architecture's trial.
        recipe: the recipe.
        seed: seed of weights and training.
        whole: train on training and validation examples together.
        space: the space that builds the network.
        task: the data.
        numerics: device, threads, precision and memory format.
    """

    study: Study
    trial: Trial
    recipe: Recipe
    seed: int
    whole: bool
    space: Space
    task: Task
    numerics: Numerics

    @property
    def identity(self) -> dict[str, Any]:
        """The identity that is recorded in the study."""
        return training_identity(
            self.trial.number, self.recipe, self.seed, self.whole, self.space, self.numerics
        )

    def build(self) -> nn.Module:
        """Build the network with its initial weights."""
        return self.space.build(
            self.trial.architecture, seed=derive_seed(self.seed, "finish", "init")
        )


def _load_earlier(training: _Training, train: bool) -> tuple[Retrained | None, str]:
    """Load the network from an earlier run of the same training.

    Args:
        training: the training.
        train: whether to warn about damaged weights, so that the network is trained again.

    Returns:
        the network, or ``None`` if it has to be trained; and the origin of its weights as text.

    Raises:
        StoreError: the kept weights cannot be loaded, and ``train`` is false.
    """
    study, trial, identity = training.study, training.trial, training.identity
    without_numerics = {key: value for key, value in identity.items() if key != "numerics"}
    weights = NEW_WEIGHTS
    for note in reversed(study.notes):
        if note.get("finished") == without_numerics:
            weights += "; an earlier training is not reused, since its numerics were not recorded"
        if note.get("finished") != identity or study.files is None:
            continue
        model = training.build()
        fault = load_kept_weights(model, study.files, note.get("weights", ""))
        if fault is None:
            loaded = Retrained(
                model,
                note["metrics"],
                trial.architecture,
                trial.number,
                training.recipe,
                training.task,
                0,
                True,
                "loaded from an earlier run of the same training",
            )
            return loaded, loaded.weights
        if not train:
            raise StoreError(
                f"the retrained network cannot be loaded: {fault}; nasturtium finish trains it "
                "again"
            )
        logger.warning("the network is trained again: %s", fault)
        weights = f"{NEW_WEIGHTS}; {fault}"
    return None, weights


def _train(
    training: _Training, weights: str, watch: Callable[[Progress], None] | None
) -> Retrained:
    """Train, measure and record the network, and keep its weights in the study."""
    study, trial, identity = training.study, training.trial, training.identity
    model, files = training.build(), study.files
    task = training.task
    if training.whole:
        task = merge_train_and_valid(task, None if files is None else files.tasks)
    name = f"finish-{derive_seed(repr(sorted(identity.items())))}"
    checkpoint = None if files is None else files.checkpoint(study.name, name)
    lease = study.store.lease(study.name)

    def report(point: Progress) -> bool:
        lease.beat()
        if watch is not None:
            watch(point)
        return True

    try:
        fitted = fit(
            model,
            task,
            training.recipe,
            seed=derive_seed(training.seed, "finish", "fit"),
            numerics=training.numerics,
            checkpoint=checkpoint,
            progress=report,
        )
        metrics = measure_network(fitted.model, training.task, training.numerics)
        if not training.whole:
            metrics["valid_accuracy"] = fitted.metrics["accuracy"]
        if files is not None:
            path = files.temporary()
            save_weights(path, fitted.model)
            note = {"finished": identity, "metrics": metrics, "weights": files.put(path)}
            study.log("note", {**note, "measured": [fitted.seconds]})
            if checkpoint is not None:
                checkpoint.unlink(missing_ok=True)
    finally:
        lease.release()
    return Retrained(
        fitted.model,
        metrics,
        trial.architecture,
        trial.number,
        training.recipe,
        training.task,
        fitted.seconds,
        False,
        weights,
    )
