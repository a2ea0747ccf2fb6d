"""Checkpoints of a training, taken between epochs: whole or absent, and data only.

A file is the SHA-256 of its content, then the content: what ``torch.save`` writes of tensors and
plain values. It is read with ``weights_only=True``, so that a stranger's file runs no code, and
whatever is damaged or belongs to another training counts as absent.
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
    """What a training needs to go on as if it had never stopped.

    Attributes:
        identity: digest of all that the training depends on; another one is another training.
        epoch: epochs done.
        seconds: time spent on them.
        curve: what each epoch measured.
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
        """Copy a whole checkpoint without its seconds: equal trainings give equal files.

        Returns:
            whether there is one at ``source`` that is whole.
        """
        found = cls._whole(source)
        if found is not None:
            replace(found, seconds=0.0).write(target)
        return found is not None

    @classmethod
    def read(cls, path: Path, identity: str) -> Checkpoint | None:
        """Return the checkpoint of the training ``identity``, or ``None`` if there is none."""
        found = cls._whole(path)
        return found if found is not None and found.identity == identity else None

    @classmethod
    def _whole(cls, path: Path) -> Checkpoint | None:
        """The checkpoint at ``path``, if it is there and not damaged."""
        try:
            raw = path.read_bytes()
            digest, content = raw[:32], raw[32:]
            if sha256(content).digest() != digest:
                return None
            data = read_tensors(content)
            found = cls(**{**data, "curve": tuple(data["curve"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return found if found._sound() else None

    def _sound(self) -> bool:
        """Whether its parts are of the types that were written."""
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
    """Whether it is what an epoch measured: numbers by name."""
    return (
        isinstance(point, dict)
        and all(isinstance(name, str) and type(one) in (int, float) for name, one in point.items())
        and "train_loss" in point
        and math.isfinite(point.get("epoch", math.nan))
    )
