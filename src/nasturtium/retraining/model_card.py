"""Give the network away: files that are checked, measured, and described by a card beside them.

Mitchell et al. (2019), "Model cards for model reporting", is the pattern of the card; what nobody
wrote down (intended use, ethical considerations) it says is missing rather than inventing it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, final

import numpy as np

from nasturtium.atomic_write import check_target, replace_file
from nasturtium.cost.latency import measure, measure_onnx
from nasturtium.deploy.export import Exported
from nasturtium.deploy.quantize import quantize_int8
from nasturtium.deploy.runtime import predict_onnx
from nasturtium.errors import ExportError
from nasturtium.retraining.evidence import load_evidence
from nasturtium.retraining.retrain import Retrained, check_suffix
from nasturtium.study.study import Study
from nasturtium.task.layout import value_range
from nasturtium.task.task import Split
from nasturtium.train.numerics import usual_torch

__all__ = ["ExportedWithCard", "File", "card", "check_paths", "export_with_card"]

CALIBRATION = 256  # training examples that set the ranges of 8-bit activations


@final
@dataclass(frozen=True)
class File:
    """One file of a network, as it was measured after it was written.

    Attributes:
        path: where it is.
        format: ``onnx``, ``onnx int8`` or ``torch.export``.
        bytes: its size.
        difference: largest difference of its outputs from the model's on real inputs, relative to
            their scale.
        compared: how many real inputs that was.
        accuracy: share of the test examples that the file itself classifies correctly; ``None``
            where the data have no test split.
        latency_ms: median milliseconds for one example, one thread, this machine.
    """

    path: Path
    format: str
    bytes: int
    difference: float
    compared: int
    accuracy: float | None
    latency_ms: float

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {**vars(self), "path": str(self.path)}


@final
@dataclass(frozen=True)
class ExportedWithCard:
    """What :func:`export_with_card` wrote.

    Attributes:
        files: the network's files.
        card: the model card.
    """

    files: tuple[File, ...]
    card: Path


@usual_torch()
def export_with_card(
    study: Study, finished: Retrained, *paths: str | Path, int8: bool = False
) -> ExportedWithCard:
    """Export a finished network to each path, measure every file, and write a model card.

    Args:
        study: where the network comes from; what was gathered as evidence is in its log.
        finished: the network.
        *paths: files that end in ``.onnx`` or ``.pt2`` (a ``torch.export`` program, which loads
            in plain PyTorch without this library).
        int8: also write each ONNX file with 8-bit weights and activations, as ``NAME.int8.onnx``,
            with the accuracy that this costs.

    Returns:
        the files and the card, which stands beside the first file with the ending ``.card.md``.

    Raises:
        ExportError: no path, an operator that cannot be exported, or outputs that differ; what
            stood there before is kept.
    """
    targets = check_paths(*paths, int8=int8)
    files: list[File] = []
    for path in targets:
        written = finished.export(path)
        files.append(_measured(finished, path, written))
        if int8 and path.suffix == ".onnx":
            files.append(_quantized(finished, path))
    beside = targets[0].with_suffix(".card.md")
    replace_file(beside, card(study, finished, files).encode())
    return ExportedWithCard(tuple(files), beside)


def check_paths(*paths: str | Path, int8: bool = False) -> list[Path]:
    """The paths, if a network can be written to them; asked before anything is trained for them.

    Args:
        *paths: as for :func:`export_with_card`.
        int8: as for :func:`export_with_card`.

    Raises:
        ExportError: no path, one of another ending, or one that cannot be written.
    """
    if not paths:
        raise ExportError("export_with_card() got no path; give one that ends in .onnx or .pt2")
    targets = [Path(path) for path in paths]
    for path in targets:
        check_suffix(path)
        check_target("the network", path, ExportError)
    if int8 and not any(path.suffix == ".onnx" for path in targets):
        raise ExportError("int8 goes through onnxruntime; give a path that ends in .onnx as well")
    return targets


def _measured(finished: Retrained, path: Path, written: Exported) -> File:
    facts = (written.bytes, written.difference, written.compared)
    test = finished.task.test
    if path.suffix == ".onnx":
        accuracy = None if test is None else _share(predict_onnx(path, _raw(test)), test)
        latency = measure_onnx(path).median_ms
        return File(path, "onnx", *facts, accuracy, latency)
    import torch

    program = torch.export.load(path).module()
    with torch.inference_mode():
        outputs = None if test is None else program(torch.from_numpy(_raw(test))).numpy()
    accuracy = None if test is None or outputs is None else _share(outputs, test)
    latency = measure(program, finished.task.inputs).median_ms
    return File(path, "torch.export", *facts, accuracy, latency)


def _quantized(finished: Retrained, path: Path) -> File:
    target = path.with_suffix(".int8.onnx")
    small = quantize_int8(path, target, _raw(finished.task.train, CALIBRATION))
    test = finished.task.test
    accuracy = None if test is None else _share(predict_onnx(target, _raw(test)), test)
    latency = measure_onnx(target).median_ms
    facts = (small.bytes, small.difference, CALIBRATION)
    return File(target, "onnx int8", *facts, accuracy, latency)


def _raw(split: Split, most: int | None = None) -> Any:
    return np.asarray(split.inputs[:most], dtype=np.float32)


def _share(outputs: Any, split: Split) -> float:
    return float((np.asarray(outputs).argmax(1) == np.asarray(split.labels)).mean())


def card(study: Study, finished: Retrained, files: Sequence[File]) -> str:
    """The model card as Markdown: data, network, training, results, evidence, surroundings."""
    manifest, task = study.manifest, finished.task
    examples = ", ".join(f"{len(split):,} {name}" for name, split in task.splits.items())
    low, high = value_range(task.train.inputs)
    lines = [
        f"# {_literal(task.name)}: trial {finished.trial} of study {_literal(study.name)}",
        "",
        "A network found by architecture search, trained in full, and measured once on examples "
        "that neither the search nor the training saw.",
        "",
        "## Data",
        "",
        f"* {_literal(task.name)}: {task.classes} classes, examples of shape {task.inputs}; "
        f"{examples}",
        f"* fingerprint {task.fingerprint}",
        f"* classes: {', '.join(map(_literal, task.class_names))}",
        *(f"* {_literal(note)}" for note in task.notes),
        "",
        "## Results on the test split",
        "",
        *_table(("metric", "value"), [(k, f"{v:.6g}") for k, v in finished.metrics.items()]),
        "",
        "## Files",
        "",
        f"Inputs are in the scale of the data ({low:g} to {high:g} in the training examples), "
        "float32, channels first, any batch size; normalisation is inside. Latency is the median "
        "of one example on one thread of the machine named below.",
        "",
        *_table(
            ("file", "format", "bytes", "test accuracy", "largest difference", "latency, ms"),
            [
                (
                    file.path.name,
                    file.format,
                    f"{file.bytes:,}",
                    "not measured" if file.accuracy is None else f"{file.accuracy:.4f}",
                    f"{file.difference:.2g}",
                    f"{file.latency_ms:.3f}",
                )
                for file in files
            ],
        ),
        "",
        "## Architecture",
        "",
        f"Space {_literal(finished.architecture.space)}, key {finished.architecture.key}.",
        "",
        *_table(("decision", "answer"), [(k, str(v)) for k, v in finished.architecture.items()]),
        "",
        "## Training",
        "",
        f"Weights: {finished.weights}, by the recipe {_code(finished.recipe.to_json())}.",
        "",
        "## Evidence",
        "",
        *_evidence(study),
        "",
        "## Search and surroundings",
        "",
        f"* {len(study.history.finished)} finished trials, {_others(study)}; strategy "
        f"{_code(manifest.get('strategy'))}, seed {study.seed}",
        *(
            f"* {key}: {_code(manifest[key])}"
            for key in ("numerics", "machine", "versions", "commit")
            if manifest.get(key) is not None
        ),
        "",
        "## Not known",
        "",
        "Intended use, groups that the results differ between, and ethical considerations: nobody "
        "wrote them down for this network.",
        "",
    ]
    return "\n".join(lines)


def _evidence(study: Study) -> list[str]:
    return [f"* {_literal(sentence)}" for sentence in load_evidence(study).words]


def _others(study: Study) -> str:
    failed = sum(trial.state == "failed" for trial in study.history)
    stopped = len(study.history.stopped)
    return f"{failed} failed" + (f", {stopped} stopped early" if stopped else "")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *(f"| {' | '.join(map(_literal, row))} |" for row in rows),
    ]


def _literal(text: str) -> str:
    r"""A text in Markdown that stands for itself, on one line: no markup, no HTML, no table.

    Example:
        >>> _literal("<b>|a_b|")
        '&lt;b&gt;\\|a_b\\|'
    """
    line = "".join(sign if sign.isprintable() else " " for sign in " ".join(text.split()))
    line = escape(line, quote=False)
    line = re.sub(r"([\\`*\[\]|~])", r"\\\1", line)
    line = re.sub(r"(?<!\w)_|_(?!\w)", r"\_", line)  # only there it marks emphasis
    line = re.sub(r"(?i)\b(https?|ftp|mailto|www)([:.])", r"\1&#8203;\2", line)  # and no link
    return re.sub(r"^(\d*)([#+=.)-])", r"\1\\\2", line)


def _code(value: Any) -> str:
    """A value as JSON in a span of code that it cannot end."""
    text = json.dumps(value)
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}"
