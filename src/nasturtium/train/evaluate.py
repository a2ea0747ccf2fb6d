"""Data on the device that trains, and what a network scores on them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from nasturtium.task.layout import resized
from nasturtium.task.split import Indices
from nasturtium.task.task import Split, Task
from nasturtium.train.numerics import Numerics

__all__ = ["Batches", "casts", "evaluate", "placed"]


@dataclass(frozen=True, eq=False)
class Batches:
    """A split on a device, uint8 where it was, normalised batch by batch.

    Attributes:
        inputs: (N, C, H, W) or (N, F), uint8 or float32.
        labels: (N,) int64.
        scale: 1 / std, of the shape (1, C, 1, 1) or (1, F).
        shift: - mean / std, likewise.
        format: memory format of the batches.
        classes: number of classes.
    """

    inputs: Tensor
    labels: Tensor
    scale: Tensor
    shift: Tensor
    format: torch.memory_format
    classes: int

    @classmethod
    def place(
        cls,
        split: Split,
        task: Task,
        device: torch.device,
        numerics: Numerics,
        *,
        resolution: float = 1.0,
        chosen: Indices | None = None,
    ) -> Batches:
        """Move a split, or the ``chosen`` examples of it, at a share of its height and width."""
        inputs, labels = split.inputs, split.labels
        if chosen is not None:
            inputs, labels = inputs[chosen], labels[chosen]
        if resolution != 1.0 and inputs.ndim == 4:
            height, width = (max(1, round(side * resolution)) for side in inputs.shape[2:])
            inputs = resized(inputs, height, width)
        if not inputs.flags.writeable:  # torch warns of arrays that it could not protect
            inputs = inputs.copy()
        axes = (1, -1) + (1,) * (inputs.ndim - 2)
        std = torch.tensor(task.std, dtype=torch.float64)
        mean = torch.tensor(task.mean, dtype=torch.float64)
        return cls(
            torch.from_numpy(inputs).to(device),
            torch.from_numpy(labels).to(device),
            (1 / std).float().reshape(axes).to(device),
            (-mean / std).float().reshape(axes).to(device),
            numerics.format if inputs.ndim == 4 else torch.contiguous_format,
            task.classes,
        )

    def __len__(self) -> int:
        return len(self.labels)

    def normalised(self, inputs: Tensor) -> Tensor:
        """Return inputs as float32 with mean 0 and deviation 1."""
        return torch.addcmul(self.shift, inputs.float(), self.scale)

    def ends(self) -> tuple[Tensor, Tensor]:
        """Return black and white, normalised: 0 and 255 of bytes, else the least and greatest."""
        low, high = torch.aminmax(self.inputs)
        if self.inputs.dtype == torch.uint8:
            low, high = torch.zeros_like(low), torch.full_like(high, 255)
        return self.normalised(low), self.normalised(high)

    def laid_out(self, inputs: Tensor) -> Tensor:
        """Return inputs in the memory format of the network."""
        if self.format is torch.contiguous_format:
            return inputs
        return inputs.contiguous(memory_format=self.format)

    def score(self, model: nn.Module, numerics: Numerics, batch_size: int) -> dict[str, float]:
        """Return accuracy, balanced accuracy and loss; the network is left in evaluation mode."""
        model.eval()
        loss = torch.zeros((), dtype=torch.float64, device=self.labels.device)
        hits = torch.zeros(self.classes, dtype=torch.int64, device=self.labels.device)
        with torch.inference_mode(), casts(numerics):
            for start in range(0, len(self), batch_size):
                labels = self.labels[start : start + batch_size]
                x = self.normalised(self.inputs[start : start + batch_size])
                logits = _first(model(self.laid_out(x))).float()
                loss += functional.cross_entropy(logits, labels, reduction="sum")
                right = labels[logits.argmax(1) == labels]
                hits += torch.bincount(right, minlength=self.classes)
            sizes = torch.bincount(self.labels, minlength=self.classes)
            recall = (hits.double() / sizes)[sizes > 0].mean()
        return {
            "accuracy": hits.sum().item() / len(self),
            "balanced_accuracy": recall.item(),
            "loss": loss.item() / len(self),
        }


def evaluate(
    model: nn.Module,
    split: Split,
    task: Task,
    *,
    numerics: Numerics | None = None,
    batch_size: int = 512,
) -> dict[str, float]:
    """Return what a network scores on a split of a task.

    Args:
        model: takes normalised (N, C, H, W) or (N, F) inputs, gives (N, classes) logits; it is
            moved to the device, and its mode is what it was afterwards.
        split: ``task.valid``, or ``task.test`` for the one measurement at the end.
        task: gives the normalisation.
        numerics: device, threads and precision; CPU in fp32 by default.
        batch_size: examples at a time.

    Returns:
        ``accuracy`` and ``balanced_accuracy`` (mean recall of the classes), in 0 to 1, and
        ``loss`` (mean cross-entropy, nats).
    """
    numerics = numerics or Numerics()
    was_training = model.training
    with numerics.opened() as device:
        placed(model, device, numerics)
        batches = Batches.place(split, task, device, numerics)
        try:
            return batches.score(model, numerics, batch_size)
        finally:
            model.train(was_training)


def placed(model: nn.Module, device: torch.device, numerics: Numerics) -> nn.Module:
    """Move a network to a device, its weights in the memory format of ``numerics``."""
    model.to(device)
    if numerics.format is not torch.contiguous_format:
        model.to(memory_format=numerics.format)  # type: ignore[call-overload]
    return model


def casts(numerics: Numerics) -> AbstractContextManager[object]:
    """Return the context in which operations choose the precision of ``numerics``."""
    if numerics.precision == "fp32":
        return nullcontext()
    return torch.autocast(torch.device(numerics.device).type, numerics.dtype)


def _first(output: Tensor | tuple[Tensor, ...]) -> Tensor:
    return output if isinstance(output, Tensor) else output[0]
