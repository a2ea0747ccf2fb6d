"""Examples that are in two splits of a task, to the byte."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np

from nasturtium.task.storage import spans
from nasturtium.task.task import Split, Task

__all__ = ["duplicates"]


def duplicates(task: Task) -> dict[str, int]:
    """How many examples of the other splits are exact copies of a training example, by split.

    The labels do not count. Final networks are trained on the validation examples as well, so a
    copy of one of these counts for ``test`` too. Inputs are read once, in chunks.

    Example:
        >>> from nasturtium.task.sources import load
        >>> duplicates(load("digits"))
        {'valid': 0, 'test': 0}
    """
    seen = set(_digests(task.train))
    found: dict[str, int] = {}
    for name, split in task.splits.items():
        if name == "train":
            continue
        digests = list(_digests(split))
        found[name] = sum(digest in seen for digest in digests)
        seen.update(digests)
    return found


def _digests(split: Split) -> Iterator[bytes]:
    inputs = split.inputs
    for span in spans(len(split), tuple(inputs.shape[1:])):
        for example in np.ascontiguousarray(inputs[span]):
            yield blake2b(example.data, digest_size=16).digest()
