"""A strategy whose state is compared before and after each question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from pickle import dumps, loads
from random import Random
from typing import Any, final

from nasturtium.contracts.assertions import alike, require
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial

__all__ = ["WatchedStrategy", "first_difference"]


@final
class WatchedStrategy(Strategy):
    """Checks that ``propose`` and ``stops`` of a strategy only read its state.

    Args:
        strategy: the strategy.
    """

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy

    def start(self) -> Any:
        return self.strategy.start()

    def update(self, state: Any, history: History, trial: Trial) -> Any:
        empty = state is None
        state = self.strategy.update(state, history, trial)
        require(
            empty or state is not None,
            f"{type(self.strategy).__name__}.update returned None; return the state",
        )
        return state

    def propose(self, state: Any, history: History, rng: Random) -> Proposal | None:
        with self._unchanged(state, "propose"):
            return self.strategy.propose(state, history, rng)

    def stops(self, state: Any, history: History, trial: Trial) -> bool:
        with self._unchanged(state, "stops"):
            return self.strategy.stops(state, history, trial)

    @contextmanager
    def _unchanged(self, state: Any, method: str) -> Iterator[None]:
        before = _pickled(state)
        kept = deepcopy(state) if before is None else None
        yield
        if before is not None:
            if before == _pickled(state):
                return
            kept = loads(before)  # the bytes also differ by what equal objects have cached
        require(
            alike(kept, state),
            f"{type(self.strategy).__name__}.{method} changes its state"
            f"{first_difference(kept, state)}; learn from events in update, read what depends on "
            "pending trials from the history, and keep a value that is expensive to compute again "
            "in a Memo",
        )


def _pickled(state: Any) -> bytes | None:
    """Return the state as bytes; ``None`` for one that holds functions or local classes."""
    try:
        return dumps(state)
    except Exception:
        return None


def first_difference(before: Any, after: Any) -> str:
    """Return the first attribute or entry that differs, for a message."""
    parts = [x if isinstance(x, Mapping) else getattr(x, "__dict__", {}) for x in (before, after)]
    for name, value in parts[1].items():
        earlier = parts[0].get(name)
        if not alike(earlier, value):
            return f": {name!r} was {earlier!r:.60} and is {value!r:.60}"
    return ""
