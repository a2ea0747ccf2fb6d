"""BOHB: Hyperband whose architectures are drawn where densities say that the good ones lie.

Falkner, Klein & Hutter (2018), "BOHB: robust and efficient hyperparameter optimization at scale";
Bergstra, Bardenet, Bengio & Kegl (2011), "Algorithms for hyper-parameter optimization", for the
ratio of two densities (TPE).

Implemented: the best 15 % of the trials (at least a decision more than there are decisions) and the
rest give two kernel densities l and g; 64 architectures are drawn from l with bandwidths three
times as wide, and the one with the largest l / g is tried; one in three is drawn uniformly. BOHB
models the highest fidelity that has enough trials. Kernels are products over decisions: of
Aitchison and Aitken for options and subsets, normal for ranges. Deviations: the bandwidth of
options shrinks with the diversity of the good ones (the rule of the authors' code takes the
standard deviation of option numbers, which have no order, and makes kernels flat on five options);
a decision that an architecture is not asked has an answer of its own, instead of a drawn one; in a
pool of rows densities are over features, and a draw is a row next to a good one.
The tests check densities by hand and the laws; the rows on NAS-Bench-201 are in the documentation.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, final

import numpy as np

from nasturtium.architecture import Architecture, Value
from nasturtium.decision.base import Decision
from nasturtium.decision.one_of import OneOf
from nasturtium.decision.range import Range
from nasturtium.errors import Rejected, StrategyError
from nasturtium.space.answers import MISSING
from nasturtium.space.pool import PoolSpace
from nasturtium.strategy.brackets import Brackets, Plan
from nasturtium.strategy.encoding import Encoding
from nasturtium.strategy.halving import Hyperband
from nasturtium.strategy.rungs import Schedule
from nasturtium.strategy.surrogate import Points, argmax, first, fitted, whole
from nasturtium.strategy.variation import at
from nasturtium.study.fidelity import FULL, Fidelity
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["BOHB", "KDE"]

ATTEMPTS = 20  # draws that a space may reject, for each one wanted


@final
class KDE(Strategy):
    """Draws architectures where good ones are dense and others are not.

    Args:
        good: the share of trials that are the good ones.
        samples: draws from the density of the good ones.
        random: the share of proposals that are drawn uniformly.
        factor: how much wider the bandwidths are that are drawn with.
        least: of a bandwidth; 1 forgets where the points were.
    """

    def __init__(
        self,
        good: float = 0.15,
        samples: int = 64,
        random: float = 1 / 3,
        factor: float = 3.0,
        least: float = 0.3,
    ) -> None:
        whole("the density strategy", samples=samples)
        if not (0 < good < 1 and 0 <= random <= 1 and factor >= 1 and 0 < least <= 1):
            raise StrategyError(
                f"the density strategy got good={good}, random={random}, factor={factor}, least="
                f"{least}; expected shares between 0 and 1 and a factor of at least 1"
            )
        self.good = good
        self.samples = samples
        self.random = random
        self.factor = factor
        self.least = least

    def start(self) -> Points:
        return Points()

    def propose(self, state: Points, history: History, rng: Random) -> Proposal:
        space: Any = history.space
        if not Encoding.serves(space):
            raise StrategyError(
                f"densities are over a builder's decisions; {type(space).__name__} {space.name!r} "
                "asks none. Use RegularizedEvolution, which only mutates"
            )
        state.look(history)
        if rng.random() < self.random or not self.enough(state):
            return first(state, history, rng)

        def fit(count: int, seed: int) -> tuple[Density, Density, list[Architecture]]:
            order = sorted(range(count), key=lambda place: state.ranks[place], reverse=True)
            size = len(state.trials[order[0]].architecture)
            kept = min(max(size + 1, math.ceil(self.good * count)), count - 1)
            ranked = [state.trials[place].architecture for place in order]
            records = [_record(space, architecture) for architecture in ranked]
            known = _known(space, ranked)
            made = [Density(part, known, self.least) for part in (records[:kept], records[kept:])]
            return made[0], made[1], ranked[:kept]

        good, bad, near = fitted(state, 1, fit)
        drawn: list[Architecture | None]
        if isinstance(space, PoolSpace):
            drawn = [space.mutate(rng.choice(near), rng) for _ in range(self.samples)]
        else:
            drawn = [good.draw(space, rng, self.factor) for _ in range(self.samples)]
        new = [a for a in drawn if a is not None and space.canonical(a) not in state.tried]
        if not new:
            return first(state, history, rng)
        read = [_record(space, architecture) for architecture in new]
        return Proposal(new[argmax(good.logs(read) - bad.logs(read), rng)], FULL)

    def enough(self, state: Points) -> bool:
        """Whether there are points for both densities: two more than decisions, at least."""
        if len(state.trials) < 3:
            return False
        return len(state.trials) >= len(state.trials[0].architecture) + 2


def _record(space: Any, architecture: Architecture) -> Mapping[str, Value]:
    """What densities are over: the answers, or of a pool's row its features."""
    if not isinstance(space, PoolSpace):
        return architecture
    features = space.features[space.row(architecture)].tolist()
    return {str(place): value for place, value in enumerate(features)}


def _known(space: Any, architectures: Sequence[Architecture]) -> dict[str, Decision]:
    """The decisions of some architectures, by name."""
    if isinstance(space, PoolSpace):
        columns = enumerate(zip(*(_record(space, a).values() for a in architectures), strict=True))
        return {str(place): OneOf(str(place), sorted(set(column))) for place, column in columns}
    return {d.name: d for architecture in architectures for d in space.decisions(architecture)}


@final
class Density:
    """A mean of product kernels over records.

    Args:
        records: where the kernels stand.
        known: the decisions, by name.
        least: of a bandwidth.
    """

    def __init__(
        self, records: Sequence[Mapping[str, Value]], known: Mapping[str, Decision], least: float
    ) -> None:
        self.records = records
        self.known = known
        self._places: dict[str, dict[Value, int]] = {}
        shrink = len(records) ** (-1.0 / (4 + len(known)))
        self.widths = {
            name: min(1.0, max(least, shrink * self._diversity(decision)))
            for name, decision in known.items()
        }

    def _diversity(self, decision: Decision) -> float:
        """From 0, all records answer alike, to 1, as different as uniform draws are."""
        values = [r[decision.name] for r in self.records if decision.name in r]
        if len(values) < 2:
            return 1.0
        if isinstance(decision, Range):
            places = [decision.encode(value)[1] for value in values]
            mean = sum(places) / len(places)
            return math.sqrt(12.0 * sum((p - mean) ** 2 for p in places) / len(places))
        shares = [count / len(values) for count in Counter(values).values()]
        most = 1.0 - 1.0 / min(decision.count, len(values))
        return math.sqrt((1.0 - sum(share**2 for share in shares)) / most) if most else 0.0

    def logs(self, records: Sequence[Mapping[str, Value]]) -> NDArray[np.float64]:
        """The logarithms of the density at some records: (records,)."""
        kernels = np.ones((len(records), len(self.records)))
        for name, decision in self.known.items():
            width = self.widths[name]
            codes = self._codes(decision, records)[:, None]
            mine = self._codes(decision, self.records)[None, :]
            others = 1.0 if isinstance(decision, Range) else float(min(decision.count, 1e300))
            away = width * others / (others + 1.0)  # what is not asked is one more option
            kernel = np.where(codes == mine, 1.0 - away, away / others)
            if isinstance(decision, Range):
                near = np.exp(-0.5 * ((codes - mine) / width) ** 2) / width
                kernel = np.where((codes >= 0) & (mine >= 0), near, kernel)
            kernels *= kernel
        logs: NDArray[np.float64] = np.log(np.maximum(kernels.mean(1), 1e-300))
        return logs

    def _codes(
        self, decision: Decision, records: Sequence[Mapping[str, Value]]
    ) -> NDArray[np.float64]:
        """Answers as numbers: of a range its place from 0 to 1, else any; -1 if not asked."""
        name = decision.name
        if isinstance(decision, Range):
            return np.array([decision.encode(r[name])[1] if name in r else -1.0 for r in records])
        places = self._places.setdefault(name, {})
        return np.array(
            [float(places.setdefault(r[name], len(places))) if name in r else -1.0 for r in records]
        )

    def draw(self, space: Any, rng: Random, factor: float) -> Architecture | None:
        """A record drawn about one of the points; ``None`` where the space rejects all draws."""

        def answer(decision: Decision) -> Value:
            value = centre.get(decision.name, MISSING)
            width = min(1.0, factor * self.widths.get(decision.name, 1.0))
            if not decision.allows(value):
                return decision.draw(rng)
            if not isinstance(decision, Range):
                return decision.draw(rng) if rng.random() < width else value
            place = rng.gauss(decision.encode(value)[1], width)
            return at(decision, place) if 0.0 <= place <= 1.0 else decision.draw(rng)

        for _ in range(ATTEMPTS):
            centre = self.records[int(rng.random() * len(self.records))]
            try:
                drawn: Architecture = space.decide(answer)
            except Rejected:
                continue
            return drawn
        return None


@dataclass
class Levels:
    """The brackets, and the points of each fidelity."""

    brackets: Brackets
    tried: set[Hashable] = field(default_factory=set)  # at any fidelity
    points: dict[Fidelity, Points] = field(default_factory=dict)


@final
class BOHB(Strategy):
    """Hyperband, its architectures drawn from densities.

    Args:
        least: the shortest training, as a fraction of the full one.
        eta: one in eta is promoted.
        schedule: ``complete`` trains a promotion anew, ``prefix`` resumes it.
        density: says what to try.
        epochs: epochs of a full training, where they are known: rungs are whole numbers of epochs,
            and equal ones are one. :func:`nasturtium.search` fills it in.
    """

    def __init__(
        self,
        least: float = 1 / 27,
        eta: float = 3,
        schedule: Schedule = "complete",
        density: KDE | None = None,
        epochs: int | None = None,
    ) -> None:
        self.least = least
        self.eta = eta
        self.schedule = schedule
        self.density = KDE() if density is None else density
        self.epochs = epochs
        self._hyperband = Hyperband(None, least, eta, schedule, epochs)

    @property
    def brackets(self) -> tuple[Plan, ...]:
        """Hyperband's: of each, how many trials at which fidelity, rung by rung."""
        return self._hyperband.brackets

    def start(self) -> Levels:
        return Levels(self._hyperband.start())

    def fold(self, state: Levels, trial: Trial) -> Levels:
        state.brackets = self._hyperband.fold(state.brackets, trial)
        return state

    def propose(self, state: Levels, history: History, rng: Random) -> Proposal | None:
        proposal = self._hyperband.propose(state.brackets, history, rng)
        if proposal is None or not proposal.uniform:  # to wait, or a promotion
            return proposal
        fidelities = [fidelity for _, fidelity in self.brackets[0]]
        for fidelity in fidelities:
            points = state.points.setdefault(fidelity, Points(tried=state.tried))
            points.look(history.where(fidelity=fidelity))
        for fidelity in reversed(fidelities):
            view = history.where(fidelity=fidelity)
            if self.density.enough(state.points[fidelity]):
                found = self.density.propose(state.points[fidelity], view, rng)
                return found._replace(fidelity=proposal.fidelity)
        return proposal
