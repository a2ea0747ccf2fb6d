"""Batches of data that do not fit on the device, read ahead by a thread.

The rows of a block of batches are gathered while the batches of the block before are trained on.
Neither sorting the rows of a block nor advising the system against reading ahead was faster, from
the page cache or from the disk; so rows are gathered in the order in which they are wanted, and
streaming changes nothing but where the data lie.
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

from nasturtium.task.layout import resized
from nasturtium.task.split import Indices

__all__ = ["Stream"]

_BLOCK = 4 << 20  # bytes that are gathered at a time, or one batch if that is more


@final
class Stream:
    """Rows of an array that stays where it is, in batches.

    Args:
        inputs: (N, C, H, W) or (N, F), mapped or in memory.
        rows: the rows that there are, in this order; all if ``None``.
        shape: height and width of what is given; as they are if ``None``.
        device: where batches go.
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
        """The type of the batches."""
        return torch.from_numpy(np.empty(0, self.inputs.dtype)).dtype

    def batches(self, order: Tensor | None, size: int) -> Generator[Tensor]:
        """Give batches on the device, the next block of them being read meanwhile.

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
            block = torch.from_numpy(resized(self.inputs[rows], *self.shape))
            return block.pin_memory() if pinned else block
        shape = (len(rows), *self.inputs.shape[1:])
        block = torch.empty(shape, dtype=self.dtype, pin_memory=pinned)
        np.take(self.inputs, rows, axis=0, out=block.numpy(), mode="clip")
        return block
