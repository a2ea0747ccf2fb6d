"""The metrics of a trained network on the test split, and its size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nasturtium.cost.count import count
from nasturtium.task.task import Task
from nasturtium.train.evaluate import evaluate
from nasturtium.train.numerics import Numerics

if TYPE_CHECKING:
    from torch import nn

__all__ = ["measure_network"]


def measure_network(model: nn.Module, task: Task, numerics: Numerics) -> dict[str, float]:
    """Measure a network on its training device, then move it to the processor.

    Args:
        model: the trained network.
        task: the data; without a test split only the size is measured.
        numerics: the numerics of its training.
    """
    metrics = {} if task.test is None else evaluate(model, task.test, task, numerics=numerics)
    cost = count(model.to("cpu"), task.inputs)
    return {**metrics, "params": float(cost.params), "macs": float(cost.macs)}
