"""A moving average of the weights of a network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

__all__ = ["WeightAverage"]


class WeightAverage:
    """An exponential moving average of weights and floating-point buffers.

    The decay of step t is at most (1 + t) / (10 + t), so that the initial weights lose their
    influence quickly. Torch's ``AveragedModel`` is not used, because it deep-copies the network,
    which fails for networks with computed attributes, such as those of
    ``torch.nn.utils.weight_norm``.

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
        """Add the current weights to the average."""
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (10 + self._steps))
        update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        update(self._mean, self._live, self._steps)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the weights of the network and their average; a second call undoes it."""
        held = [tensor.clone() for tensor in self._live]
        torch._foreach_copy_(self._live, self._mean)
        torch._foreach_copy_(self._mean, held)

    def state(self) -> dict[str, object]:
        """Return the state that ``restore`` reads."""
        return {"steps": self._steps, "mean": self._mean}

    @torch.no_grad()
    def restore(self, steps: int, mean: Sequence[Tensor]) -> None:
        """Continue from a saved state."""
        self._steps = steps
        for own, saved in zip(self._mean, mean, strict=True):
            own.copy_(saved)
