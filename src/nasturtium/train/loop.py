"""The training loop of an epoch: its steps, their learning rates, and its state."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from contextlib import closing
from copy import deepcopy
from functools import partial
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from nasturtium.cost.measurement_lock import TrainingTurn
from nasturtium.errors import EstimateError
from nasturtium.task.split import split_stratified
from nasturtium.task.task import Task
from nasturtium.train.evaluate import Batches, autocast_context, place_model
from nasturtium.train.numerics import Numerics
from nasturtium.train.recipe import Recipe
from nasturtium.train.seeds import derive_seed
from nasturtium.train.weight_average import WeightAverage

__all__ = ["Diverged", "Loop", "TimeLimit"]

_EVALUATION_BATCH = 512
_FINITE_EVERY = 64  # steps between checks of the loss, each of which waits for the device


class Diverged(EstimateError):
    """The loss of a training became NaN or infinite."""


class TimeLimit(EstimateError):
    """A training exceeded its time limit."""


class Loop:
    """A network, its optimiser and its data on a device.

    Args:
        model: the network, trained in place.
        task: the data.
        recipe: the settings.
        numerics: precision and memory format.
        device: device of the network and the data.
        seed: seed of order, augmentation and dropout.
        data: share of the training examples.
        resolution: share of height and width.
        memory: bytes that the inputs of a split may take on the device; measured if not given.
    """

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        recipe: Recipe,
        numerics: Numerics,
        device: torch.device,
        seed: int,
        data: float,
        resolution: float,
        memory: int | None = None,
    ) -> None:
        self.model = place_model(model, device, numerics)
        self.recipe = recipe
        self.numerics = numerics
        self.device = device
        self.seed = seed
        chosen = None
        if data < 1:
            chosen, _ = split_stratified(
                task.train.labels, data, seed=derive_seed(task.split.seed, "data"), keep=0
            )
        place = partial(
            Batches.place,
            task=task,
            device=device,
            numerics=numerics,
            resolution=resolution,
            memory=memory,
        )
        self.train = place(task.train, chosen=chosen)
        self.valid = place(task.valid)
        self.balance = self.train.balance() if recipe.balance else None
        self.ends = self.train.ends() if recipe.augment.policy else None
        self.examples = self._examples()
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        if not self.parameters:
            raise EstimateError("the network has no parameters to train")
        self.optimizer = _optimizer(self.parameters, recipe, device)
        self.scaler = torch.amp.GradScaler(device.type) if numerics.precision == "fp16" else None
        self.average = WeightAverage(model, recipe.ema) if recipe.ema else None
        modules = (getattr(module, "advance", None) for module in model.modules())
        self.scheduled = [advance for advance in modules if callable(advance)]

    def epoch(
        self, number: int, horizon: int, deadline: float, turn: TrainingTurn
    ) -> tuple[float, float]:
        """Train epoch ``number`` (from 0) of a schedule of ``horizon`` epochs.

        Args:
            number: the epoch, from 0.
            horizon: epochs of the schedule.
            deadline: time on the clock; the pauses of ``turn`` postpone it.
            turn: pauses between steps while a latency is measured on the host.

        Returns:
            The mean loss and the last learning rate.

        Raises:
            Diverged: the loss is NaN or infinite.
            TimeLimit: the clock passed ``deadline``.
        """
        recipe, train = self.recipe, self.train
        torch.manual_seed(derive_seed(self.seed, "dropout", number))
        augmenting = torch.Generator(self.device).manual_seed(
            derive_seed(self.seed, "augment", number)
        )
        order = self._order(number)
        parts = torch.split(order.to(self.device), recipe.batch_size)
        losses = torch.zeros((), device=self.device)
        rate = recipe.lr
        for advance in self.scheduled:
            advance(number / horizon)
        self.model.train()
        with closing(train.inputs_of(order, recipe.batch_size)) as batches:
            for step, (chosen, inputs) in enumerate(zip(parts, batches, strict=True)):
                turn.pause_for_measurements()
                if time.perf_counter() > deadline + turn.paused:
                    raise TimeLimit(
                        f"the time limit passed in epoch {number + 1}, step {step + 1} of "
                        f"{len(parts)}; give more time, or train for fewer epochs or on less data"
                    )
                rate = recipe.rate((number + step / len(parts)) / horizon)
                for group in self.optimizer.param_groups:
                    group["lr"] = rate
                x = train.normalise(inputs)
                x, y = recipe.augment.apply(
                    x, train.labels[chosen], augmenting, classes=train.classes, ends=self.ends
                )
                with autocast_context(self.numerics):
                    loss = self._loss(self.model(train.to_memory_format(x)), y)
                self._step(loss)
                losses.add_(loss.detach(), alpha=len(chosen))
                if step % _FINITE_EVERY == 0 or step + 1 == len(parts):
                    mean = losses.item() / self.examples
                    if not math.isfinite(mean):
                        raise Diverged(self.diverged(mean, number, rate))
        return mean, rate

    def score(self, turn: TrainingTurn) -> dict[str, float]:
        """Return the validation metrics of the network, with averaged weights if there are any."""
        if self.average is None:
            return self.valid.score(self.model, self.numerics, _EVALUATION_BATCH, turn)
        self.average.swap()
        try:
            return self.valid.score(self.model, self.numerics, _EVALUATION_BATCH, turn)
        finally:
            self.average.swap()

    def finished(self) -> nn.Module:
        """Return the network in evaluation mode, with its averaged weights if there are any."""
        if self.average is not None:
            self.average.swap()
        self.model.eval()
        return self.model

    def state(self) -> dict[str, Any]:
        """Return the state from which ``restored`` resumes."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
            "average": None if self.average is None else self.average.state(),
        }

    def restored(self, state: Mapping[str, Any]) -> bool:
        """Resume from a state; return false, changing nothing, if it is of another training."""
        before = deepcopy(self.state())
        try:
            self._restore(state)
        except Exception:  # torch raises errors of many types for a state of another form
            self._restore(before)
            return False
        return True

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scaler is not None:
            self.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            self.average.restore(**state["average"])

    def identity(self, task: Task, fidelity: tuple[object, ...]) -> str:
        """Return a digest of all settings and data of the training, except its initial weights."""
        tensors = [(n, list(t.shape), str(t.dtype)) for n, t in self.model.state_dict().items()]
        description = json.dumps(
            {
                "network": [re.sub(r"0x[0-9a-f]+", "", repr(self.model)), tensors],
                "task": [task.fingerprint, dict(task.split.digests)],
                "recipe": self.recipe.to_json(),
                "numerics": self.numerics.to_json(),
                "fidelity": fidelity,
                "seed": self.seed,
            }
        )
        return sha256(description.encode()).hexdigest()

    def diverged(self, loss: float, number: int, rate: float) -> str:
        """Return a message with the place of a divergence, and advice."""
        return (
            f"the loss became {loss} in epoch {number + 1} at a learning rate of {rate:.3g}; "
            f"lower lr (now {self.recipe.lr}), clip gradients (now {self.recipe.clip}) or lengthen "
            "the warm-up"
        )

    def _examples(self) -> int:
        """Count the examples of an epoch: BatchNorm cannot train on a last batch of one."""
        size, count = self.recipe.batch_size, len(self.train)
        rest = count % size
        normalised = any(isinstance(module, _BatchNorm) for module in self.model.modules())
        if count > size and (self.recipe.drop_last or (rest == 1 and normalised)):
            return count - rest
        return count

    def _order(self, number: int) -> Tensor:
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "order", number))
        order = torch.randperm(len(self.train), generator=generator)
        return order[: self.examples]

    def _loss(self, output: Tensor | tuple[Tensor, Tensor], y: Tensor) -> Tensor:
        logits, extra = (output, None) if isinstance(output, Tensor) else output
        if logits.shape != (len(y), self.train.classes):
            raise EstimateError(
                f"the network gave an output of shape {tuple(logits.shape)}; expected "
                f"{(len(y), self.train.classes)}, logits for each example and class"
            )
        loss = self._mean_loss(logits, y)
        if extra is not None:
            loss = loss + self.recipe.auxiliary * self._mean_loss(extra, y)
        return loss

    def _mean_loss(self, logits: Tensor, y: Tensor) -> Tensor:
        smoothing = self.recipe.label_smoothing
        if self.balance is None:
            return functional.cross_entropy(logits, y, label_smoothing=smoothing)
        # The ``weight`` of cross_entropy would weight the smoothed share of each class by its own
        # weight, and normalise each batch by the sum of its weights.
        losses = functional.cross_entropy(logits, y, label_smoothing=smoothing, reduction="none")
        return (losses * (self.balance[y] if y.ndim == 1 else (y * self.balance).sum(1))).mean()

    def _step(self, loss: Tensor) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        clip, scaler = self.recipe.clip, self.scaler
        if scaler is None:
            torch.autograd.backward(loss)
            if clip is not None:
                nn.utils.clip_grad_norm_(self.parameters, clip)
            self.optimizer.step()
        else:
            torch.autograd.backward(scaler.scale(loss))
            if clip is not None:
                scaler.unscale_(self.optimizer)
                nn.utils.clip_grad_norm_(self.parameters, clip)
            scaler.step(self.optimizer)
            scaler.update()
        if self.average is not None:
            self.average.update()


def _optimizer(
    parameters: list[nn.Parameter], recipe: Recipe, device: torch.device
) -> torch.optim.Optimizer:
    decayed = [p for p in parameters if p.ndim > 1]
    free = [p for p in parameters if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    fused = device.type in ("cpu", "cuda")
    if recipe.optimizer == "adamw":
        betas = (recipe.momentum, 0.999)
        return torch.optim.AdamW(groups, lr=recipe.lr, betas=betas, fused=fused)
    return torch.optim.SGD(
        groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=fused
    )
