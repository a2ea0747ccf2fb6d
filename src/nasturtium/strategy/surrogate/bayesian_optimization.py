"""Bayesian optimisation with a Gaussian process over architectures.

Snoek, Larochelle & Adams (2012), "Practical Bayesian optimization of machine learning algorithms";
Ru, Wan, Dong & Osborne (2021), "Interpretable neural architecture search via Bayesian optimisation
with Weisfeiler-Lehman kernels" (NAS-BOWL), for the graph kernel and mutants as candidates.

Implemented: expected improvement over mutants of the best trials and draws from the space. The
kernel is the exponential of a Hamming distance between answers, plus one over tallies (how many
decisions with the same options took each); or the Weisfeiler-Lehman kernel of graphs. Everything in
closed form, the kernel's settings by marginal likelihood. Deviations: scores below the median are
winsorised, since networks that fail say little about the best; beyond ``most`` results the best
half and the latest half of so many are kept, which bounds the work of a proposal; a pending
architecture is excluded, and no result is assumed for it. The tests check the contract; the rows on
NAS-Bench-201 are in the documentation.
"""

from __future__ import annotations

from collections.abc import Hashable
from random import Random
from typing import TYPE_CHECKING, Literal, final

import numpy as np

from nasturtium.errors import StrategyError
from nasturtium.predict.gp import GP, Posterior
from nasturtium.predict.graph_encodings import count_subtrees
from nasturtium.strategy.arguments import require_at_least
from nasturtium.strategy.surrogate.acquisition import argmax, expected_improvement
from nasturtium.strategy.surrogate.candidates import candidates, draw_untried
from nasturtium.strategy.surrogate.cell_graphs import GraphOf, graph_of
from nasturtium.strategy.surrogate.features import Encoding
from nasturtium.strategy.surrogate.observations import (
    Observations,
    best_and_latest,
    best_trials,
    fitted,
    winsorized,
)
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nasturtium.architecture import Architecture

    Rows = NDArray[np.float32]

__all__ = ["BayesianOptimization"]

Words = tuple[Hashable, ...]


@final
class BayesianOptimization(Strategy):
    """Maximises the expected improvement under a Gaussian process.

    Args:
        start_with: uniform draws before the first fit.
        kernel: ``hamming`` over answers, or ``wl`` over graphs.
        graph: the graph of an architecture, for ``wl``; the space's own if not given.
        mutants: candidates near the best.
        fresh: candidates from the whole space.
        most: results that the process is fitted to.

    Example:
        >>> import nasturtium as nas
        >>> strategy = nas.BayesianOptimization(start_with=5, mutants=10)
        >>> study = nas.Study(nas.zoo.nasbench201, strategy, store=None)
        >>> for _ in range(12):
        ...     trial = study.ask()
        ...     study.tell(trial, {"accuracy": len(set(trial.architecture.values()))})
        >>> len(study.history.finished)
        12
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
        require_at_least(
            "Bayesian optimisation", 2, start_with=start_with, mutants=mutants, most=most
        )
        require_at_least("Bayesian optimisation", 0, fresh=fresh)
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

    def start(self) -> Observations:
        return Observations()

    def update(self, state: Observations, history: History, trial: Trial) -> Observations:
        state.update(history, trial)
        return state

    def propose(self, state: Observations, history: History, rng: Random) -> Proposal:
        encoding = state.encode(history.space)
        if len(state.trials) < 2 or len(history) < self.start_with:
            return draw_untried(state, history, rng)

        def fit(count: int, seed: int) -> tuple[Posterior, float, Words]:
            targets = winsorized(state.targets(count))
            chosen = best_and_latest(targets, self.most)
            some = [state.trials[place].architecture for place in chosen]
            rows, words = self._rows(encoding, history, some)
            groups = () if self.kernel == "wl" else (encoding.columns,)
            kernel: Literal["rbf", "dot"] = "dot" if self.kernel == "wl" else "rbf"
            process = GP(kernel, groups).fit(rows, targets[chosen], seed)
            return process, float(targets.max()), words

        process, best, words = fitted(state, 1, fit)
        near = candidates(
            state, history, rng, best=best_trials(state, 5), mutants=self.mutants, fresh=self.fresh,
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
        """Return the rows that the kernel compares, and the subtrees that its columns count."""
        if self.kernel == "hamming":
            hot, tally, _ = encoding.groups(some)
            return np.hstack([hot, tally]), ()
        graph: GraphOf = self.graph or graph_of(history.space)
        counted = [count_subtrees(graph(architecture)) for architecture in some]
        if words is None:
            words = tuple(dict.fromkeys(word for counts in counted for word in counts))
        rows = [[counts[word] for word in words] for counts in counted]
        return np.array(rows, dtype=np.float32), words
