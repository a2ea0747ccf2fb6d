"""The results that surrogates learn from, and models that are fitted to them at intervals.

A surrogate is refitted after a number of results and is a pure function of these: its seed is keyed
by the log. So a study that is interrupted and resumed has the same surrogate.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from nasturtium.architecture import Architecture
from nasturtium.strategy.surrogate.features import Encoding
from nasturtium.study.history import History
from nasturtium.study.memo import Memo
from nasturtium.study.trial import Trial
from nasturtium.train.seeds import derive_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nasturtium.space.base import Space
    from nasturtium.strategy.surrogate.learning_curve_extrapolation import LearningCurves

    Array = NDArray[np.float64]

__all__ = ["Observations", "Rows", "best_and_latest", "best_trials", "fitted", "winsorized"]

Model = TypeVar("Model")


@dataclass
class Rows:
    """Rows of numbers that grow at the end."""

    flat: array[float] = field(default_factory=lambda: array("d"))
    width: int = 1

    def append(self, row: tuple[float, ...]) -> None:
        """Add a row; all rows have the same length."""
        self.width = len(row)
        self.flat.extend(row)

    def __len__(self) -> int:
        return len(self.flat) // self.width

    def matrix(self, count: int | None = None) -> Array:
        """Return the first ``count`` rows, or all: (rows, width)."""
        count = len(self) if count is None else min(count, len(self))
        # A copy: numbers cannot be added to an array while a matrix views it.
        found: Array = np.frombuffer(self.flat, np.float64, count * self.width).copy()
        return found.reshape(count, self.width)


@dataclass
class Observations:
    """The results that a surrogate learns from, and the architectures that were tried.

    Trials that were stopped are among the results where their final values are estimated.
    """

    tried: set[Hashable] = field(default_factory=set)  # canonical forms
    trials: list[Trial] = field(default_factory=list)  # with results
    ranks: list[tuple[float, float]] = field(default_factory=list)  # of these trials
    rows: Rows = field(default_factory=Rows)  # the ranks as a matrix
    encoding: Memo[Encoding] = field(default_factory=Memo)
    model: Memo[Any] = field(default_factory=Memo)

    def update(self, history: History, trial: Trial, curves: LearningCurves | None = None) -> bool:
        """Record an event of the search; return whether it is a result to learn from.

        Args:
            history: of the search.
            trial: in its new state.
            curves: estimates the final values of stopped trials; these are left out without it.
        """
        if trial.state in ("pending", "rejected"):
            self.tried.add(history.space.canonical(trial.architecture))
            return False
        if trial.state == "finished":
            rank: tuple[float, float] | None = history.rank(trial)
            if curves is not None:
                curves.learn(history, trial)
        elif trial.state == "stopped" and curves is not None:
            rank = curves.expected_rank(history, trial)
        else:
            return False
        if rank is None or not math.isfinite(rank[1]) or math.isnan(rank[0]):
            return False
        self.trials.append(trial)
        self.ranks.append(rank)
        self.rows.append(rank)
        return True

    def encode(self, space: Space, make: Callable[[Space], Encoding] = Encoding) -> Encoding:
        """Return the encoding of a space, made by ``make`` when it is first needed."""
        return self.encoding.get("space", lambda: make(space))

    def is_open(self, architecture: Architecture, history: History) -> bool:
        """Return whether it was not tried, and violates no constraint on free counts."""
        if history.space.canonical(architecture) in self.tried:
            return False
        encoding = self.encoding.value
        return encoding is None or encoding.keeps(architecture, history.constraints)

    def targets(self, count: int | None = None) -> Array:
        """Return scores of the first results; those that violate a constraint are the lowest."""
        ranks = self.rows.matrix(count).reshape(-1, 2)
        worse, scores = np.minimum(-ranks[:, 0], 10.0), ranks[:, 1]
        broken = worse > 0
        if not broken.any():
            return scores
        if broken.all():
            return -worse
        kept = scores[~broken]
        scores = scores.copy()
        scores[broken] = kept.min() - (kept.std() or 1.0) * (0.1 + worse[broken])
        return scores


def fitted(observations: Observations, every: int, fit: Callable[[int, int], Model]) -> Model:
    """Return the model of the first results, a multiple of ``every`` where there are so many.

    The encoding knows the columns of these results and of no later ones. The model is kept in the
    memo of the observations until another one is due.

    Args:
        observations: at least one result.
        every: results between fits.
        fit: makes the model of the first so many results, with a seed.
    """
    count = len(observations.trials)
    count = max(count // every * every, min(count, every))

    def compute() -> Model:
        encoding = observations.encoding.value
        if encoding is not None:
            encoding.meet_all(observations.trials[:count])
        return fit(count, derive_seed(observations.trials[0].architecture.key, count))

    model: Model = observations.model.get(count, compute)
    return model


def best_trials(
    observations: Observations, count: int, order: Sequence[int] | None = None
) -> list[Trial]:
    """Return the best finished trials, one for each architecture, best first.

    Args:
        observations: the results.
        count: how many, at most.
        order: the places of the results, best first, where their ranks do not decide.
    """
    if order is None:
        order = sorted(
            range(len(observations.trials)),
            key=lambda place: (observations.ranks[place], -observations.trials[place].number),
            reverse=True,
        )
    found: dict[str, Trial] = {}
    for place in order:
        trial = observations.trials[place]
        if trial.state != "finished":
            continue
        found.setdefault(trial.architecture.key, trial)
        if len(found) == count:
            break
    return list(found.values())


def winsorized(targets: Array, reach: float = 2.0) -> Array:
    """Return scores standardised by those above the median, with low outliers winsorised.

    Networks at chance accuracy would otherwise determine the scale.
    """
    median = float(np.median(targets))
    scale = float(targets[targets >= median].std()) or 1.0
    kept: Array = (np.maximum(targets, median - reach * scale) - median) / scale
    return kept


def best_and_latest(targets: Array, most: int) -> NDArray[np.int64]:
    """Return the places of at most ``most`` results: all, or the best and the latest."""
    count = len(targets)
    if count <= most:
        return np.arange(count)
    earlier, wanted = targets[: count - most // 2], most - most // 2
    least = np.partition(earlier, len(earlier) - wanted)[len(earlier) - wanted]
    better = np.flatnonzero(earlier > least)
    equal = np.flatnonzero(earlier == least)[: wanted - len(better)]  # the earliest of these
    latest = np.arange(len(earlier), count)
    return np.concatenate([np.sort(np.concatenate([better, equal])), latest])
