"""Kernel densities of good and of other architectures, as BOHB and TPE use them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Any, final

import numpy as np

from nasturtium.architecture import Architecture, Value
from nasturtium.decision.base import Decision
from nasturtium.decision.one_of import OneOf
from nasturtium.decision.range import Range
from nasturtium.errors import Rejected, StrategyError
from nasturtium.space.answer_sources import MISSING
from nasturtium.space.pool_space import PoolSpace
from nasturtium.strategy.arguments import require_at_least
from nasturtium.strategy.multiobjective.variation import at
from nasturtium.strategy.surrogate.acquisition import argmax
from nasturtium.strategy.surrogate.candidates import draw_untried
from nasturtium.strategy.surrogate.features import Encoding
from nasturtium.strategy.surrogate.observations import Observations, fitted
from nasturtium.study.fidelity import FULL
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["KDE", "Density"]

ATTEMPTS = 20  # draws that a space may reject, for each one wanted


@final
class KDE(Strategy):
    """Draws architectures where good ones are dense and others are sparse.

    Args:
        good: the share of trials that are the good ones.
        samples: draws from the density of the good ones.
        random: the share of proposals that are drawn uniformly.
        factor: how much wider the bandwidths are that are drawn with.
        least: of a bandwidth; 1 draws uniformly.
    """

    def __init__(
        self,
        good: float = 0.15,
        samples: int = 64,
        random: float = 1 / 3,
        factor: float = 3.0,
        least: float = 0.3,
    ) -> None:
        require_at_least("the density strategy", samples=samples)
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

    def start(self) -> Observations:
        return Observations()

    def update(self, state: Observations, history: History, trial: Trial) -> Observations:
        state.update(history, trial)
        return state

    def propose(self, state: Observations, history: History, rng: Random) -> Proposal:
        space: Any = history.space
        if not Encoding.serves(space):
            raise StrategyError(
                f"densities are over a builder's decisions; {type(space).__name__} {space.name!r} "
                "asks none. Use RegularizedEvolution, which only mutates"
            )
        if rng.random() < self.random or not self.enough(state):
            return draw_untried(state, history, rng)

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
            return draw_untried(state, history, rng)
        read = [_record(space, architecture) for architecture in new]
        return Proposal(new[argmax(good.logs(read) - bad.logs(read), rng)], FULL)

    def enough(self, state: Observations) -> bool:
        """Return whether there are enough results: at least two more than decisions."""
        if len(state.trials) < 3:
            return False
        return len(state.trials) >= len(state.trials[0].architecture) + 2


def _record(space: Any, architecture: Architecture) -> Mapping[str, Value]:
    """Return the variables of the densities: the decisions, or the features of a pool's row."""
    if not isinstance(space, PoolSpace):
        return architecture
    features = space.features[space.row(architecture)].tolist()
    return {str(place): value for place, value in enumerate(features)}


def _known(space: Any, architectures: Sequence[Architecture]) -> dict[str, Decision]:
    """Return the decisions of some architectures, by name."""
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
        """Return the diversity of a decision: 0 if all records agree, 1 for uniform draws."""
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
        """Return the logarithms of the density at some records: (records,)."""
        kernels = np.ones((len(records), len(self.records)))
        for name, decision in self.known.items():
            width = self.widths[name]
            codes = self._codes(decision, records)[:, None]
            mine = self._codes(decision, self.records)[None, :]
            others = 1.0 if isinstance(decision, Range) else float(min(decision.count, 1e300))
            away = width * others / (others + 1.0)  # an inactive decision is one more option
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
        """Return decisions as numbers: in a range its place from 0 to 1; -1 if inactive."""
        name = decision.name
        if isinstance(decision, Range):
            return np.array([decision.encode(r[name])[1] if name in r else -1.0 for r in records])
        places = self._places.setdefault(name, {})
        return np.array(
            [float(places.setdefault(r[name], len(places))) if name in r else -1.0 for r in records]
        )

    def draw(self, space: Any, rng: Random, factor: float) -> Architecture | None:
        """Draw a record near one of the points; ``None`` where the space rejects all draws."""

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
