"""BANANAS: an ensemble of networks predicts, independent Thompson sampling selects.

White, Neiswanger & Savani (2021), "BANANAS: Bayesian optimization with neural architectures for
neural architecture search", algorithm 1: ten random architectures; then, over and over, fit five
networks, mutate the best architectures a hundred times, draw a value for each candidate from the
normal distribution of the ensemble's predictions, and try those with the best draws.

Implemented: the algorithm, with the path encoding (one column for each sequence of operations from
input to output) where the space's cells are known, else one-hot answers. The ensemble is refitted
after every ``every`` results. Deviations: between fits every proposal draws new candidates, so that
mutants of the latest results are among them, instead of one batch of ten; paths
are found as they occur instead of enumerated; all of them are kept.
The rows on NAS-Bench-201 are in the documentation.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Literal, final

import numpy as np

from nasturtium.errors import StrategyError
from nasturtium.predict.graph_encodings import find_paths
from nasturtium.predict.mlp import MLPEnsemble
from nasturtium.predict.predictor import FittedPredictor, Predictor
from nasturtium.strategy.arguments import require_at_least
from nasturtium.strategy.surrogate.acquisition import argmax
from nasturtium.strategy.surrogate.candidates import candidates, draw_untried
from nasturtium.strategy.surrogate.cell_graphs import GraphOf, graph_of
from nasturtium.strategy.surrogate.observations import Observations, best_trials, fitted
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from nasturtium.architecture import Architecture

    Rows = NDArray[np.float32]

__all__ = ["BANANAS"]

Path = tuple[str, ...]
PARENTS = 5


@final
class BANANAS(Strategy):
    """Neural predictors and Thompson sampling over mutants of the best.

    Args:
        start_with: uniform draws before the first fit.
        every: results between fits.
        mutants: candidates of a proposal.
        predictor: the surrogate; the paper's ensemble if not given.
        encoding: ``path``, ``onehot``, or ``auto``: paths where cells are known.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.Study(nas.zoo.nasbench201, nas.BANANAS(start_with=11), store=None)
        >>> for _ in range(12):
        ...     trial = study.ask()
        ...     study.tell(trial, {"accuracy": len(set(trial.architecture.values()))})
        >>> len(study.history.finished)
        12
    """

    def __init__(
        self,
        start_with: int = 10,
        every: int = 10,
        mutants: int = 100,
        predictor: Predictor | None = None,
        encoding: Literal["auto", "path", "onehot"] = "auto",
    ) -> None:
        require_at_least("BANANAS", 2, start_with=start_with)
        require_at_least("BANANAS", every=every, mutants=mutants)
        if encoding not in ("auto", "path", "onehot"):
            raise StrategyError(f"BANANAS got encoding={encoding!r}; expected auto, path or onehot")
        self.start_with = start_with
        self.every = every
        self.mutants = mutants
        self.predictor = MLPEnsemble() if predictor is None else predictor
        self.encoding = encoding

    def start(self) -> Observations:
        return Observations()

    def update(self, state: Observations, history: History, trial: Trial) -> Observations:
        state.update(history, trial)
        return state

    def propose(self, state: Observations, history: History, rng: Random) -> Proposal:
        encoding = state.encode(history.space)
        if len(state.trials) < 2 or len(history) < self.start_with:
            return draw_untried(state, history, rng)
        told = [trial.architecture for trial in state.trials]
        graph: GraphOf | None = None
        if self.encoding == "path" or (self.encoding == "auto" and encoding.graph is not None):
            graph = graph_of(history.space)

        def fit(count: int, seed: int) -> tuple[FittedPredictor, dict[Path, int]]:
            known: dict[Path, int] = {}
            if graph is not None:
                for architecture in told[:count]:
                    for path in sorted(find_paths(graph(architecture))):
                        known.setdefault(path, len(known))
                rows = _rows(told[:count], known, graph)
            else:
                rows = encoding.groups(told[:count])[0]
            return self.predictor.fit(rows, state.targets(count), seed), known

        model, known = fitted(state, self.every, fit)
        near = candidates(
            state, history, rng, best=best_trials(state, PARENTS), mutants=self.mutants
        )
        some = [candidate.architecture for candidate in near]
        rows = _rows(some, known, graph) if graph is not None else encoding.groups(some)[0]
        mean, spread = model.predict(rows)
        drawn = mean + spread * [rng.gauss(0.0, 1.0) for _ in near]
        return near[argmax(drawn, rng)].proposal()


def _rows(some: Sequence[Architecture], known: dict[Path, int], graph: GraphOf) -> Rows:
    """Return which known paths each cell has: (architectures, max(1, paths))."""
    rows = np.zeros((len(some), max(1, len(known))), dtype=np.float32)
    for row, architecture in enumerate(some):
        places = [known[path] for path in find_paths(graph(architecture)) if path in known]
        rows[row, places] = 1.0
    return rows
