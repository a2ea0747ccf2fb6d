"""Finish a study: train the chosen architecture in full, measure it once, and export it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from nasturtium.architecture import Architecture
from nasturtium.display.notebook import render_lines
from nasturtium.errors import EstimateError, ExportError, StoreError, StrategyError
from nasturtium.run.describe_part import without_addresses
from nasturtium.run.load_options import parse_load_options
from nasturtium.run.progress import choose_view
from nasturtium.run.resolve import bind_space, parse_recipe
from nasturtium.run.stages import call_both
from nasturtium.space.base import Space
from nasturtium.study.files import Files
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial
from nasturtium.task.layout import value_range
from nasturtium.task.merge import joined
from nasturtium.task.sources import load
from nasturtium.task.storage import memory_budget
from nasturtium.task.task import Task
from nasturtium.train.evaluate import evaluate
from nasturtium.train.fields import check_types, hints_of
from nasturtium.train.fit import Progress, fit
from nasturtium.train.numerics import Numerics, usual_torch
from nasturtium.train.recipe import Recipe
from nasturtium.train.seeds import mix
from nasturtium.train.weights import load_weights, save_weights

if TYPE_CHECKING:
    from torch import nn

    from nasturtium.deploy.export import Exported

__all__ = ["Retrained", "finished", "retrain"]

logger = logging.getLogger("nasturtium")

LONGER = 4  # times the search's epochs, where no recipe is given
REAL = 64  # examples of the test split that an export is compared on


@final
@dataclass(frozen=True, eq=False)
class Retrained:
    """A network in hand.

    Attributes:
        model: trained, in evaluation mode; takes normalised inputs.
        metrics: on the test split, where the data have one, measured once, after training:
            ``accuracy``, ``balanced_accuracy``, ``loss``; ``params`` and ``macs``;
            ``valid_accuracy`` where the validation examples were not trained on.
        architecture: what was built.
        trial: the number of the trial it came from.
        recipe: how it was trained.
        task: the data.
        seconds: what the training took.
        reused: whether an earlier run of the same finish had trained it.
        weights: where they come from, in words: trained afresh, loaded, or kept from the search.
    """

    model: nn.Module
    metrics: Mapping[str, float]
    architecture: Architecture
    trial: int
    recipe: Recipe
    task: Task
    seconds: float
    reused: bool
    weights: str = "trained afresh"

    def __repr__(self) -> str:
        told = ", ".join(f"{name} {value:.6g}" for name, value in self.metrics.items())
        return (
            f"<network of trial {self.trial}, {self.recipe.epochs} epochs, {self.weights}: {told}>"
        )

    def __str__(self) -> str:
        return f"{repr(self)[1:-1]}\n{self.architecture}"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return render_lines(repr(self)[1:-1]) + self.architecture._repr_html_()

    @usual_torch()
    def export(self, path: str | Path, **options: Any) -> Exported:
        """Write the network to a file, compared with the model on real inputs before it is kept.

        Normalisation is inside the graph: the file takes inputs in the scale of the data (its
        metadata hold the least and greatest training value, 0 and 255 for most images), as
        float32, with any batch size.

        Args:
            path: ``.onnx``, or ``.pt2`` for a ``torch.export`` program.
            **options: of :func:`nasturtium.deploy.export.export_onnx` or ``export_program``.

        Raises:
            ExportError: an operator cannot be exported, or the outputs differ; nothing is written.
        """
        import torch

        from nasturtium.deploy.export import export_onnx, export_program

        split = self.task.test or self.task.valid
        example = torch.from_numpy(np.array(split.inputs[:REAL])).float()
        facts = {
            "mean": self.task.mean,
            "std": self.task.std,
            "classes": self.task.class_names,
            "values": value_range(self.task.train.inputs),
        }
        write = export_onnx if check_suffix(Path(path)) == ".onnx" else export_program
        return write(self.model, path, example, **{**facts, **options})


def check_suffix(path: Path) -> str:
    """The ending of a file for a network.

    Raises:
        ExportError: it is neither ``.onnx`` nor ``.pt2``.
    """
    if path.suffix not in (".onnx", ".pt2"):
        raise ExportError(
            f"{path} ends in {path.suffix or 'nothing'}; end it in .onnx, or in .pt2 for a "
            "torch.export program"
        )
    return path.suffix


@usual_torch()
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
    """Train the best architecture (or a given trial's) in full, and measure it on the test split.

    The test split was not seen by the search. The result stays in the study: finishing again
    with the same settings loads it, and an interrupted training goes on from its checkpoint.

    Args:
        study: a study of :func:`nasturtium.search`.
        trial: which trial; the study's best if not given.
        recipe: how; the trial's or the study's own, four times as long, if not given; text such as
            ``"epochs=60"`` changes that.
        build: the space under other arguments, e.g. more cells; the study's own if not given.
        data: the data, where the study was made from objects; else they are read again.
        seed: of weights and training; the study's if not given.
        whole: train on training and validation examples together, as nothing is chosen any more.
        keep: train nothing, and take the weights that the trial had in the search; the search has
            to keep them, ``estimator="train(keep=True)"``.
        numerics: the study's if not given.
        progress: whether to show what goes on, as for :func:`nasturtium.search`.
        watch: called after each epoch.
        train: whether to train again a network that was finished before and whose kept weights are
            damaged or missing, after a warning.

    Returns:
        the network with its metrics.

    Raises:
        StrategyError: the study has no finished trial, or the trial kept no weights.
        StoreError: a driver is searching in the study now, or kept weights cannot be loaded.
        TaskError: the data cannot be read again, or are not those of the study.
    """
    given = dict(locals())
    check_types("retrain", given, hints_of(retrain), StrategyError)
    show = choose_view(progress, watch is not None)
    if show is not None:
        with show:
            return retrain(**{**given, "progress": False, "watch": call_both(show.epoch, watch)})
    chosen = study.best if trial is None else trial
    if isinstance(chosen, int):
        chosen = study.history.trial(chosen)
    task = task_of(study, data)
    space = build if build is not None else study.space
    space = bind_space(space, task)
    if keep:
        return _kept(study, chosen, space, task)
    settings = parse_recipe(recipe, longer(study, chosen.architecture))
    seed = study.seed if seed is None else seed
    numerics = numerics or numerics_of(study)
    model = space.build(chosen.architecture, seed=mix(seed, "finish", "init"))
    cache = None if study.files is None else study.files.tasks
    fitted_task = joined(task, cache) if whole else task
    identity = identity_of(chosen.number, settings, seed, whole, space, numerics)
    unknown = {key: value for key, value in identity.items() if key != "numerics"}
    weights = "trained afresh"
    for note in reversed(study.notes):
        if note.get("finished") == unknown:
            weights += "; an earlier training is not reused, since its numerics were not recorded"
        if note.get("finished") == identity and study.files is not None:
            fault = _loaded(model, study.files, note.get("weights", ""))
            if fault is not None and not train:
                raise StoreError(
                    f"the network that was finished cannot be loaded: {fault}; "
                    "nasturtium finish trains it again"
                )
            if fault is not None:
                logger.warning("the network is trained again: %s", fault)
                weights = f"trained afresh; {fault}"
                model = space.build(chosen.architecture, seed=mix(seed, "finish", "init"))
                continue
            return Retrained(
                model,
                note["metrics"],
                chosen.architecture,
                chosen.number,
                settings,
                task,
                0,
                True,
                "loaded from an earlier run of the same training",
            )
    name = f"finish-{mix(repr(sorted(identity.items())))}"
    checkpoint = None if study.files is None else study.files.checkpoint(study.name, name)

    lease = study.store.lease(study.name)

    def beat(point: Progress) -> bool:
        lease.beat()
        if watch is not None:
            watch(point)
        return True

    try:
        fitted = fit(
            model,
            fitted_task,
            settings,
            seed=mix(seed, "finish", "fit"),
            numerics=numerics,
            checkpoint=checkpoint,
            progress=beat,
        )
        metrics = _measured(fitted.model, task, numerics)
        if not whole:
            metrics["valid_accuracy"] = fitted.metrics["accuracy"]
        if study.files is not None:
            path = study.files.temporary()
            save_weights(path, fitted.model)
            note = {"finished": identity, "metrics": metrics, "weights": study.files.put(path)}
            study.log("note", {**note, "measured": [fitted.seconds]})
            if checkpoint is not None:
                checkpoint.unlink(missing_ok=True)
    finally:
        lease.release()
    return Retrained(
        fitted.model,
        metrics,
        chosen.architecture,
        chosen.number,
        settings,
        task,
        fitted.seconds,
        False,
        weights,
    )


def _loaded(model: nn.Module, files: Files, digest: str) -> str | None:
    """Give a network its kept weights; returns why it cannot be done, or ``None``."""
    fault = files.fault(digest)
    if fault is not None:
        return fault
    try:
        model.load_state_dict(load_weights(files.get(digest)))
    except (EstimateError, RuntimeError) as error:
        return str(error).splitlines()[0]
    model.eval()
    return None


def _kept(study: Study, trial: Trial, space: Space, task: Task) -> Retrained:
    """The trial as it was in the search: its own weights, measured on the test split."""
    digest = trial.files.get("weights")
    if digest is None or study.files is None:
        raise StrategyError(
            f"trial {trial.number} of study {study.name!r} kept no weights; search with "
            'estimator="train(keep=True)", or let finish train afresh'
        )
    model = space.build(trial.architecture, seed=0)
    fault = _loaded(model, study.files, digest)
    if fault is not None:
        raise StoreError(
            f"the weights that trial {trial.number} had in the search cannot be loaded: {fault}; "
            "nasturtium finish without --keep trains it in full"
        )
    settings = searched(study, trial.architecture)
    metrics = _measured(model, task, numerics_of(study))
    return Retrained(
        model,
        metrics,
        trial.architecture,
        trial.number,
        settings,
        task,
        trial.seconds,
        True,
        "kept from the search",
    )


def finished(study: Study, *, trial: int | None = None, data: Any = None) -> Retrained:
    """The network that was finished last, loaded and not trained again.

    Args:
        study: the study.
        trial: the one finished from this trial.
        data: the data, where the study was made from objects.

    Raises:
        StrategyError: nothing was finished yet, or not from that trial.
    """
    task = task_of(study, data)
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
    which = "" if trial is None else f" from trial {trial}"
    if old:
        raise StrategyError(
            f"the finished network of study {study.name!r}{which} is of an older version, which "
            "did not record the numerics of its training; finish(study) trains it again, or "
            "nasturtium finish"
        )
    raise StrategyError(
        f"study {study.name!r} has no finished network{which} yet; finish(study) trains one, or "
        "nasturtium finish"
    )


def searched(study: Study, architecture: Architecture | None = None) -> Recipe:
    """The recipe that the search trained with: the architecture's own, or else the study's."""
    own = getattr(study.space, "recipe", None)
    if own is not None and architecture is not None:
        found: Recipe = own.of(architecture)
        return found
    known = study.manifest.get("recipe")
    return Recipe() if known is None else Recipe.from_json(known)


def longer(study: Study, architecture: Architecture | None = None) -> Recipe:
    """The recipe of a training in full: the search's, four times as long."""
    base = searched(study, architecture)
    return base.replace(epochs=base.epochs * LONGER)


def numerics_of(study: Study) -> Numerics:
    """Device, threads, precision and memory format of a study's trainings."""
    known = study.manifest.get("numerics")
    return Numerics() if known is None else Numerics.from_json(known)


def identity_of(
    trial: int, recipe: Recipe, seed: int, whole: bool, space: Space, numerics: Numerics
) -> dict[str, Any]:
    """What makes a training in full the same training, to the last bit."""
    return {
        "trial": trial,
        "recipe": recipe.to_json(),
        "seed": seed,
        "whole": whole,
        "space": without_addresses(space.describe()),
        "numerics": numerics.to_json(),
    }


def task_of(study: Study, data: Any = None) -> Task:
    """The data of a study: given, still at hand, or read again.

    Raises:
        StrategyError: they cannot be read again, or are not those that were searched on.
    """
    if data is None:
        data = study.task
    if data is None:
        call = study.manifest.get("call", {})
        if call.get("data", "?") == "?":
            raise StrategyError(
                f"study {study.name!r} was made from objects, not from a path; give them again: "
                "finish(study, data=...)"
            )
        data = call["data"]
    split_seed = study.manifest.get("call", {}).get("split_seed", study.seed)
    cache = None if study.files is None else study.files.tasks
    if isinstance(data, Task):
        task = data
    else:
        options = parse_load_options(study.manifest.get("call", {}).get("load"))
        task = load(data, seed=split_seed, cache=cache, memory=memory_budget(), **options)
    known = study.manifest.get("data", {}).get("fingerprint")
    if known is not None and known != task.fingerprint:
        raise StrategyError(
            f"the data ({task.name}, fingerprint {task.fingerprint[:12]}…) are not those of study "
            f"{study.name!r} (fingerprint {known[:12]}…); give the ones that it searched on"
        )
    return task


def _measured(model: nn.Module, task: Task, numerics: Numerics) -> dict[str, float]:
    """Measure on the device that the network was trained on; it ends on the processor."""
    from nasturtium.cost.count import count

    metrics = {} if task.test is None else evaluate(model, task.test, task, numerics=numerics)
    cost = count(model.to("cpu"), task.inputs)
    return {**metrics, "params": float(cost.params), "macs": float(cost.macs)}
