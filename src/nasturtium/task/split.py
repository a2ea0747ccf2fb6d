"""Stratified, seeded division of labelled examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasturtium.errors import TaskError

__all__ = ["Indices", "SplitRecord", "TooFewExamples", "split_stratified"]

Indices = NDArray[np.int64]


class TooFewExamples(TaskError):
    """A class has too few examples to be divided."""

    def __init__(self, label: int, examples: int, needed: int) -> None:
        super().__init__(f"class {label} has {examples} examples; expected {needed} or more")
        self.label = label
        self.examples = examples
        self.needed = needed


@dataclass(frozen=True)
class SplitRecord:
    """Record of how the examples were divided, small enough for a log.

    Attributes:
        seed: seed of the division.
        valid: fraction of the examples left after the test set; ``None`` if the set was given.
        test: fraction of all examples; ``None`` if the test set was given, 0 for no test set.
        digests: for each split, the SHA-256 of its indices (little-endian int64).
    """

    seed: int
    valid: float | None
    test: float | None
    digests: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return plain values that ``from_json`` reads back."""
        return {
            "seed": self.seed,
            "valid": self.valid,
            "test": self.test,
            "digests": dict(self.digests),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> SplitRecord:
        """Read what ``to_json`` wrote."""
        return cls(data["seed"], data["valid"], data["test"], dict(data["digests"]))


def split_stratified(
    labels: Indices, fraction: float, *, seed: int, keep: int = 1
) -> tuple[Indices, Indices]:
    """Divide examples into a chosen part and the rest, class by class.

    In every class ``round(fraction * size)`` examples are chosen, at least one, and at least
    ``keep`` are left. With one seed, the chosen part of a smaller fraction is a subset of that of a
    larger one.

    Args:
        labels: (N,) class of each example, 0 or above.
        fraction: share of each class to choose, in (0, 1].
        seed: seed of the choice.
        keep: the least number of examples of a class in the rest.

    Returns:
        The indices of the chosen examples and of the rest, both ascending.

    Raises:
        TooFewExamples: a class has examples, but fewer than ``keep + 1``.
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    sizes = np.bincount(labels)
    present = sizes > 0
    if (short := present & (sizes <= keep)).any():
        label = int(np.flatnonzero(short)[0])
        raise TooFewExamples(label, int(sizes[label]), keep + 1)
    quota = np.clip(np.rint(sizes * fraction).astype(np.int64), 1, np.maximum(sizes - keep, 1))
    starts = np.cumsum(sizes) - sizes
    rank = np.arange(len(labels)) - np.repeat(starts, sizes)
    chosen = rank < np.repeat(quota, sizes)
    return np.sort(order[chosen]), np.sort(order[~chosen])
