"""What strategies with a surrogate share: the points it learns from, and candidates to choose from.

A surrogate is refitted after every so many finished trials and is a pure function of those: its
seed is keyed by the log itself. So a study that is interrupted anywhere goes on with the surrogate
that it had, whichever proposal happens to need it first.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from nasturtium.architecture import Architecture
from nasturtium.errors import StrategyError
from nasturtium.strategy.encoding import Encoding
from nasturtium.study.fidelity import FULL
from nasturtium.study.history import History
from nasturtium.study.trial import Proposal, Trial
from nasturtium.train.seeds import mix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nasturtium.space.base import Space
    from nasturtium.strategy.early_stopping import Ends

    Array = NDArray[np.float64]

__all__ = ["Candidate", "Points", "candidates", "expected_improvement", "fitted", "top"]

Model = TypeVar("Model")
ATTEMPTS = 2  # variations for each candidate wanted, before fewer have to do


@dataclass
class Rows:
    """Rows of numbers that only grow, as a matrix without making it anew for every reader."""

    flat: array[float] = field(default_factory=lambda: array("d"))
    taken: int = 0  # rows

    def matrix(self, rows: Sequence[tuple[float, ...]], count: int | None = None) -> Array:
        """The first so many of some rows, of which those that are new are taken in."""
        for row in islice(rows, self.taken, None):
            self.flat.extend(row)
        self.taken = len(rows)
        count = len(rows) if count is None else min(count, len(rows))
        width = len(rows[0]) if rows else 1
        # A copy: numbers cannot be added to what a matrix still looks at.
        found: Array = np.frombuffer(self.flat, np.float64, count * width).copy()
        return found.reshape(count, width)


@dataclass
class Points:
    """Finished trials as a surrogate sees them, and what was tried at all.

    Trials that were stopped are among them where somebody estimates how they would have ended.
    """

    seen: int = 0  # trials taken in that ended
    place: int = 0  # trials of the history looked at
    tried: set[Hashable] = field(default_factory=set)  # canonical forms
    trials: list[Trial] = field(default_factory=list)  # with numbers to learn from
    ranks: list[tuple[float, float]] = field(default_factory=list)  # of these trials
    encoding: Encoding | None = None
    model: tuple[int, Any] = (-1, None)  # points that it was fitted to, and the model
    rows: Rows = field(default_factory=Rows)  # of ranks

    def look(
        self,
        history: History,
        encoding: Callable[[Space], Encoding] = Encoding,
        ends: Ends | None = None,
    ) -> Encoding:
        """Take in what was asked and told since the last look.

        Args:
            history: of the search.
            encoding: makes the encoding at the first look.
            ends: estimates the results of trials that were stopped; they are left out without it.
        """
        if self.encoding is None:
            self.encoding = encoding(history.space)
        for trial in history[self.place :]:
            self.tried.add(history.space.canonical(trial.architecture))
        self.place = len(history)
        for trial in history.ended[self.seen :]:
            if trial.state == "stopped":
                rank = None if ends is None else ends.rank(history, trial)
            else:
                rank = history.rank(trial)
                if ends is not None:
                    ends.learn(history, trial)
            if rank is not None and math.isfinite(rank[1]) and not math.isnan(rank[0]):
                self.trials.append(trial)
                self.ranks.append(rank)
        self.seen = len(history.ended)
        return self.encoding

    def open(self, architecture: Architecture, history: History) -> bool:
        """Whether it was not tried, and breaks no bound by counts that are free."""
        if history.space.canonical(architecture) in self.tried:
            return False
        return self.encoding is None or self.encoding.keeps(architecture, history.constraints)

    def targets(self, count: int | None = None) -> Array:
        """Scores of the first points; those that break a bound lie below all that keep it."""
        ranks = self.rows.matrix(self.ranks, count).reshape(-1, 2)
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


def fitted(points: Points, every: int, fit: Callable[[int, int], Model]) -> Model:
    """The model of the first points, a multiple of ``every`` where there are so many.

    The encoding knows the columns of these points and of no later ones.

    Args:
        points: what there is to learn from; at least one.
        every: points between fits.
        fit: makes the model of the first so many points, with a seed.
    """
    count = len(points.trials)
    count = max(count // every * every, min(count, every))
    before = points.model[0]
    if before != count:
        assert points.encoding is not None
        for trial in points.trials[max(before, 0) : count]:
            points.encoding.meet(trial.architecture)
        seed = mix(points.trials[0].architecture.key, count)
        points.model = (count, fit(count, seed))
    model: Model = points.model[1]
    return model


def top(points: Points, count: int, order: Sequence[int] | None = None) -> list[Trial]:
    """The best finished trials, one for each architecture, best first.

    Args:
        points: the trials.
        count: how many, at most.
        order: the places of the points, best first, where their ranks do not decide.
    """
    if order is None:
        order = sorted(
            range(len(points.trials)),
            key=lambda place: (points.ranks[place], -points.trials[place].number),
            reverse=True,
        )
    found: dict[str, Trial] = {}
    for place in order:
        trial = points.trials[place]
        if trial.state != "finished":
            continue
        found.setdefault(trial.architecture.key, trial)
        if len(found) == count:
            break
    return list(found.values())


class Candidate(NamedTuple):
    """An architecture that was not tried, and the number of the trial that it was mutated from."""

    architecture: Architecture
    parent: int | None

    def proposal(self) -> Proposal:
        """The proposal to try it."""
        return Proposal(self.architecture, FULL, self.parent)


def candidates(
    points: Points,
    history: History,
    rng: Random,
    *,
    best: Sequence[Trial],
    mutants: int,
    fresh: int = 0,
    edits: Sequence[int] = (1,),
) -> list[Candidate]:
    """Architectures to choose from: no equal ones, and none that was tried or is known to break a
    bound, if there are others.

    Args:
        points: what was tried.
        history: for its space.
        rng: draws them.
        best: parents; each is mutated as often as the others.
        mutants: wanted; fewer are given where the neighbourhood is used up.
        fresh: drawn from the whole space.
        edits: numbers of mutations of a mutant, one of them drawn for each.
    """
    space, found = history.space, dict[Hashable, Candidate]()

    def add(architecture: Architecture, parent: int | None) -> None:
        form = space.canonical(architecture)
        if form not in found and points.open(architecture, history):
            found[form] = Candidate(architecture, parent)

    for attempt in range(mutants * ATTEMPTS if best else 0):
        if len(found) >= mutants:
            break
        parent = best[attempt % len(best)]
        child = parent.architecture
        for _ in range(edits[int(rng.random() * len(edits))]):
            child = space.mutate(child, rng)
        add(child, parent.number)
    for _ in range(fresh):
        add(space.sample(rng), None)
    if not found:  # the neighbourhood, or all of a small space, was tried
        for _ in range(100):
            add(space.sample(rng), None)
            if found:
                break
        else:
            return [Candidate(space.sample(rng), None)]
    return list(found.values())


def expected_improvement(mean: Array, spread: Array, best: float) -> Array:
    """How much a normal variable exceeds ``best`` on average (Mockus 1978)."""
    from scipy.special import ndtr

    gain = (mean - best) / spread
    density = np.exp(-0.5 * gain**2) / math.sqrt(2.0 * math.pi)
    expected: Array = spread * (gain * ndtr(gain) + density)
    return expected


def argmax(values: Array, rng: Random) -> int:
    """The place of the largest value; equal ones are drawn from."""
    places = np.flatnonzero(values == values.max()).tolist()
    return int(places[int(rng.random() * len(places))])


def first(points: Points, history: History, rng: Random) -> Proposal:
    """A uniform draw that was not tried and keeps free bounds, if one is found soon."""
    for _ in range(25):
        drawn = history.space.sample(rng)
        if points.open(drawn, history):
            break
    return Proposal(drawn, FULL, None, None, True)


def whole(name: str, least: int = 1, **given: int) -> None:
    """Refuse counts below a least.

    Raises:
        StrategyError: one is.
    """
    wrong = {key: value for key, value in given.items() if value < least}
    if wrong:
        text = ", ".join(f"{key}={value}" for key, value in wrong.items())
        raise StrategyError(f"{name} got {text}; expected at least {least}")


def winsorised(targets: Array, reach: float = 2.0) -> Array:
    """Standardised by the better half; what lies far below the median is drawn near.

    Failed-looking networks (chance accuracy) would otherwise decide the scale of everything.
    """
    median = float(np.median(targets))
    scale = float(targets[targets >= median].std()) or 1.0
    kept: Array = (np.maximum(targets, median - reach * scale) - median) / scale
    return kept


def kept(targets: Array, most: int) -> NDArray[np.int64]:
    """The places of at most ``most`` points to learn from: all, or the best and the latest."""
    count = len(targets)
    if count <= most:
        return np.arange(count)
    earlier, wanted = targets[: count - most // 2], most - most // 2
    least = np.partition(earlier, len(earlier) - wanted)[len(earlier) - wanted]
    better = np.flatnonzero(earlier > least)
    equal = np.flatnonzero(earlier == least)[: wanted - len(better)]  # the earliest of these
    latest = np.arange(len(earlier), count)
    return np.concatenate([np.sort(np.concatenate([better, equal])), latest])
