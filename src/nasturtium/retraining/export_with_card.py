"""Exporting a retrained network to files, each verified and benchmarked, with a model card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from nasturtium.atomic_write import check_target, replace_file
from nasturtium.cost.latency import measure, measure_onnx
from nasturtium.deploy.export import Exported
from nasturtium.deploy.onnx_runtime import predict_onnx
from nasturtium.deploy.quantize import quantize_int8
from nasturtium.errors import ExportError
from nasturtium.retraining.model_card import File, format_card
from nasturtium.retraining.retrained import Retrained, check_suffix
from nasturtium.study.study import Study
from nasturtium.task.task import Split
from nasturtium.train.numerics import default_torch_state

__all__ = ["ExportedWithCard", "check_paths", "export_with_card"]

CALIBRATION = 256  # training examples from which the ranges of 8-bit activations are taken


@final
@dataclass(frozen=True)
class ExportedWithCard:
    """The files that :func:`export_with_card` wrote.

    Attributes:
        files: the files of the network.
        card: the model card.
    """

    files: tuple[File, ...]
    card: Path


@default_torch_state()
def export_with_card(
    study: Study, network: Retrained, *paths: str | Path, int8: bool = False
) -> ExportedWithCard:
    """Export a retrained network, verify and benchmark each file, and write a model card.

    Args:
        study: the study of the network; the card includes its evidence.
        network: the network.
        *paths: files that end in ``.onnx`` or ``.pt2`` (a ``torch.export`` program, which loads
            in plain PyTorch without this library).
        int8: also write each ONNX file with 8-bit weights and activations, as ``NAME.int8.onnx``,
            and measure its accuracy.

    Returns:
        the files, and the card: the first path with the ending ``.card.md``.

    Raises:
        ExportError: there is no path, an operator cannot be exported, or outputs differ; existing
            files are kept.

    Example:
        >>> import nasturtium as nas, pathlib, tempfile
        >>> study = nas.search(
        ...     "digits", space="mlp", trials=1, control=0.0, confirm=0, recipe="epochs=1",
        ...     executor="here", numerics="threads=1", store=None,
        ... )
        >>> network = nas.retrain(study, recipe="epochs=1")
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> written = nas.export_with_card(study, network, folder / "digits.pt2")
        >>> written.files[0].format, written.card.name
        ('torch.export', 'digits.card.md')
    """
    targets = check_paths(*paths, int8=int8)
    files: list[File] = []
    for path in targets:
        written = network.export(path)
        files.append(_measure(network, path, written))
        if int8 and path.suffix == ".onnx":
            files.append(_quantize(network, path))
    card = targets[0].with_suffix(".card.md")
    replace_file(card, format_card(study, network, files).encode())
    return ExportedWithCard(tuple(files), card)


def check_paths(*paths: str | Path, int8: bool = False) -> list[Path]:
    """Check that a network can be written to the paths, before it is trained; return the paths.

    Args:
        *paths: as for :func:`export_with_card`.
        int8: as for :func:`export_with_card`.

    Raises:
        ExportError: there is no path, or one has another ending or cannot be written.
    """
    if not paths:
        raise ExportError("export_with_card() got no path; give one that ends in .onnx or .pt2")
    targets = [Path(path) for path in paths]
    for path in targets:
        check_suffix(path)
        check_target("the network", path, ExportError)
    if int8 and not any(path.suffix == ".onnx" for path in targets):
        raise ExportError("int8 needs an ONNX file; give a path that ends in .onnx as well")
    return targets


def _measure(network: Retrained, path: Path, written: Exported) -> File:
    sizes = (written.bytes, written.difference, written.compared)
    test = network.task.test
    if path.suffix == ".onnx":
        accuracy = None if test is None else _share(predict_onnx(path, _raw(test)), test)
        latency = measure_onnx(path).median_ms
        return File(path, "onnx", *sizes, accuracy, latency)
    import torch

    program = torch.export.load(path).module()
    with torch.inference_mode():
        outputs = None if test is None else program(torch.from_numpy(_raw(test))).numpy()
    accuracy = None if test is None or outputs is None else _share(outputs, test)
    latency = measure(program, network.task.inputs).median_ms
    return File(path, "torch.export", *sizes, accuracy, latency)


def _quantize(network: Retrained, path: Path) -> File:
    target = path.with_suffix(".int8.onnx")
    small = quantize_int8(path, target, _raw(network.task.train, CALIBRATION))
    test = network.task.test
    accuracy = None if test is None else _share(predict_onnx(target, _raw(test)), test)
    latency = measure_onnx(target).median_ms
    sizes = (small.bytes, small.difference, CALIBRATION)
    return File(target, "onnx int8", *sizes, accuracy, latency)


def _raw(split: Split, most: int | None = None) -> Any:
    return np.asarray(split.inputs[:most], dtype=np.float32)


def _share(outputs: Any, split: Split) -> float:
    return float((np.asarray(outputs).argmax(1) == np.asarray(split.labels)).mean())
