"""The next trial: proposed by the strategy, or drawn uniformly from the space."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any, final

from nasturtium.errors import StrategyError
from nasturtium.study.fidelity import Fidelity
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Arm, Proposal, Trial

if TYPE_CHECKING:
    from nasturtium.space.base import Space

__all__ = ["Proposer", "Trains", "mix_seed"]

PROPOSE, CONTROL = 1, 2  # purposes of random generators

Trains = Callable[[Proposal], tuple[Fidelity, float | None]]


@final
class Proposer:
    """Makes the trials of the search and of the random control.

    Args:
        space: the search space.
        strategy: proposes the trials of the search.
        seed: all randomness is keyed by it.
        trains: returns the fidelity that a proposal is really trained at, and its epochs.
    """

    def __init__(self, space: Space, strategy: Strategy, seed: int, trains: Trains | None) -> None:
        self.space = space
        self.strategy = strategy
        self.seed = seed
        self.trains = trains
        self._rng = Random()

    def next_trial(self, arm: Arm, number: int, state: Any, history: History) -> Trial | None:
        """Return the next trial; ``None`` while the strategy waits for pending trials.

        Args:
            arm: ``search`` or ``control``.
            number: the number of the trial.
            state: the state of the strategy.
            history: the trials of the search.

        Raises:
            StrategyError: the strategy returned no proposal, or there is no such arm.
        """
        rng = self._rng
        if arm == "search":
            rng.seed(mix_seed(self.seed, number, PROPOSE))
            proposal = self.strategy.propose(state, history, rng)
            if proposal is None:
                return None
            if not isinstance(proposal, Proposal):
                raise StrategyError(
                    f"{type(self.strategy).__name__}.propose gave {proposal!r}; expected a "
                    "Proposal, e.g. nas.Proposal(architecture), or None to wait"
                )
            return self.plan(Trial(number, "search", proposal))
        if arm != "control":
            raise StrategyError(
                f"ask() got arm={arm!r}; expected 'search' or 'control' (a given architecture of "
                "another arm goes through add())"
            )
        rng.seed(mix_seed(self.seed, number, CONTROL))
        return self.plan(Trial(number, arm, Proposal(self.space.sample(rng), uniform=True)))

    def plan(self, trial: Trial) -> Trial:
        """Return the trial with the fidelity that is really trained, and its epochs."""
        if self.trains is None:
            return trial
        fidelity, epochs = self.trains(trial.proposal)
        trained = None if fidelity == trial.proposal.fidelity else fidelity
        return trial._replace(planned=epochs, trained=trained)


_MASK = (1 << 64) - 1


def mix_seed(seed: int, number: int, purpose: int) -> int:
    """Return a 64-bit integer that mixes all bits of its three parts (SplitMix64's finaliser)."""
    z = (seed * 0x9E3779B97F4A7C15 + number * 0xD1B54A32D192ED03 + purpose) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)
