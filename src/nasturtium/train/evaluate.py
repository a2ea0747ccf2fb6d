"""Data on the device of a training, and the evaluation of a network on them."""

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

from nasturtium.cost.measurement_lock import TrainingTurn, training_turn
from nasturtium.task.array_storage import find_mapped_file, memory_budget
from nasturtium.task.input_arrays import resize_images
from nasturtium.task.split import Indices
from nasturtium.task.task import Split, Task
from nasturtium.train.batch_stream import BatchStream
from nasturtium.train.numerics import Numerics

__all__ = ["Batches", "autocast_context", "evaluate", "place_model"]

_SCAN_BATCH = 512  # examples at a time in a pass over the data


@dataclass(frozen=True, eq=False)
class Batches:
    """A split on a device, uint8 if its inputs are, normalised batch by batch.

    Inputs that are too large for the device stay where they are and are streamed in batches, with
    the same results.

    Attributes:
        inputs: (N, C, H, W) or (N, F), uint8 or float32; or a stream of them.
        labels: (N,) int64.
        scale: 1 / std, of the shape (1, C, 1, 1) or (1, F).
        shift: - mean / std, likewise.
        format: memory format of the batches.
        classes: number of classes.
    """

    inputs: Tensor | BatchStream
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
            device: the device to move them to.
            numerics: gives the memory format.
            resolution: share of height and width of images.
            chosen: positions of the examples; all if ``None``.
            memory: bytes that the inputs may take on the device; larger inputs are streamed. If
                not given, half of the free memory of a CUDA device; on the CPU, half of the
                machine's memory for mapped inputs, while inputs in memory stay there.
        """
        inputs, labels = split.inputs, split.labels
        shape = None
        if resolution != 1.0 and inputs.ndim == 4:
            height, width = (max(1, round(side * resolution)) for side in inputs.shape[2:])
            shape = (height, width)
        rows = len(inputs) if chosen is None else len(chosen)
        if memory is None:
            memory = _available_memory(split, device)
        moved: Tensor | BatchStream
        if memory is not None and rows * _example_bytes(inputs, shape) > memory:
            moved = BatchStream(inputs, chosen, shape, device)
        else:
            if chosen is not None:
                inputs = inputs[chosen]
            if shape is not None:
                inputs = resize_images(inputs, *shape)
            if not inputs.flags.writeable:  # torch warns about read-only arrays
                inputs = inputs.copy()
            moved = torch.from_numpy(inputs).to(device)
        if chosen is not None:
            labels = labels[chosen]
        if not labels.flags.writeable:
            labels = labels.copy()
        axes = (1, -1) + (1,) * (inputs.ndim - 2)
        std = torch.tensor(task.std, dtype=torch.float64)
        mean = torch.tensor(task.mean, dtype=torch.float64)
        return cls(
            moved,
            torch.from_numpy(labels).to(device),
            (1 / std).float().reshape(axes).to(device),
            (-mean / std).float().reshape(axes).to(device),
            numerics.format if inputs.ndim == 4 else torch.contiguous_format,
            task.classes,
        )

    def __len__(self) -> int:
        return len(self.labels)

    def inputs_of(self, order: Tensor | None, size: int) -> Generator[Tensor]:
        """Yield the inputs in batches; close the generator if it is not exhausted.

        Args:
            order: (M,) positions, on the CPU; all in order if ``None``.
            size: examples of a batch.
        """
        if isinstance(self.inputs, BatchStream):
            with closing(self.inputs.batches(order, size)) as batches:
                yield from batches
        elif order is None:
            yield from torch.split(self.inputs, size)
        else:
            for rows in torch.split(order.to(self.inputs.device), size):
                yield self.inputs[rows]

    def normalise(self, inputs: Tensor) -> Tensor:
        """Return inputs as float32 with mean 0 and deviation 1."""
        return torch.addcmul(self.shift, inputs.float(), self.scale)

    def ends(self) -> tuple[Tensor, Tensor]:
        """Return black and white, normalised: 0 and 255 of bytes, else the extreme values."""
        if self.inputs.dtype == torch.uint8:
            low, high = self.shift.new_tensor(0.0), self.shift.new_tensor(255.0)
        else:
            with closing(self.inputs_of(None, _SCAN_BATCH)) as batches:
                extremes = torch.stack([torch.stack(torch.aminmax(batch)) for batch in batches])
            low, high = extremes.amin(0)[0], extremes.amax(0)[1]
        return self.normalise(low), self.normalise(high)

    def balance(self) -> Tensor:
        """Return the weight of each class, (classes,), with a mean over the examples of 1."""
        sizes = torch.bincount(self.labels, minlength=self.classes)
        present = int((sizes > 0).sum())
        return len(self) / (present * sizes.clamp(min=1)).float()

    def to_memory_format(self, inputs: Tensor) -> Tensor:
        """Return inputs in the memory format of the network."""
        if self.format is torch.contiguous_format:
            return inputs
        return inputs.contiguous(memory_format=self.format)

    def score(
        self, model: nn.Module, numerics: Numerics, batch_size: int, turn: TrainingTurn
    ) -> dict[str, float]:
        """Return accuracy, balanced accuracy and loss; the network is left in evaluation mode."""
        model.eval()
        loss = torch.zeros((), dtype=torch.float64, device=self.labels.device)
        hits = torch.zeros(self.classes, dtype=torch.int64, device=self.labels.device)
        parts = closing(self.inputs_of(None, batch_size))
        with torch.inference_mode(), autocast_context(numerics), parts as batches:
            for labels, inputs in zip(torch.split(self.labels, batch_size), batches, strict=True):
                turn.pause_for_measurements()
                x = self.normalise(inputs)
                logits = _main_output(model(self.to_memory_format(x))).float()
                loss += functional.cross_entropy(logits, labels, reduction="sum")
                correct = labels[logits.argmax(1) == labels]
                hits += torch.bincount(correct, minlength=self.classes)
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
    """Return the metrics of a network on a split of a task.

    Args:
        model: takes normalised (N, C, H, W) or (N, F) inputs, returns (N, classes) logits; it is
            moved to the device, and its mode is restored afterwards.
        split: ``task.valid``, or ``task.test`` for the final evaluation.
        task: gives the normalisation.
        numerics: device, threads and precision; CPU in fp32 by default.
        batch_size: examples at a time.

    Returns:
        ``accuracy`` and ``balanced_accuracy`` (mean recall of the classes), in 0 to 1, and
        ``loss`` (mean cross-entropy, nats).
    """
    numerics = numerics or Numerics()
    was_training = model.training
    with training_turn() as turn, numerics.opened() as device:
        place_model(model, device, numerics)
        batches = Batches.place(split, task, device, numerics)
        try:
            return batches.score(model, numerics, batch_size, turn)
        finally:
            model.train(was_training)


def place_model(model: nn.Module, device: torch.device, numerics: Numerics) -> nn.Module:
    """Move a network to a device, its weights in the memory format of ``numerics``."""
    model.to(device)
    if numerics.format is not torch.contiguous_format:
        model.to(memory_format=numerics.format)  # type: ignore[call-overload]
    return model


def autocast_context(numerics: Numerics) -> AbstractContextManager[object]:
    """Return the context of automatic casts to the precision of ``numerics``."""
    if numerics.precision == "fp32":
        return nullcontext()
    return torch.autocast(torch.device(numerics.device).type, numerics.dtype)


def _example_bytes(inputs: NDArray[Any], shape: tuple[int, int] | None) -> int:
    """Return the bytes of an example, at another height and width if given."""
    sides = inputs.shape[1:] if shape is None else (inputs.shape[1], *shape)
    return math.prod(sides) * inputs.itemsize


def _available_memory(split: Split, device: torch.device) -> int | None:
    """Return the bytes that inputs may take on a device; ``None`` if they are in its memory."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0]) // 2
    return None if find_mapped_file(split.inputs) is None else memory_budget()


def _main_output(output: Tensor | tuple[Tensor, ...]) -> Tensor:
    return output if isinstance(output, Tensor) else output[0]
