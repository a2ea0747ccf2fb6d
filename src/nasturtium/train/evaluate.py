"""Data on the device that trains, and what a network scores on them."""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nasturtium.cost.host import Turn, training
from nasturtium.task.layout import resized
from nasturtium.task.split import Indices
from nasturtium.task.storage import mapped_file, memory_budget
from nasturtium.task.task import Split, Task
from nasturtium.train.numerics import Numerics
from nasturtium.train.stream import Stream

__all__ = ["Batches", "casts", "evaluate", "placed"]

_LOOKED_AT = 512  # examples at a time in a pass over the data


@dataclass(frozen=True, eq=False)
class Batches:
    """A split on a device, uint8 where it was, normalised batch by batch.

    Inputs that are too large for the device stay where they are and come in batches; the numbers
    are the same.

    Attributes:
        inputs: (N, C, H, W) or (N, F), uint8 or float32; or a stream of them.
        labels: (N,) int64.
        scale: 1 / std, of the shape (1, C, 1, 1) or (1, F).
        shift: - mean / std, likewise.
        format: memory format of the batches.
        classes: number of classes.
    """

    inputs: Tensor | Stream
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
        memory: int | None = None,
    ) -> Batches:
        """Move a split, or the ``chosen`` examples of it, at a share of its height and width.

        Args:
            split: the examples.
            task: gives the normalisation.
            device: where they go.
            numerics: gives the memory format.
            resolution: share of height and width of images.
            chosen: which examples; all if ``None``.
            memory: bytes that the inputs may take on the device; if they take more, they are
                streamed. Half of what is free on a CUDA device if not given, and else half of the
                machine's memory for mapped inputs; what is in memory stays there.
        """
        inputs, labels = split.inputs, split.labels
        shape = None
        if resolution != 1.0 and inputs.ndim == 4:
            height, width = (max(1, round(side * resolution)) for side in inputs.shape[2:])
            shape = (height, width)
        rows = len(inputs) if chosen is None else len(chosen)
        if memory is None:
            memory = _room(split, device)
        placed: Tensor | Stream
        if memory is not None and rows * _bytes(inputs, shape) > memory:
            placed = Stream(inputs, chosen, shape, device)
        else:
            if chosen is not None:
                inputs = inputs[chosen]
            if shape is not None:
                inputs = resized(inputs, *shape)
            if not inputs.flags.writeable:  # torch warns of arrays that it could not protect
                inputs = inputs.copy()
            placed = torch.from_numpy(inputs).to(device)
        if chosen is not None:
            labels = labels[chosen]
        if not labels.flags.writeable:
            labels = labels.copy()
        axes = (1, -1) + (1,) * (inputs.ndim - 2)
        std = torch.tensor(task.std, dtype=torch.float64)
        mean = torch.tensor(task.mean, dtype=torch.float64)
        return cls(
            placed,
            torch.from_numpy(labels).to(device),
            (1 / std).float().reshape(axes).to(device),
            (-mean / std).float().reshape(axes).to(device),
            numerics.format if inputs.ndim == 4 else torch.contiguous_format,
            task.classes,
        )

    def __len__(self) -> int:
        return len(self.labels)

    def inputs_of(self, order: Tensor | None, size: int) -> Generator[Tensor]:
        """Give the inputs in batches; to be closed where they are not all taken.

        Args:
            order: (M,) positions, on the CPU; all in order if ``None``.
            size: examples of a batch.
        """
        if isinstance(self.inputs, Stream):
            with closing(self.inputs.batches(order, size)) as batches:
                yield from batches
        elif order is None:
            yield from torch.split(self.inputs, size)
        else:
            for rows in torch.split(order.to(self.inputs.device), size):
                yield self.inputs[rows]

    def normalised(self, inputs: Tensor) -> Tensor:
        """Return inputs as float32 with mean 0 and deviation 1."""
        return torch.addcmul(self.shift, inputs.float(), self.scale)

    def ends(self) -> tuple[Tensor, Tensor]:
        """Return black and white, normalised: 0 and 255 of bytes, else the least and greatest."""
        if self.inputs.dtype == torch.uint8:
            low, high = self.shift.new_tensor(0.0), self.shift.new_tensor(255.0)
        else:
            with closing(self.inputs_of(None, _LOOKED_AT)) as batches:
                found = [torch.stack(torch.aminmax(batch)) for batch in batches]
            low, high = torch.stack(found).amin(0)[0], torch.stack(found).amax(0)[1]
        return self.normalised(low), self.normalised(high)

    def balance(self) -> Tensor:
        """Return the weight of each class, (classes,): their mean over the examples is 1."""
        sizes = torch.bincount(self.labels, minlength=self.classes)
        present = int((sizes > 0).sum())
        return len(self) / (present * sizes.clamp(min=1)).float()

    def laid_out(self, inputs: Tensor) -> Tensor:
        """Return inputs in the memory format of the network."""
        if self.format is torch.contiguous_format:
            return inputs
        return inputs.contiguous(memory_format=self.format)

    def score(
        self, model: nn.Module, numerics: Numerics, batch_size: int, turn: Turn
    ) -> dict[str, float]:
        """Return accuracy, balanced accuracy and loss; the network is left in evaluation mode."""
        model.eval()
        loss = torch.zeros((), dtype=torch.float64, device=self.labels.device)
        hits = torch.zeros(self.classes, dtype=torch.int64, device=self.labels.device)
        parts = closing(self.inputs_of(None, batch_size))
        with torch.inference_mode(), casts(numerics), parts as batches:
            for labels, inputs in zip(torch.split(self.labels, batch_size), batches, strict=True):
                turn.give_way()
                x = self.normalised(inputs)
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
    with training() as turn, numerics.opened() as device:
        placed(model, device, numerics)
        batches = Batches.place(split, task, device, numerics)
        try:
            return batches.score(model, numerics, batch_size, turn)
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


def _bytes(inputs: NDArray[Any], shape: tuple[int, int] | None) -> int:
    """Bytes of an example, at another height and width if there is one."""
    sides = inputs.shape[1:] if shape is None else (inputs.shape[1], *shape)
    return math.prod(sides) * inputs.itemsize


def _room(split: Split, device: torch.device) -> int | None:
    """Bytes that inputs may take on a device; ``None`` where they are in its memory already."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0]) // 2
    return None if mapped_file(split.inputs) is None else memory_budget()


def _first(output: Tensor | tuple[Tensor, ...]) -> Tensor:
    return output if isinstance(output, Tensor) else output[0]
