"""Streaming of batches that do not fit on the device, read ahead by a thread.

The rows of a block of batches are read while the previous block is used for training. Neither
sorting the rows of a block nor advising the system against reading ahead was faster, from the page
cache or from the disk; so rows are read in the order of the batches, and streamed batches equal
those of data on the device.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nasturtium.task.input_arrays import resize_images
from nasturtium.task.split import Indices

__all__ = ["BatchStream"]

_BLOCK = 4 << 20  # bytes that are read at a time, or one batch if that is more


@final
class BatchStream:
    """Rows of an array that stays where it is, in batches.

    Args:
        inputs: (N, C, H, W) or (N, F), mapped or in memory.
        rows: the rows to use, in this order; all if ``None``.
        shape: height and width to resize images to; unchanged if ``None``.
        device: device of the batches.
    """

    def __init__(
        self,
        inputs: NDArray[Any],
        rows: Indices | None,
        shape: tuple[int, int] | None,
        device: torch.device,
    ) -> None:
        self.inputs = inputs
        self.rows = np.arange(len(inputs)) if rows is None else rows
        self.shape = shape
        self.device = device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the batches."""
        return torch.from_numpy(np.empty(0, self.inputs.dtype)).dtype

    def batches(self, order: Tensor | None, size: int) -> Generator[Tensor]:
        """Yield batches on the device, while the next block is read.

        Args:
            order: (M,) positions among the rows; all rows in their order if ``None``.
            size: rows of a batch.
        """
        rows = self.rows if order is None else self.rows[order.numpy()]
        row = math.prod(self.inputs.shape[1:]) * self.inputs.itemsize
        step = size * max(1, _BLOCK // (size * row))
        with ThreadPoolExecutor(1, "nasturtium-reads") as pool:
            ahead = pool.submit(self._read, rows[:step])
            for start in range(step, len(rows) + step, step):
                block = ahead.result()
                if start < len(rows):
                    ahead = pool.submit(self._read, rows[start : start + step])
                for batch in torch.split(block, size):
                    yield batch.to(self.device, non_blocking=True)

    def _read(self, rows: Indices) -> Tensor:
        pinned = self.device.type == "cuda"
        if self.shape is not None:
            block = torch.from_numpy(resize_images(self.inputs[rows], *self.shape))
            return block.pin_memory() if pinned else block
        shape = (len(rows), *self.inputs.shape[1:])
        block = torch.empty(shape, dtype=self.dtype, pin_memory=pinned)
        np.take(self.inputs, rows, axis=0, out=block.numpy(), mode="clip")
        return block
