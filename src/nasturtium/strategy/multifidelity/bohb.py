"""BOHB: Hyperband whose architectures are drawn from a density of the good ones.

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
an inactive decision has a separate value, instead of a drawn one; in a
pool of rows densities are over features, and a draw is a row next to a good one.
The tests check densities by hand and the laws; the rows on NAS-Bench-201 are in the documentation.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, final

from nasturtium.strategy.multifidelity.brackets import Brackets, Plan
from nasturtium.strategy.multifidelity.hyperband import Hyperband
from nasturtium.strategy.multifidelity.rungs import Schedule
from nasturtium.strategy.surrogate.kernel_density import KDE
from nasturtium.strategy.surrogate.observations import Observations
from nasturtium.study.fidelity import Fidelity
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial

if TYPE_CHECKING:
    pass

__all__ = ["BOHB"]


@dataclass
class Levels:
    """The brackets, and the observations at each fidelity."""

    brackets: Brackets
    tried: set[Hashable] = field(default_factory=set)  # at any fidelity
    observations: dict[Fidelity, Observations] = field(default_factory=dict)


@final
class BOHB(Strategy):
    """Hyperband, its architectures drawn from densities.

    Args:
        least: the shortest training, as a fraction of the full one.
        eta: one in eta is promoted.
        schedule: ``complete`` trains a promotion from scratch, ``prefix`` resumes its checkpoint.
        density: proposes architectures.
        epochs: epochs of a full training, where they are known: rungs are whole numbers of epochs,
            and equal ones are one. :func:`nasturtium.search` fills it in.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.Study(nas.zoo.nasbench201, nas.BOHB(least=1 / 3, eta=3), store=None)
        >>> for _ in range(12):
        ...     trial = study.ask()
        ...     study.tell(trial, {"accuracy": len(set(trial.architecture.values()))})
        >>> len(study.history.finished)
        12
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

    def update(self, state: Levels, history: History, trial: Trial) -> Levels:
        state.brackets = self._hyperband.update(state.brackets, history, trial)
        fidelity = trial.proposal.fidelity
        if fidelity not in state.observations:
            state.observations[fidelity] = Observations(tried=state.tried)
        state.observations[fidelity].update(history, trial)
        return state

    def propose(self, state: Levels, history: History, rng: Random) -> Proposal | None:
        proposal = self._hyperband.propose(state.brackets, history, rng)
        if proposal is None or not proposal.uniform:  # to wait, or a promotion
            return proposal
        fidelities = [fidelity for _, fidelity in self.brackets[0]]
        for fidelity in reversed(fidelities):
            known = state.observations.get(fidelity)
            if known is not None and self.density.enough(known):
                view = history.where(fidelity=fidelity)
                found = self.density.propose(known, view, rng)
                return found._replace(fidelity=proposal.fidelity)
        return proposal
