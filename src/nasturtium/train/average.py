"""A moving average of the weights of a network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Average"]


class Average:
    """An exponential moving average of weights and floating-point buffers.

    The decay of step t is at most (1 + t) / (10 + t), so that the first steps are soon forgotten.

    Args:
        model: the network whose tensors are averaged.
        decay: decay per step, in (0, 1).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._live = [
            tensor.detach()
            for tensor in (*model.parameters(), *model.buffers())
            if tensor.is_floating_point()
        ]
        self._mean = [tensor.clone() for tensor in self._live]
        self._steps = 0

    @torch.no_grad()
    def update(self) -> None:
        """Fold the present weights in."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(self._mean, self._live, 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the weights of the network and their average; twice is as before."""
        held = [tensor.clone() for tensor in self._live]
        torch._foreach_copy_(self._live, self._mean)
        torch._foreach_copy_(self._mean, held)

    def state(self) -> dict[str, object]:
        """Return what ``restore`` reads back."""
        return {"steps": self._steps, "mean": self._mean}

    @torch.no_grad()
    def restore(self, steps: int, mean: Sequence[Tensor]) -> None:
        """Go on from a state."""
        self._steps = steps
        for own, saved in zip(self._mean, mean, strict=True):
            own.copy_(saved)
