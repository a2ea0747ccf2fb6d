"""Rungs, promotions and inner strategies, for successive halving, Hyperband, ASHA and BOHB.

A rung is a fidelity. A wrapped strategy sees the trials of one fidelity at a time, so that a
promotion never enters a population twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, final

from nasturtium.errors import StrategyError
from nasturtium.study.fidelity import Fidelity
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial
from nasturtium.train.scale_epochs import scale_epochs

__all__ = ["InnerStrategy", "Schedule", "promotion", "rungs_of"]

Schedule = Literal["complete", "prefix"]


def rungs_of(
    least: float, eta: float, schedule: Schedule, epochs: int | None = None
) -> tuple[Fidelity, ...]:
    """Return the fidelities 1, 1/eta, 1/eta^2, ... down to ``least``, in rising order.

    Args:
        least: the lowest.
        eta: between a rung and the next.
        schedule: of all rungs.
        epochs: those of a full training. Rungs are then whole numbers of epochs, and those that
            round to equal ones are one rung.

    Raises:
        StrategyError: nothing to halve between ``least`` and 1, eta below 2, or epochs with which
            all rungs are equal.

    Example:
        >>> [round(10 * rung.epochs) for rung in rungs_of(1 / 27, 3, "complete", epochs=10)]
        [1, 3, 10]
    """
    if not 0 < least < 1 or eta < 2:
        raise StrategyError(
            f"halving got least={least}, eta={eta}; expected least, a fraction of the epochs, "
            "between 0 and 1, e.g. 1/27, and eta of at least 2 (the papers use 3 or 4)"
        )
    levels = math.floor(math.log(1 / least) / math.log(eta) + 1e-9)
    if levels == 0:
        raise StrategyError(
            f"halving got least={least} and eta={eta}: there is no rung between them; least has to "
            f"be at most 1/{eta:g}"
        )
    shares = [eta**-level for level in range(levels, -1, -1)]
    if epochs is not None:
        whole = dict.fromkeys(scale_epochs(epochs, share) for share in shares)
        if len(whole) == 1:
            raise StrategyError(
                f"halving got least={least:.3g}, eta={eta:g} and trainings of {epochs} epochs: "
                f"every rung trains for {epochs}, so that none is shorter; give a recipe with more "
                "epochs, or a strategy without rungs"
            )
        shares = [done / epochs for done in whole]
    return tuple(Fidelity(epochs=share, schedule=schedule) for share in shares)


def promotion(trial: Trial, fidelity: Fidelity) -> Proposal:
    """Return the same architecture at a higher fidelity: resumed, or trained from scratch."""
    resume = trial.number if fidelity.schedule == "prefix" else None
    return Proposal(trial.architecture, fidelity, None, resume)


@final
@dataclass(frozen=True, eq=False)
class InnerStrategy:
    """A wrapped strategy: it has a state for each fidelity, and sees no other's trials.

    Attributes:
        strategy: proposes architectures.
    """

    strategy: Strategy

    def update(self, states: dict[Fidelity, Any], history: History, trial: Trial) -> None:
        """Update the state of a trial's fidelity."""
        if type(self.strategy).update is not Strategy.update:
            fidelity = trial.proposal.fidelity
            view = history.where(fidelity=fidelity)
            states[fidelity] = self.strategy.update(self._state(states, fidelity), view, trial)

    def propose(
        self, states: dict[Fidelity, Any], history: History, fidelity: Fidelity, rng: Random
    ) -> Proposal | None:
        """Return the strategy's proposal, at that fidelity."""
        view = history.where(fidelity=fidelity)
        proposal = self.strategy.propose(self._state(states, fidelity), view, rng)
        return None if proposal is None else proposal._replace(fidelity=fidelity)

    def stops(self, states: dict[Fidelity, Any], history: History, trial: Trial) -> bool:
        """Return whether the strategy stops a running trial of its fidelity."""
        fidelity = trial.proposal.fidelity
        state = self._state(states, fidelity)
        return self.strategy.stops(state, history.where(fidelity=fidelity), trial)

    def _state(self, states: dict[Fidelity, Any], fidelity: Fidelity) -> Any:
        return states[fidelity] if fidelity in states else self.strategy.start()
