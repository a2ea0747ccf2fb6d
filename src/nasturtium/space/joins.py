"""Modules of chosen options and of sums of chosen inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

import torch
from torch import Tensor, nn

__all__ = ["Chosen", "Join", "given"]


@final
class Chosen(nn.Module):
    """The chosen option of a module question, kept under its label.

    The label is part of the parameters' paths: options never share weights with one another by
    accident, and the same option does wherever the network appears.
    """

    def __init__(self, label: str, module: nn.Module) -> None:
        super().__init__()
        self.add_module(label, module)
        self.label = label

    def forward(self, *inputs: Tensor) -> Tensor:
        out: Tensor = self._modules[self.label](*inputs)  # type: ignore[misc]
        return out


@final
class Join(nn.Module):
    """Adds up what the chosen inputs' modules make of their tensors.

    Args:
        labels: every input's label, in the order in which tensors are given.
        modules: the chosen inputs' modules by label.
    """

    def __init__(self, labels: Sequence[str], modules: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.labels = tuple(labels)
        for label, module in modules.items():
            self.add_module(label, module)
        self.places = tuple((label, self.labels.index(label)) for label in modules)

    def forward(self, *inputs: Tensor | Sequence[Tensor]) -> Tensor:
        tensors = given(inputs)
        total: Tensor | None = None
        for label, place in self.places:
            out = self._modules[label](tensors[place])  # type: ignore[misc]
            total = out if total is None else total + out
        return torch.zeros_like(tensors[0]) if total is None else total


def given(inputs: tuple[Tensor | Sequence[Tensor], ...]) -> Sequence[Tensor]:
    """Return the tensors, given one by one or as one sequence."""
    if len(inputs) == 1 and not isinstance(inputs[0], Tensor):
        return inputs[0]
    return inputs  # type: ignore[return-value]
