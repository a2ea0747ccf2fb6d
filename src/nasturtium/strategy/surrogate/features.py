"""Features of architectures for surrogates: one-hot decisions, tallies and free metrics.

Three groups of columns: one-hot answers, as spaces encode them; tallies, how many decisions with
the same options took each of them (cells that differ by a renaming of nodes have equal tallies);
and evidence, numbers that cost next to nothing: parameters, multiply-accumulates and activations,
where they are counted from blocks without building a network, and whatever the caller gives.

The columns grow with the results, and with nothing else, so that a study that is resumed from its
log has the same columns in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, final

import numpy as np

from nasturtium.decision.one_of import OneOf
from nasturtium.decision.subset import Subset
from nasturtium.errors import EstimateError, SpaceError, StrategyError
from nasturtium.space.choice_space import ChoiceSpace
from nasturtium.space.pool_space import PoolSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nasturtium.architecture import Architecture
    from nasturtium.cost.block_costs import BlockCounter
    from nasturtium.cost.count import Cost
    from nasturtium.predict.graph_encodings import Graph
    from nasturtium.space.base import Space
    from nasturtium.space.encoder import Encoder
    from nasturtium.strategy.surrogate.zero_cost import ProxyCache
    from nasturtium.study.objective import Objective
    from nasturtium.study.trial import Trial

    Matrix = NDArray[np.float32]

__all__ = ["Encoding", "Evidence", "counts"]

Evidence = Callable[["Architecture"], "Sequence[float]"]
DRAWS = 64  # that evidence is standardised over
UNDEFINED = -3.0  # standardised
MOST = 20_000  # architectures whose rows are remembered


@final
class Encoding:
    """Rows of numbers for the architectures of one space.

    Args:
        space: one with decisions, or a pool of rows.
        evidence: more numbers of an architecture, always as many, NaN where one is not defined;
            ``None`` for none.
        scores: zero-cost proxies, used only while their rank correlation is high enough.

    Raises:
        StrategyError: a space without decisions.
    """

    def __init__(
        self, space: Space, evidence: Evidence | None = None, scores: ProxyCache | None = None
    ) -> None:
        self._pool: Matrix | None = None
        self._space: Any = space
        self._evidence = evidence
        self._scores = scores
        self._scale: tuple[NDArray[Any], NDArray[Any]] | None = None
        self._rows: dict[str, tuple[Matrix, tuple[float, ...]]] = {}
        self._tally: Matrix | None = None
        self._met: set[str] = set()
        self._results = 0  # from the first on, whose columns are known
        if isinstance(space, ChoiceSpace):
            self._encoder = space.encoder()
        elif isinstance(space, PoolSpace):
            self._pool, self._tally = _of_pool(space.features)
        else:
            raise StrategyError(
                f"surrogates learn from a builder's decisions; {type(space).__name__} "
                f"{space.name!r} asks none. Use RegularizedEvolution, which only mutates"
            )

    @staticmethod
    def serves(space: Space) -> bool:
        """Return whether a space has decisions or rows to encode."""
        return isinstance(space, (ChoiceSpace, PoolSpace))

    @property
    def graph(self) -> Callable[[Architecture], Graph] | None:
        """The function from the space's architectures to graphs, where it declares one."""
        space: Space = self._space
        return space.graph

    @property
    def columns(self) -> int:
        """One-hot columns so far."""
        return len(self._encoder.columns) if self._pool is None else self._pool.shape[1]

    def meet(self, architecture: Architecture) -> None:
        """Record a finished architecture; new decisions and options append columns."""
        if self._pool is not None or architecture.key in self._met:
            return
        self._met.add(architecture.key)
        before = self.columns
        self._encoder.encode(architecture)
        if self.columns != before:
            self._rows.clear()
            self._tally = None

    def meet_all(self, trials: Sequence[Trial]) -> None:
        """Record the first results of a study, each once."""
        for trial in trials[self._results :]:
            self.meet(trial.architecture)
        self._results = max(self._results, len(trials))

    def groups(self, architectures: Sequence[Architecture]) -> tuple[Matrix, Matrix, Matrix]:
        """Return one-hot answers, tallies, and evidence: (architectures, columns of the group).

        Evidence is standardised over some draws from the space; what is not defined lies below.
        """
        rows = [self._row(architecture) for architecture in architectures]
        hot = np.stack([row[0] for row in rows])
        free = np.array([row[1] for row in rows], dtype=np.float64).reshape(len(rows), -1)
        if self._scale is None and free.shape[1]:
            rng = Random(0)
            drawn = np.array([self._row(self._space.sample(rng))[1] for _ in range(DRAWS)])
            known = np.where(np.isnan(drawn).all(0), 0.0, drawn)
            self._scale = np.nanmean(known, 0), np.maximum(np.nanstd(known, 0), 1e-9)
        if self._scale is not None:
            free = np.nan_to_num((free - self._scale[0]) / self._scale[1], nan=UNDEFINED)
        if self._tally is None:
            self._tally = _tallies(self._encoder)
        return hot, hot @ self._tally, free.astype(np.float32)

    def first(self, architecture: Architecture) -> float | None:
        """Return the first number of the evidence, lowest where undefined; ``None`` without any.

        Zero-cost proxies are computed only where nothing is free.
        """
        known = self._free(architecture)
        if not known and self._scores is not None:
            known = self._scores(architecture)
        if not known:
            return None
        return -math.inf if math.isnan(known[0]) else known[0]

    def judge(
        self, architectures: Sequence[Architecture], holds: Callable[[Sequence[float]], bool]
    ) -> bool:
        """Drop the scores that do not hold; true if any is dropped.

        Args:
            architectures: the scores of these are compared.
            holds: whether a score stays, given its values, lowest where undefined.
        """
        if self._scores is None:
            return False
        names = self._scores.names
        made = np.array([self._scores(architecture) for architecture in architectures])
        columns = np.where(np.isnan(made), -np.inf, made).T.tolist()
        kept = [name for name, column in zip(names, columns, strict=True) if holds(column)]
        if len(kept) == len(names):
            return False
        self._scores = self._scores.only(kept) if kept else None
        self._rows.clear()
        self._scale = None
        return True

    def keeps(self, architecture: Architecture, bounds: Sequence[Objective]) -> bool:
        """Return whether free counts violate no constraint."""
        if not bounds or not isinstance(self._evidence, _Counts):
            return True
        counted = self._evidence.cost(architecture).to_json()
        return not any(
            bound.excess(counted[bound.metric]) > 0.0 for bound in bounds if bound.metric in counted
        )

    def _row(self, architecture: Architecture) -> tuple[Matrix, tuple[float, ...]]:
        known = self._rows.get(architecture.key)
        if known is None:
            if len(self._rows) >= MOST:
                self._rows.clear()
            free = self._free(architecture)
            free += () if self._scores is None else self._scores(architecture)
            known = self._rows[architecture.key] = (self._hot(architecture), free)
        return known

    def _free(self, architecture: Architecture) -> tuple[float, ...]:
        free = () if self._evidence is None else tuple(self._evidence(architecture))
        if any(map(math.isinf, free)):
            raise StrategyError(
                f"the evidence of {architecture!r} is {free}; expected finite numbers, or NaN "
                "where one is not defined"
            )
        return free

    def _hot(self, architecture: Architecture) -> Matrix:
        if self._pool is not None:
            known: Matrix = self._pool[self._space.row(architecture)]
            return known
        try:
            row: Matrix = self._encoder.encode(architecture, grow=False)
        except SpaceError:  # new columns wait until a trial has finished that needs them
            row = self._encoder.copy().encode(architecture)[: self.columns]
        return row


def counts(space: Space) -> Evidence | None:
    """Return logarithms of parameters, multiply-accumulates and activations; ``None`` where not
    free.

    They are free where the space's networks are counted from their blocks and the space is bound
    to its inputs.
    """
    inputs = getattr(space, "arguments", {}).get("inputs")
    if not isinstance(space, ChoiceSpace) or inputs is None:
        return None
    from nasturtium.cost.block_costs import BlockCounter

    probe = space.sample(Random(0))
    try:
        plan = space.plan(probe)
        if plan is None:
            return None
        counter = BlockCounter()
        counter.count(plan, tuple(inputs))
    except (SpaceError, EstimateError):
        return None  # what cannot be counted without building is not free
    return _Counts(space, counter, tuple(inputs))


class _Counts:
    def __init__(self, space: ChoiceSpace, counter: BlockCounter, inputs: tuple[int, ...]) -> None:
        self._space, self._counter, self._inputs = space, counter, inputs

    def cost(self, architecture: Architecture) -> Cost:
        plan = self._space.plan(architecture)
        assert plan is not None
        return self._counter.count(plan, self._inputs)

    def __call__(self, architecture: Architecture) -> tuple[float, ...]:
        cost = self.cost(architecture)
        return (math.log1p(cost.params), math.log1p(cost.macs), math.log1p(cost.activations))


def _tallies(encoder: Encoder) -> Matrix:
    """Return the columns that are summed: (one-hot columns, tallies)."""
    decisions = encoder.discovered
    alike: dict[Hashable, list[str]] = {}
    for decision in decisions:
        if isinstance(decision, (OneOf, Subset)):
            alike.setdefault((type(decision), decision.options), []).append(decision.name)
    sums: list[list[int]] = []
    for decision in decisions:
        if not isinstance(decision, (OneOf, Subset)):
            continue
        names = alike.pop((type(decision), decision.options), [])
        if len(names) > 1:
            for option in decision.options:
                found = (encoder.column(name, option) for name in names)
                sums.append([column for column in found if column is not None])
    matrix = np.zeros((len(encoder.columns), len(sums)), dtype=np.float32)
    for tally, summed in enumerate(sums):
        matrix[summed, tally] = 1.0
    return matrix


def _of_pool(features: NDArray[Any]) -> tuple[Matrix, Matrix]:
    """Return one-hot columns of small integers, and the sums over columns with the same values."""
    values = [np.unique(column) for column in features.T]
    parts = [column[:, None] == known for column, known in zip(features.T, values, strict=True)]
    hot = np.concatenate(parts, axis=1).astype(np.float32)
    alike: dict[tuple[Any, ...], list[int]] = {}
    start = 0
    for known in values:
        alike.setdefault(tuple(known.tolist()), []).append(start)
        start += len(known)
    sums = [
        [start + place for start in starts]
        for known, starts in alike.items()
        if len(starts) > 1
        for place in range(len(known))
    ]
    tally = np.zeros((hot.shape[1], len(sums)), dtype=np.float32)
    for column, summed in enumerate(sums):
        tally[summed, column] = 1.0
    return hot, tally
