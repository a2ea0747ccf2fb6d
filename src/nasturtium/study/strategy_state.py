"""The state of a study's strategy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Trial

__all__ = ["StrategyState"]


@final
class StrategyState:
    """The state of a strategy after the events of a search so far.

    Args:
        strategy: the strategy.
        replay: returns the state, computed from the log.
    """

    def __init__(self, strategy: Strategy, replay: Callable[[], Any]) -> None:
        learns = type(strategy).update is not Strategy.update
        self.value: Any = strategy.start()
        self._update = strategy.update if learns else None
        self._replay = replay
        self._stale = False

    def update(self, history: History, trial: Trial) -> None:
        """Pass an event of the search to the strategy."""
        if self._update is not None and trial.arm == "search":
            self.value = self._update(self.value, history, trial)

    def invalidate(self) -> None:
        """Note that the state has seen trials that could not be logged and were removed."""
        self._stale = self._update is not None

    def refresh(self) -> None:
        """Compute the state from the log again if it is invalid."""
        if self._stale:
            self.value = self._replay()
            self._stale = False
