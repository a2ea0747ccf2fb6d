"""Export a trained network and prove that the file computes the same.

A file takes the same inputs as the data: its normalisation is inside. It is written under a
temporary name next to its target, read back, compared with the network on real inputs (the first
one alone, and all of them), and renamed only when it agrees. So a file under the target's name is
always a good one, and a failed export leaves an older file as it was.
"""

from __future__ import annotations

import copy
import json
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nasturtium.deploy.onnx_runtime import predict_onnx, require_packages
from nasturtium.deploy.verify_export import compare_outputs, one_line, write_verified
from nasturtium.errors import ExportError

__all__ = ["Exported", "Normalized", "export_onnx", "export_program"]


@dataclass(frozen=True)
class Exported:
    """A file that was compared with its network.

    Attributes:
        path: Where it is.
        bytes: Its size.
        difference: Largest absolute difference of the outputs over the largest absolute output,
            over all inputs it was compared on.
        compared: Number of those inputs.
        opset: Version of the ONNX operators; None for a PyTorch program.
    """

    path: Path
    bytes: int
    difference: float
    compared: int
    opset: int | None = None


class Normalized(nn.Module):
    """A network behind its normalisation: ``network((x - mean) / std)``.

    Args:
        network: The network to run.
        mean: One value per channel, or one for all, in the units of the inputs.
        std: Likewise; positive.

    Shapes:
        Input (N, C, ...), output that of the network.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))

    def forward(self, input: Tensor) -> Tensor:
        """Normalise a batch (N, C, ...) and run the network on it."""
        shape = (-1, *[1] * (input.dim() - 2))
        normalised = (input - self.mean.reshape(shape)) / self.std.reshape(shape)
        output: Tensor = self.network(normalised)
        return output


def export_onnx(
    model: nn.Module,
    path: str | Path,
    example: Tensor,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    classes: Sequence[str] = (),
    values: tuple[float, float] | None = None,
    opset: int | None = None,
    tolerance: float = 1e-4,
) -> Exported:
    """Writes one self-contained ONNX file with its normalisation inside and a free batch size.

    Its input is ``input`` (N, C, H, W), float32, in the units of ``example`` (0 to 255 or 0 to 1,
    as the data come); its output is ``output``. The metadata hold ``classes``, ``input_shape`` and
    ``input_range`` as JSON. The network is exported from a copy on the CPU in eval mode and stays
    as it is.

    Args:
        model: A trained network with one input and one output tensor.
        path: Target; its folder has to exist.
        example: Real inputs (N, C, H, W), on which the file is compared with the network.
        mean: One value per channel, or one for all, in the units of ``example``.
        std: Likewise; positive.
        classes: Names of the outputs, in order.
        values: Smallest and largest value of the inputs that the network was trained on.
        opset: Version of the ONNX operators; the exporter's own choice by default.
        tolerance: The largest difference accepted, relative to the largest absolute output.

    Returns:
        The written file and its difference from the network.

    Raises:
        ExportError: An argument does not fit; an operator cannot be exported (its name is
            given); or the outputs differ (how far and where is given). No file is left then.
    """
    require_packages("onnx", "onnxscript", "onnxruntime")
    target, example = _checked(path, example, mean, std)
    network = _wrapped(model, mean, std)
    expected = _outputs(network, example, classes)
    with _silence():
        try:
            program = torch.onnx.export(
                network,
                (_several(example),),
                dynamo=True,
                verbose=False,
                opset_version=opset,
                input_names=["input"],
                output_names=["output"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
            )
        except Exception as error:
            raise ExportError(_inexportable(type(model).__name__, "ONNX", error)) from error
    if program is None:
        raise ExportError("the exporter of this PyTorch returned nothing; update PyTorch")
    graph = program.model.graph
    for node in graph:  # source paths and stack traces, half of a small file
        node.metadata_props.clear()
    program.model.metadata_props.update(_metadata(classes, example, values))

    def compare(file: Path) -> float:
        return compare_outputs(
            lambda x: predict_onnx(file, x.numpy()), example, expected, tolerance
        )

    def save(file: Path) -> None:
        program.save(str(file), external_data=False)

    difference = write_verified(target, save, compare)
    version = int(program.model.opset_imports[""])
    return Exported(target, target.stat().st_size, difference, len(example), version)


def export_program(
    model: nn.Module,
    path: str | Path,
    example: Tensor,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    classes: Sequence[str] = (),
    values: tuple[float, float] | None = None,
    tolerance: float = 1e-4,
) -> Exported:
    """Writes a ``torch.export`` program with its normalisation inside and a free batch size.

    ``torch.export.load(path).module()`` runs it in plain PyTorch, without the network's source.
    The extra files ``classes``, ``input_shape`` and ``input_range`` inside it hold those as JSON.

    Args:
        model: A trained network with one input and one output tensor.
        path: Target, which ends in ``.pt2``; its folder has to exist.
        example: Real inputs (N, C, H, W), on which the program is compared with the network.
        mean: One value per channel, or one for all, in the units of ``example``.
        std: Likewise; positive.
        classes: Names of the outputs, in order.
        values: Smallest and largest value of the inputs that the network was trained on.
        tolerance: The largest difference accepted, relative to the largest absolute output.

    Returns:
        The written file and its difference from the network.

    Raises:
        ExportError: As for :func:`export_onnx`.
    """
    target, example = _checked(path, example, mean, std)
    if target.suffix != ".pt2":
        raise ExportError(f"a torch.export program is a .pt2 file; got {target.name!r}")
    network = _wrapped(model, mean, std)
    expected = _outputs(network, example, classes)
    extra = _metadata(classes, example, values)
    with _silence():
        try:
            program = torch.export.export(
                network,
                (_several(example),),
                dynamic_shapes=({0: torch.export.Dim("batch")},),
            )
        except Exception as error:
            raise ExportError(_inexportable(type(model).__name__, "torch.export", error)) from error

    def save(file: Path) -> None:
        with _silence():
            torch.export.save(program, file, extra_files=dict(extra))

    def compare(file: Path) -> float:
        with _silence():
            loaded = torch.export.load(file).module()

        def outputs(x: Tensor) -> np.ndarray[Any, Any]:
            with torch.no_grad():
                return np.asarray(loaded(x))

        return compare_outputs(outputs, example, expected, tolerance)

    difference = write_verified(target, save, compare)
    return Exported(target, target.stat().st_size, difference, len(example))


def _metadata(
    classes: Sequence[str], example: Tensor, values: tuple[float, float] | None
) -> dict[str, str]:
    """Return the metadata that users of the file need, as JSON."""
    metadata = {"classes": list(classes), "input_shape": list(example.shape[1:])}
    if values is not None:
        metadata["input_range"] = list(values)
    return {name: json.dumps(value) for name, value in metadata.items()}


def _checked(
    path: str | Path, example: Tensor, mean: Sequence[float], std: Sequence[float]
) -> tuple[Path, Tensor]:
    target = Path(path)
    if not target.parent.is_dir():
        raise ExportError(f"folder {target.parent} does not exist; make it, then export again")
    if example.dim() < 2 or len(example) == 0:
        raise ExportError(
            "example holds real inputs (N, C, H, W), one at least; "
            f"got shape {tuple(example.shape)}"
        )
    channels = example.shape[1]
    for name, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, channels):
            raise ExportError(
                f"{name} has {len(values)} values for inputs of {channels} channels; "
                f"give {channels}, or one for all"
            )
    if not all(value > 0 for value in std):
        raise ExportError(f"std must be positive; got {tuple(std)}")
    return target, example.detach().to("cpu", torch.float32)


def _wrapped(model: nn.Module, mean: Sequence[float], std: Sequence[float]) -> Normalized:
    if any(parameter.is_meta for parameter in model.parameters()):
        raise ExportError(
            f"{type(model).__name__} was built on the meta device and has no weights to export; "
            "build it on the CPU and train it first"
        )
    try:
        model = copy.deepcopy(model)
    except Exception as error:
        raise ExportError(
            f"{type(model).__name__} cannot be copied, as its export needs: {one_line(error)}"
        ) from error
    wrapped = Normalized(model, mean, std).to("cpu", torch.float32).eval()
    return wrapped.requires_grad_(False)


def _outputs(network: nn.Module, example: Tensor, classes: Sequence[str]) -> np.ndarray[Any, Any]:
    with torch.no_grad():
        output = network(example)
    if not isinstance(output, Tensor):
        raise ExportError(
            f"the network must return one tensor to be exported; got {type(output).__name__}"
        )
    if classes and output.shape[-1] != len(classes):
        raise ExportError(f"{len(classes)} class names were given for {output.shape[-1]} outputs")
    if not output.isfinite().all():
        raise ExportError(
            "the network returns values that are not finite on these inputs, so its export could "
            "not be compared with it; check its weights, mean and std"
        )
    return np.asarray(output)


def _several(example: Tensor) -> Tensor:
    # A batch of one would be exported as a constant.
    return example[:2] if len(example) > 1 else torch.cat([example, example])


def _inexportable(network: str, kind: str, error: BaseException) -> str:
    """Return one line that names the operator, from the innermost error that names it."""
    cause: BaseException | None = error
    texts = []
    while cause is not None:
        texts.append(str(cause))
        cause = cause.__cause__
    every = "\n".join(reversed(texts))
    if found := re.search(r"No ONNX function found for <OpOverload\(op='([^']+)'", every):
        return (
            f"{network} cannot be exported to {kind}: operator {found[1]} has no ONNX "
            "counterpart; replace it in the network by other operators"
        )
    if "data-dependent" in every:
        line = re.search(r'File "[^"]*", line \d+, in \S+\n\s*(.+)', every)
        place = f" ({line[1].strip()})" if line else ""
        return (
            f"{network} cannot be exported to {kind}: its control flow depends on the values of "
            f"tensors{place}; use torch.where or torch.cond instead"
        )
    return f"{network} cannot be exported to {kind}: {one_line(texts[-1])}"


@contextmanager
def _silence() -> Iterator[None]:
    """Silence the exporter's progress, warnings and log lines."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
