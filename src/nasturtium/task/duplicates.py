"""Exact copies of examples in two splits of a task."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np

from nasturtium.task.array_storage import chunk_slices
from nasturtium.task.task import Split, Task

__all__ = ["count_duplicates"]


def count_duplicates(task: Task) -> dict[str, int]:
    """Count the examples of each other split that are exact copies of a training example.

    Labels are not compared. Final networks are trained on the validation examples as well, so
    copies of these count for ``test`` too. Inputs are read once, in chunks.

    Example:
        >>> from nasturtium.task.load import load
        >>> count_duplicates(load("digits"))
        {'valid': 0, 'test': 0}
    """
    seen = set(_digests(task.train))
    copies: dict[str, int] = {}
    for name, split in task.splits.items():
        if name == "train":
            continue
        digests = list(_digests(split))
        copies[name] = sum(digest in seen for digest in digests)
        seen.update(digests)
    return copies


def _digests(split: Split) -> Iterator[bytes]:
    inputs = split.inputs
    for span in chunk_slices(len(split), tuple(inputs.shape[1:])):
        for example in np.ascontiguousarray(inputs[span]):
            yield blake2b(example.data, digest_size=16).digest()
