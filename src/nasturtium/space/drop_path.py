"""DropPath: regularisation that leaves out whole paths of a network while it trains."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

__all__ = ["DropPath"]


@final
class DropPath(nn.Module):
    """Leaves out whole examples of a path while training, and scales up the others.

    Its rate rises linearly with the training (Zoph et al., 2018, "ScheduledDropPath"), where the
    training reports its progress, as :func:`nasturtium.train.fit.fit` does; else it is constant.

    Attributes:
        probability: of leaving an example out, at the end of the training.
        rate: the same now.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = self.rate = probability

    def advance(self, progress: float) -> None:
        """Set the rate for the progress of the training, from 0 to 1."""
        self.rate = self.probability * progress

    def extra_repr(self) -> str:
        # Without the rate: the network's text identifies a training in all of its epochs.
        return f"probability={self.probability}"

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.rate:
            return x
        keep = 1 - self.rate
        mask = torch.empty((len(x), *(1,) * (x.ndim - 1)), dtype=x.dtype, device=x.device)
        return x * mask.bernoulli_(keep) / keep
