"""Random search: every proposal is drawn uniformly, answer by answer.

Bergstra & Bengio (2012); Li & Talwalkar (2019), "Random search and reproducibility for NAS", is
why every other strategy is held against it. Tests reproduce NAS-Bench-201's random-search anchors.
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
    """Draws every architecture from the space, each decision by its own distribution."""

    def propose(self, state: Any, history: History, rng: Random) -> Proposal:
        return Proposal(history.space.sample(rng), FULL, None, None, True)
