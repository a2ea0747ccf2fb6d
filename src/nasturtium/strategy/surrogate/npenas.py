"""NPENAS: evolution whose mutants are filtered by a predictor.

Wei, Niu, Tang, Wang, Hu & Liang (2020), "NPENAS: neural predictor guided evolution for neural
architecture search", the variant that ranks (NPENAS-NP); Dudziak et al. (2020), "BRP-NAS", for a
graph network that learns to order pairs, and for trials that do not follow the predictor.

Implemented: ten random architectures; then a graph network is fitted to all results, the best ten
trials are mutated, and the mutants with the best predictions are tried. ``explore`` is the share of
trials that are drawn uniformly instead (half in BRP-NAS, none in NPENAS). Deviations: between fits
every proposal draws new mutants, instead of one batch; the predictor is the graph network of
:mod:`nasturtium.predict.gcn`, which is smaller than those of either paper; where a space's cells
are not known as graphs, it reads one-hot answers.
The rows on NAS-Bench-201 are in the documentation.
"""

from __future__ import annotations

from random import Random
from typing import final

from nasturtium.errors import StrategyError
from nasturtium.predict.gcn import GCN
from nasturtium.predict.predictor import FittedPredictor, Predictor
from nasturtium.strategy.arguments import require_at_least
from nasturtium.strategy.surrogate.acquisition import argmax
from nasturtium.strategy.surrogate.candidates import candidates, draw_untried
from nasturtium.strategy.surrogate.cell_graphs import Frame
from nasturtium.strategy.surrogate.observations import Observations, best_trials, fitted
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial

__all__ = ["NPENAS"]


@final
class NPENAS(Strategy):
    """A ranking predictor filters the mutants of the best.

    Args:
        start_with: uniform draws before the first fit.
        every: results between fits.
        parents: how many of the best trials are mutated.
        mutants: candidates of a proposal.
        explore: the share of uniform draws among the rest.
        predictor: the surrogate of one-hot answers; if not given, a graph network that orders
            pairs, of graphs where cells are known.

    Example:
        >>> import nasturtium as nas
        >>> strategy = nas.NPENAS(start_with=11, mutants=10)
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
        every: int = 10,
        parents: int = 10,
        mutants: int = 100,
        explore: float = 0.0,
        predictor: Predictor | None = None,
    ) -> None:
        require_at_least("NPENAS", 2, start_with=start_with)
        require_at_least("NPENAS", every=every, parents=parents, mutants=mutants)
        if not 0 <= explore < 1:
            raise StrategyError(f"NPENAS got explore={explore}; expected a share from 0 to below 1")
        self.start_with = start_with
        self.every = every
        self.parents = parents
        self.mutants = mutants
        self.explore = explore
        self.predictor = predictor

    def start(self) -> Observations:
        return Observations()

    def update(self, state: Observations, history: History, trial: Trial) -> Observations:
        state.update(history, trial)
        return state

    def propose(self, state: Observations, history: History, rng: Random) -> Proposal:
        encoding = state.encode(history.space)
        early = len(state.trials) < 2 or len(history) < self.start_with
        if early or rng.random() < self.explore:
            return draw_untried(state, history, rng)
        told = [trial.architecture for trial in state.trials]
        graph = encoding.graph if self.predictor is None else None

        def fit(count: int, seed: int) -> tuple[FittedPredictor, Frame | None]:
            targets = state.targets(count)
            if graph is not None:
                frame = Frame.of(told[:count], graph)
                network = GCN(nodes=frame.nodes)
                return network.fit(frame.rows(told[:count]), targets, seed), frame
            predictor = GCN() if self.predictor is None else self.predictor
            return predictor.fit(encoding.groups(told[:count])[0], targets, seed), None

        model, frame = fitted(state, self.every, fit)
        near = candidates(
            state, history, rng, best=best_trials(state, self.parents), mutants=self.mutants
        )
        some = [candidate.architecture for candidate in near]
        rows = encoding.groups(some)[0] if frame is None else frame.rows(some)
        return near[argmax(model.predict(rows).mean, rng)].proposal()
