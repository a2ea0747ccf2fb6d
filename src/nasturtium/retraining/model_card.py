"""The model card of a retrained network.

It follows Mitchell et al. (2019), "Model cards for model reporting". Information that
nobody wrote down (intended use, ethical considerations) is named as missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, final

from nasturtium.analyse.load_evidence import load_evidence
from nasturtium.retraining.retrained import Retrained
from nasturtium.study.study import Study
from nasturtium.task.input_arrays import value_range

__all__ = ["File", "format_card"]

ABOUT = (
    "A network found by architecture search, retrained, and measured once on examples that were "
    "not used by the search or the training."
)
NOT_KNOWN = (
    "Intended use, groups between which the results differ, and ethical considerations: nobody "
    "wrote them down for this network."
)


@final
@dataclass(frozen=True)
class File:
    """One file of a network, measured after it was written.

    Attributes:
        path: its path.
        format: ``onnx``, ``onnx int8`` or ``torch.export``.
        bytes: its size.
        difference: largest difference of its outputs from the model's on real inputs, relative to
            their scale.
        compared: number of these inputs.
        accuracy: share of the test examples that the file classifies correctly; ``None`` if the
            data have no test split.
        latency_ms: median milliseconds for one example on one thread of this machine.
    """

    path: Path
    format: str
    bytes: int
    difference: float
    compared: int
    accuracy: float | None
    latency_ms: float

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {**vars(self), "path": str(self.path)}


def format_card(study: Study, network: Retrained, files: Sequence[File]) -> str:
    """Return the model card as Markdown.

    Args:
        study: the study of the network.
        network: the network.
        files: its files.
    """
    architecture = network.architecture
    title = f"{_literal(network.task.name)}: trial {network.trial} of study {_literal(study.name)}"
    metrics = [(name, f"{value:.6g}") for name, value in network.metrics.items()]
    decisions = [(name, str(value)) for name, value in architecture.items()]
    training = f"Weights: {network.weights}, by the recipe {_code(network.recipe.to_json())}."
    space = f"Space {_literal(architecture.space)}, key {architecture.key}."
    sections = {
        "Data": _data(network),
        "Results on the test split": _table(("metric", "value"), metrics),
        "Files": _files(network, files),
        "Architecture": [space, "", *_table(("decision", "answer"), decisions)],
        "Training": [training],
        "Evidence": _bullets(load_evidence(study).words),
        "Search, software and hardware": _search(study),
        "Not known": [NOT_KNOWN],
    }
    lines = [f"# {title}", "", ABOUT, ""]
    for heading, body in sections.items():
        lines += [f"## {heading}", "", *body, ""]
    return "\n".join(lines)


def _data(network: Retrained) -> list[str]:
    task = network.task
    examples = ", ".join(f"{len(split):,} {name}" for name, split in task.splits.items())
    return [
        f"* {_literal(task.name)}: {task.classes} classes, examples of shape {task.inputs}; "
        f"{examples}",
        f"* fingerprint {task.fingerprint}",
        f"* classes: {', '.join(map(_literal, task.class_names))}",
        *_bullets(task.notes),
    ]


def _files(network: Retrained, files: Sequence[File]) -> list[str]:
    low, high = value_range(network.task.train.inputs)
    heads = ("file", "format", "bytes", "test accuracy", "largest difference", "latency, ms")
    rows = [
        (
            file.path.name,
            file.format,
            f"{file.bytes:,}",
            "not measured" if file.accuracy is None else f"{file.accuracy:.4f}",
            f"{file.difference:.2g}",
            f"{file.latency_ms:.3f}",
        )
        for file in files
    ]
    return [
        f"Inputs are in the scale of the data ({low:g} to {high:g} in the training examples), "
        "float32, channels first, any batch size; the files normalise them. Latency is the median "
        "for one example on one thread of the machine named below.",
        "",
        *_table(heads, rows),
    ]


def _search(study: Study) -> list[str]:
    manifest = study.manifest
    known = (key for key in ("numerics", "machine", "versions", "commit") if manifest.get(key))
    return [
        f"* {len(study.history.finished)} finished trials, {_other_trials(study)}; strategy "
        f"{_code(manifest.get('strategy'))}, seed {study.seed}",
        *(f"* {key}: {_code(manifest[key])}" for key in known),
    ]


def _bullets(texts: Iterable[str]) -> list[str]:
    return [f"* {_literal(text)}" for text in texts]


def _other_trials(study: Study) -> str:
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
    r"""Escape a text for one line of Markdown: no markup, no HTML, no table.

    Example:
        >>> _literal("<b>|a_b|")
        '&lt;b&gt;\\|a_b\\|'
    """
    line = "".join(c if c.isprintable() else " " for c in " ".join(text.split()))
    line = escape(line, quote=False)
    line = re.sub(r"([\\`*\[\]|~])", r"\\\1", line)
    line = re.sub(r"(?<!\w)_|_(?!\w)", r"\_", line)  # underscores mark emphasis only there
    line = re.sub(r"(?i)\b(https?|ftp|mailto|www)([:.])", r"\1&#8203;\2", line)  # no link
    return re.sub(r"^(\d*)([#+=.)-])", r"\1\\\2", line)


def _code(value: Any) -> str:
    """Return a value as JSON in a code span that its text cannot end."""
    text = json.dumps(value)
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}"
