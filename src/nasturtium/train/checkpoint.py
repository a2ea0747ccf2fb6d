"""Checkpoints of a training, taken between epochs: whole or absent, and data only.

A file is the SHA-256 of its content, then the content: what ``torch.save`` writes of tensors and
plain values. It is read with ``weights_only=True``, so that a stranger's file runs no code, and
whatever is damaged or belongs to another training counts as absent.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from nasturtium.task.durable import replace_file

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

    @staticmethod
    def copy(source: Path, target: Path) -> None:
        """Copy a whole checkpoint without its seconds: equal trainings give equal files.

        Raises:
            OSError: there is none at ``source``.
        """
        data = torch.load(
            io.BytesIO(source.read_bytes()[32:]), map_location="cpu", weights_only=True
        )
        kept = Checkpoint(**{**data, "seconds": 0.0, "curve": tuple(data["curve"])})
        kept.write(target)

    @classmethod
    def read(cls, path: Path, identity: str) -> Checkpoint | None:
        """Return the checkpoint of the training ``identity``, or ``None`` if there is none."""
        try:
            raw = path.read_bytes()
        except OSError:
            return None
        digest, content = raw[:32], raw[32:]
        if sha256(content).digest() != digest:
            return None
        try:
            data = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            found = cls(**{**data, "curve": tuple(data["curve"])})
        except (pickle.UnpicklingError, RuntimeError, EOFError, TypeError, KeyError, ValueError):
            return None
        return found if found.identity == identity else None
