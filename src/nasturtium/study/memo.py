"""A value that follows from a state, kept so that it is not computed twice."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar, final

__all__ = ["Memo"]

Value = TypeVar("Value")


@final
class Memo(Generic[Value]):
    """A cache for one value that the rest of a strategy's state determines.

    :meth:`~nasturtium.study.strategy.Strategy.propose` may not change a state, but it may fill a
    memo of the state: with a fitted surrogate, for example, which a study that is resumed then fits
    once, and not once for every result in its log. A memo is not a part of the state's value: all
    memos are equal, and copies and pickles are empty. So a strategy has to propose the same with an
    empty memo, which :func:`~nasturtium.contracts.strategies.check_strategy` checks.

    Example:
        >>> memo = Memo()
        >>> memo.get(10, lambda: "fitted to 10 results")
        'fitted to 10 results'
        >>> memo.get(10, lambda: "not called")
        'fitted to 10 results'
        >>> memo.get(20, lambda: "fitted to 20 results")
        'fitted to 20 results'
    """

    __slots__ = ("key", "value")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self) -> None:
        self.key: Hashable = None
        self.value: Value | None = None

    def get(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """Return the value of that key; compute it if the memo holds another key's or none.

        Args:
            key: what the value depends on, e.g. the number of results; not ``None``.
            compute: makes the value, from nothing but the state and the strategy's arguments.
        """
        if self.key is None or self.key != key:
            self.value = compute()
            self.key = key
        return self.value  # type: ignore[return-value]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Memo)

    def __reduce__(self) -> tuple[Any, ...]:
        return Memo, ()

    def __repr__(self) -> str:
        return "Memo()"
