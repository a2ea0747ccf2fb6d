"""Bayesian optimisation with a Gaussian process over architectures.

Snoek, Larochelle & Adams (2012), "Practical Bayesian optimization of machine learning algorithms";
Ru, Wan, Dong & Osborne (2021), "Interpretable neural architecture search via Bayesian optimisation
with Weisfeiler-Lehman kernels" (NAS-BOWL), for the graph kernel and mutants as candidates.

Implemented: expected improvement over mutants of the best trials and draws from the space. The
kernel is the exponential of a Hamming distance between answers, plus one over tallies (how many
decisions with the same options took each); or the Weisfeiler-Lehman kernel of graphs. Everything in
closed form, the kernel's settings by marginal likelihood. Deviations: scores below the median are
drawn towards it, since networks that fail say little about the best; beyond ``most`` points the
best half and the latest half of so many are kept, which bounds the work of a proposal; a pending
architecture is excluded, not imagined to have come out as predicted.
The tests check the laws; the rows on NAS-Bench-201 are in the documentation.
"""

from __future__ import annotations

from collections.abc import Hashable
from random import Random
from typing import TYPE_CHECKING, Literal, final

import numpy as np

from nasturtium.errors import StrategyError
from nasturtium.predict.gp import GP, Posterior
from nasturtium.predict.graph import subtrees
from nasturtium.strategy.cell import GraphOf, graph_of
from nasturtium.strategy.encoding import Encoding
from nasturtium.strategy.surrogate import (
    Points,
    argmax,
    candidates,
    expected_improvement,
    first,
    fitted,
    kept,
    top,
    whole,
    winsorised,
)
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nasturtium.architecture import Architecture

    Rows = NDArray[np.float32]

__all__ = ["BayesianOptimization"]

Words = tuple[Hashable, ...]


@final
class BayesianOptimization(Strategy):
    """A Gaussian process says what is worth trying next.

    Args:
        start_with: uniform draws before the first fit.
        kernel: ``hamming`` over answers, or ``wl`` over graphs.
        graph: the graph of an architecture, for ``wl``; the space's own if not given.
        mutants: candidates near the best.
        fresh: candidates from the whole space.
        most: points that the process is fitted to.
    """

    def __init__(
        self,
        start_with: int = 10,
        kernel: Literal["hamming", "wl"] = "hamming",
        graph: GraphOf | None = None,
        mutants: int = 100,
        fresh: int = 50,
        most: int = 300,
    ) -> None:
        whole("Bayesian optimisation", 2, start_with=start_with, mutants=mutants, most=most)
        whole("Bayesian optimisation", 0, fresh=fresh)
        if kernel not in ("hamming", "wl"):
            raise StrategyError(
                f"Bayesian optimisation got kernel={kernel!r}; expected 'hamming' or 'wl'"
            )
        self.start_with = start_with
        self.kernel = kernel
        self.graph = graph
        self.mutants = mutants
        self.fresh = fresh
        self.most = most

    def start(self) -> Points:
        return Points()

    def propose(self, state: Points, history: History, rng: Random) -> Proposal:
        encoding = state.look(history)
        if len(state.trials) < 2 or state.place < self.start_with:
            return first(state, history, rng)

        def fit(count: int, seed: int) -> tuple[Posterior, float, Words]:
            targets = winsorised(state.targets(count))
            chosen = kept(targets, self.most)
            some = [state.trials[place].architecture for place in chosen]
            rows, words = self._rows(encoding, history, some)
            groups = () if self.kernel == "wl" else (encoding.columns,)
            kernel: Literal["rbf", "dot"] = "dot" if self.kernel == "wl" else "rbf"
            process = GP(kernel, groups).fit(rows, targets[chosen], seed)
            return process, float(targets.max()), words

        process, best, words = fitted(state, 1, fit)
        near = candidates(
            state, history, rng, best=top(state, 5), mutants=self.mutants, fresh=self.fresh,
            edits=(1, 1, 2),
        )  # fmt: skip
        rows, _ = self._rows(encoding, history, [one.architecture for one in near], words)
        gain = expected_improvement(*process.predict(rows), best)
        return near[argmax(gain, rng)].proposal()

    def _rows(
        self,
        encoding: Encoding,
        history: History,
        some: list[Architecture],
        words: Words | None = None,
    ) -> tuple[Rows, Words]:
        """What the kernel compares, and the meaning of columns that were found on the way."""
        if self.kernel == "hamming":
            hot, tally, _ = encoding.groups(some)
            return np.hstack([hot, tally]), ()
        graph: GraphOf = self.graph or graph_of(history.space)
        counted = [subtrees(graph(architecture)) for architecture in some]
        if words is None:
            words = tuple(dict.fromkeys(word for counts in counted for word in counts))
        rows = [[counts[word] for word in words] for counts in counted]
        return np.array(rows, dtype=np.float32), words
