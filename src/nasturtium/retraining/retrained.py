"""A retrained network with its metrics, ready to use and to export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from nasturtium.architecture import Architecture
from nasturtium.display.notebook import render_lines
from nasturtium.errors import ExportError
from nasturtium.task.input_arrays import value_range
from nasturtium.task.task import Task
from nasturtium.train.numerics import default_torch_state
from nasturtium.train.recipe import Recipe

if TYPE_CHECKING:
    from torch import nn

    from nasturtium.deploy.export import Exported

__all__ = ["NEW_WEIGHTS", "Retrained", "check_suffix"]

NEW_WEIGHTS = "newly trained"  # the weights of a network that was not loaded
COMPARED = 64  # examples of the test split on which an export is compared with the model


@final
@dataclass(frozen=True, eq=False)
class Retrained:
    """A retrained network.

    Attributes:
        model: the trained network in evaluation mode; it takes normalised inputs.
        metrics: metrics on the test split, if the data have one, measured once after training:
            ``accuracy``, ``balanced_accuracy``, ``loss``; ``params`` and ``macs``;
            ``valid_accuracy`` if the network was not trained on the validation examples.
        architecture: the architecture.
        trial: number of the architecture's trial.
        recipe: the recipe of the training.
        task: the data.
        seconds: duration of the training.
        reused: whether the weights were loaded from an earlier run of the same training.
        weights: origin of the weights as text: newly trained, loaded, or kept from the search.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.search(
        ...     "digits", space="mlp", trials=1, control=0.0, confirm=0, recipe="epochs=1",
        ...     executor="here", numerics="threads=1", store=None,
        ... )
        >>> network = nas.retrain(study, recipe="epochs=2")
        >>> network.trial, network.recipe.epochs, network.weights
        (0, 2, 'newly trained')
        >>> 0.0 < network.metrics["accuracy"] <= 1.0
        True
    """

    model: nn.Module
    metrics: Mapping[str, float]
    architecture: Architecture
    trial: int
    recipe: Recipe
    task: Task
    seconds: float
    reused: bool
    weights: str = NEW_WEIGHTS

    def __repr__(self) -> str:
        metrics = ", ".join(f"{name} {value:.6g}" for name, value in self.metrics.items())
        return (
            f"<network of trial {self.trial}, {self.recipe.epochs} epochs, {self.weights}: "
            f"{metrics}>"
        )

    def __str__(self) -> str:
        return f"{repr(self)[1:-1]}\n{self.architecture}"

    def _repr_html_(self) -> str:
        """Return the display in a notebook."""
        return render_lines(repr(self)[1:-1]) + self.architecture._repr_html_()

    @default_torch_state()
    def export(self, path: str | Path, **options: Any) -> Exported:
        """Write the network to a file, after comparing the file with the model on real inputs.

        Normalisation is part of the graph: the file takes inputs in the scale of the data, as
        float32, with any batch size. Its metadata contain the least and the greatest training
        value, which are 0 and 255 for most images.

        Args:
            path: a file that ends in ``.onnx``, or in ``.pt2`` for a ``torch.export`` program.
            **options: options of :func:`nasturtium.deploy.export.export_onnx` or
                ``export_program``.

        Raises:
            ExportError: an operator cannot be exported, or the outputs differ; nothing is written.
        """
        import torch

        from nasturtium.deploy.export import export_onnx, export_program

        split = self.task.test or self.task.valid
        example = torch.from_numpy(np.array(split.inputs[:COMPARED])).float()
        metadata = {
            "mean": self.task.mean,
            "std": self.task.std,
            "classes": self.task.class_names,
            "values": value_range(self.task.train.inputs),
        }
        write = export_onnx if check_suffix(Path(path)) == ".onnx" else export_program
        return write(self.model, path, example, **{**metadata, **options})


def check_suffix(path: Path) -> str:
    """Return the suffix of a file for a network.

    Raises:
        ExportError: it is neither ``.onnx`` nor ``.pt2``.
    """
    if path.suffix not in (".onnx", ".pt2"):
        raise ExportError(
            f"{path} ends in {path.suffix or 'nothing'}; expected .onnx, or .pt2 for a "
            "torch.export program"
        )
    return path.suffix
