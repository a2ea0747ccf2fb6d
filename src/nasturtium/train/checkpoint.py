"""Checkpoints of a training, written between epochs: complete or absent, and data only.

A file is the SHA-256 of its content, then the content: tensors and plain values as ``torch.save``
writes them. It is read with ``weights_only=True``, so that an untrusted file runs no code. A file
that is damaged or belongs to another training counts as absent.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from nasturtium.atomic_write import replace_file
from nasturtium.train.weights import read_tensors

__all__ = ["Checkpoint"]


@dataclass(frozen=True)
class Checkpoint:
    """The state from which a training resumes as if it had never stopped.

    Attributes:
        identity: digest of all settings and data of the training.
        epoch: epochs done.
        seconds: time spent on them.
        curve: metrics of each epoch.
        state: state dictionaries and tensors, by name.
    """

    identity: str
    epoch: int
    seconds: float
    curve: tuple[dict[str, float], ...]
    state: Mapping[str, Any]

    def write(self, path: Path) -> None:
        """Replace the file at ``path`` by this checkpoint."""
        buffer = io.BytesIO()
        torch.save(
            {
                "identity": self.identity,
                "epoch": self.epoch,
                "seconds": self.seconds,
                "curve": list(self.curve),
                "state": dict(self.state),
            },
            buffer,
        )
        content = buffer.getvalue()
        replace_file(path, sha256(content).digest() + content)

    @classmethod
    def copy(cls, source: Path, target: Path) -> bool:
        """Copy an undamaged checkpoint without its seconds: equal trainings give equal files.

        Returns:
            whether ``source`` is an undamaged checkpoint.
        """
        checkpoint = cls._read_any(source)
        if checkpoint is not None:
            replace(checkpoint, seconds=0.0).write(target)
        return checkpoint is not None

    @classmethod
    def read(cls, path: Path, identity: str) -> Checkpoint | None:
        """Return the checkpoint of the training ``identity``, or ``None`` if there is none."""
        checkpoint = cls._read_any(path)
        return checkpoint if checkpoint is not None and checkpoint.identity == identity else None

    @classmethod
    def _read_any(cls, path: Path) -> Checkpoint | None:
        """Return the checkpoint at ``path``, or ``None`` if it is absent or damaged."""
        try:
            raw = path.read_bytes()
            digest, content = raw[:32], raw[32:]
            if sha256(content).digest() != digest:
                return None
            data = read_tensors(content)
            checkpoint = cls(**{**data, "curve": tuple(data["curve"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return checkpoint if checkpoint._has_valid_types() else None

    def _has_valid_types(self) -> bool:
        """Return whether every part is of the type that was written."""
        return (
            isinstance(self.identity, str)
            and type(self.epoch) is int
            and self.epoch >= 0
            and isinstance(self.seconds, float)
            and math.isfinite(self.seconds)
            and all(map(_is_point, self.curve))
            and isinstance(self.state, dict)
        )


def _is_point(point: object) -> bool:
    """Return whether a value is a point of a learning curve: numbers by name."""
    return (
        isinstance(point, dict)
        and all(
            isinstance(name, str) and type(value) in (int, float) for name, value in point.items()
        )
        and "train_loss" in point
        and math.isfinite(point.get("epoch", math.nan))
    )
