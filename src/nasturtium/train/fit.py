"""Training of a network by a recipe, resumable from a checkpoint.

Every random number is keyed by (seed, purpose, epoch), and no random state crosses the boundary of
an epoch. So a training that is killed and started again resumes from its last checkpoint and ends
with exactly the weights of an uninterrupted training.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from nasturtium.cost.measurement_lock import training_turn
from nasturtium.errors import EstimateError
from nasturtium.task.task import Task
from nasturtium.train.checkpoint import Checkpoint
from nasturtium.train.loop import Diverged, Loop, TimeLimit
from nasturtium.train.numerics import Numerics
from nasturtium.train.recipe import Recipe
from nasturtium.train.scale_epochs import scale_epochs

__all__ = ["Diverged", "Fitted", "Progress", "TimeLimit", "fit"]


NO_METRICS = ("epoch", "lr", "train_loss")  # entries of a point of a curve


@dataclass(frozen=True)
class Progress:
    """The state of a training after an epoch.

    Attributes:
        epoch: epochs done.
        epochs: epochs that this training will take.
        train_loss: mean loss of the epoch, with smoothing, augmentation and auxiliary output.
        metrics: metrics of the network on the validation examples.
        seconds: time since the start, all resumptions together.
    """

    epoch: int
    epochs: int
    train_loss: float
    metrics: Mapping[str, float]
    seconds: float


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained network, its metrics and its learning curve.

    Attributes:
        model: the network, in evaluation mode, with averaged weights if the recipe asks for them.
        metrics: ``accuracy``, ``balanced_accuracy`` and ``loss`` on the validation examples after
            the last epoch, and its ``train_loss``.
        curve: the same for every epoch, with ``epoch`` and ``lr`` (of its last step).
        seconds: time of training and evaluation, all resumptions together.
        epochs: epochs done.
        stopped: ``"complete"``, or ``"progress"`` if the callback ended it before its last epoch.
        resumed: epochs that were restored from a checkpoint.
    """

    model: nn.Module
    metrics: Mapping[str, float]
    curve: tuple[dict[str, float], ...]
    seconds: float
    epochs: int
    stopped: Literal["complete", "progress"]
    resumed: int


def fit(
    model: nn.Module,
    task: Task,
    recipe: Recipe,
    *,
    seed: int,
    epochs: float = 1.0,
    data: float = 1.0,
    resolution: float = 1.0,
    complete: bool = True,
    numerics: Numerics | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_seconds: float = 20.0,
    progress: Callable[[Progress], bool] | None = None,
    time_limit: float | None = None,
    memory: int | None = None,
) -> Fitted:
    """Train a network on the training examples of a task; the test examples are not used.

    Args:
        model: takes (N, C, H, W) or (N, F), returns (N, classes) logits, or in training (logits,
            auxiliary logits). It is trained in place. Before each epoch, ``advance(progress)`` is
            called on its modules that have this method, with the completed share of the schedule,
            from 0 to below 1; drop-path increases with it.
        task: the data.
        recipe: the settings.
        seed: seed of order, augmentation and dropout. The initial weights are those of ``model``.
        epochs: share of the recipe's epochs, rounded, at least one epoch.
        data: share of each class; smaller shares are subsets of larger ones and depend on the
            task's split alone, so that all trials of a fidelity see the same examples.
        resolution: share of height and width, of training and validation images.
        complete: whether the schedule ends with these epochs; otherwise they are the beginning of
            the full schedule, and a later call with more epochs and the same checkpoint resumes.
        numerics: device, threads, precision, memory format; CPU in fp32 by default.
        checkpoint: file to resume from, if it belongs to this training, and to write to.
        checkpoint_seconds: least time between two writes, which are made between epochs.
        progress: called after each epoch; the training ends if it returns ``False``.
        time_limit: seconds, all resumptions together.
        memory: bytes that the inputs of a split may take on the device; larger ones are streamed,
            with the same result. Measured if not given.

    Raises:
        Diverged: the loss is NaN or infinite.
        TimeLimit: the time limit passed; the last checkpoint stays.
        EstimateError: a setting is out of range, or the network's output does not fit the task.

    Example:
        >>> from nasturtium.task.load import load
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        >>> fitted = fit(net, load("digits"), Recipe(epochs=3), seed=0)
        >>> fitted.epochs, fitted.metrics["accuracy"] > 0.8
        (3, True)
    """
    if not isinstance(recipe, Recipe):
        raise EstimateError(
            f"fit got recipe={recipe!r}; expected a nas.Recipe, e.g. nas.Recipe(epochs=2)"
        )
    for name, share in (("epochs", epochs), ("data", data), ("resolution", resolution)):
        if not 0 < share <= 1:
            raise EstimateError(f"{name}={share}; expected a share of the recipe's, in (0, 1]")
    if resolution != 1 and len(task.inputs) != 3:
        what = f"the inputs of {task.name!r} are not images"
        raise EstimateError(f"resolution={resolution}, but {what}")
    numerics = numerics or Numerics()
    total = scale_epochs(recipe.epochs, epochs)
    with numerics.opened() as device:
        own = [device.index or 0] if device.type == "cuda" else []
        with torch.random.fork_rng(own):
            with training_turn():
                loop = Loop(model, task, recipe, numerics, device, seed, data, resolution, memory)
            file = None
            if checkpoint is not None:
                fidelity = (data, resolution, total if complete else "prefix")
                identity = loop.identity(task, fidelity)
                file = _File(Path(checkpoint), identity, checkpoint_seconds, not complete)
            horizon = total if complete else recipe.epochs
            return _run(loop, total, horizon, file, progress, time_limit)


@dataclass(frozen=True)
class _File:
    """The checkpoint file of a training, and the time between writes."""

    path: Path
    identity: str
    seconds: float
    continued: bool  # a later call may resume from the last epoch, so it is always written

    def due(self, since: float, last: bool) -> bool:
        return since >= self.seconds or (last and self.continued)


def _run(
    loop: Loop,
    total: int,
    horizon: int,
    file: _File | None,
    progress: Callable[[Progress], bool] | None,
    time_limit: float | None,
) -> Fitted:
    written = start = time.perf_counter()
    done = 0
    curve: tuple[dict[str, float], ...] = ()
    saved = None if file is None else Checkpoint.read(file.path, file.identity)
    if saved is not None and saved.epoch <= total and loop.restored(saved.state):
        done, curve, start = saved.epoch, saved.curve, start - saved.seconds
    deadline = math.inf if time_limit is None else start + time_limit
    resumed, stopped = done, False
    for point in curve if progress is not None else ():
        # Reported again, so that the callback knows the whole curve; its last answer counts.
        metrics = {name: value for name, value in point.items() if name not in NO_METRICS}
        before = Progress(int(point["epoch"]), total, point["train_loss"], metrics, 0.0)
        stopped = progress is not None and progress(before) is False
    while done < total and not stopped:
        with training_turn() as turn:  # ends before the callback, which may measure a latency
            train_loss, rate = loop.epoch(done, horizon, deadline, turn)
            metrics = loop.score(turn)
        start, deadline = start + turn.paused, deadline + turn.paused
        if not math.isfinite(metrics["loss"]):
            raise Diverged(loop.diverged(metrics["loss"], done, rate))
        done += 1
        now = time.perf_counter()
        curve = (*curve, {"epoch": float(done), "lr": rate, "train_loss": train_loss, **metrics})
        report = Progress(done, total, train_loss, metrics, now - start)
        if file is not None and file.due(now - written, done == total):
            Checkpoint(file.identity, done, now - start, curve, loop.state()).write(file.path)
            written = now
        stopped = progress is not None and progress(report) is False
    last = {name: value for name, value in curve[-1].items() if name not in ("epoch", "lr")}
    return Fitted(
        model=loop.finished(),
        metrics=last,
        curve=curve,
        seconds=time.perf_counter() - start,
        epochs=done,
        stopped="progress" if stopped and done < total else "complete",
        resumed=resumed,
    )
