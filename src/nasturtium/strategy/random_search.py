"""Random search: every proposal is drawn from the space, decision by decision.

Bergstra & Bengio (2012), "Random search for hyper-parameter optimization"; Li & Talwalkar (2019),
"Random search and reproducibility for neural architecture search", compare other strategies with
it. The tests reproduce the rows of random search on NAS-Bench-201.
"""

from __future__ import annotations

from random import Random
from typing import Any, final

from nasturtium.study.fidelity import FULL
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal

__all__ = ["RandomSearch"]


@final
class RandomSearch(Strategy):
    """Draws every architecture from the space, each decision by its own distribution.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch(), store=None)
        >>> study.ask().proposal.uniform
        True
    """

    def propose(self, state: Any, history: History, rng: Random) -> Proposal:
        return Proposal(history.space.sample(rng), FULL, None, None, True)
