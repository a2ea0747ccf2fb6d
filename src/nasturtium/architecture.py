"""The immutable record of the decisions that describe a network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any, NoReturn, Union, final

from nasturtium.display.architecture import architecture_lines
from nasturtium.display.notebook import render_lines
from nasturtium.errors import SpaceError

__all__ = ["Architecture", "Value", "plain", "same"]

Value = Union[bool, int, float, str, None, tuple["Value", ...]]

RECIPE = "recipe."


def plain(value: object) -> Value:
    """Convert a value to plain Python: NumPy scalars to numbers, lists to tuples.

    Raises:
        SpaceError: it is neither None, a bool, int, float (finite), str, nor a tuple of such.
    """
    kind = type(value)
    if kind is int or kind is str or kind is bool or value is None:
        return value  # type: ignore[return-value]
    if kind is float:
        if value != value or value in (float("inf"), float("-inf")):
            raise SpaceError(f"{value!r} cannot be an option: values have to be finite")
        return value + 0.0  # type: ignore[operator]  # -0.0 equals 0.0: one form
    if isinstance(value, (tuple, list)):
        return tuple(plain(part) for part in value)
    item = getattr(value, "item", None)
    if item is not None and getattr(value, "ndim", None) == 0:
        return plain(item())
    if isinstance(value, str):
        return str(value)
    raise SpaceError(
        f"{value!r} of type {kind.__name__} cannot be an option; options are plain values (None, "
        "bool, int, float, str, or tuples of them); to choose between modules use "
        "choose.module(name, {label: nas.block(...)})"
    )


def same(one: object, other: object) -> bool:
    """Return whether two values are equal and of equal types: 1, 1.0 and True are three values."""
    if type(one) is not type(other) or one != other:
        return False
    if not isinstance(one, tuple) or not isinstance(other, tuple):
        return True
    return all(map(same, one, other))


@final
class Architecture(Mapping[str, Value]):
    """A frozen mapping from decision names to plain values.

    Two architectures are equal if and only if their keys are: if the names of their spaces and all
    their decisions are equal, types included.

    Attributes:
        space: name of the space.
        decisions: read-only view of the answers, in the order in which they were asked.

    Example:
        >>> import nasturtium as nas
        >>> a = nas.Architecture("net", {"width": 32, "kernels": (3, 5)})
        >>> nas.Architecture.from_json(a.to_json()) == a
        True
    """

    __slots__ = ("_decisions", "_key", "space")

    space: str
    _decisions: dict[str, Value]
    _key: str | None

    def __init__(self, space: str, decisions: Mapping[str, Value]) -> None:
        put = object.__setattr__
        put(self, "space", space)
        put(self, "_decisions", {name: plain(value) for name, value in decisions.items()})
        put(self, "_key", None)

    @classmethod
    def recorded(cls, space: str, decisions: dict[str, Value]) -> Architecture:
        """Wrap plain answers without a copy; the caller must not change them afterwards."""
        made = cls.__new__(cls)
        put = object.__setattr__
        put(made, "space", space)
        put(made, "_decisions", decisions)
        put(made, "_key", None)
        return made

    @property
    def decisions(self) -> Mapping[str, Value]:
        return MappingProxyType(self._decisions)

    @property
    def key(self) -> str:
        """A hash of the record, the same on every machine: 16 hexadecimal digits."""
        if self._key is None:
            text = json.dumps([self.space, sorted(self._decisions.items())])
            object.__setattr__(self, "_key", sha256(text.encode()).hexdigest()[:16])
        assert self._key is not None
        return self._key

    @property
    def network(self) -> Architecture:
        """The decisions of the network: all but those of the recipe."""
        return self._part(lambda name: not name.startswith(RECIPE))

    @property
    def recipe(self) -> Architecture:
        """The decisions of the recipe in a space that was joined with one."""
        return self._part(lambda name: name.startswith(RECIPE))

    def _part(self, wanted: Any) -> Architecture:
        kept = {name: value for name, value in self._decisions.items() if wanted(name)}
        return self if len(kept) == len(self) else Architecture.recorded(self.space, kept)

    def to_json(self) -> dict[str, Any]:
        """Return the architecture as plain JSON, which ``from_json`` reads."""
        return {"space": self.space, "decisions": self._decisions}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Architecture:
        """Read an architecture that ``to_json`` wrote.

        Raises:
            SpaceError: the data is not the record of an architecture.
        """
        try:
            space, decisions = data["space"], data["decisions"]
            if isinstance(space, str) and isinstance(decisions, Mapping):
                return cls(space, decisions)
        except (KeyError, TypeError):
            pass
        raise SpaceError(
            f"not the record of an architecture: {str(data)[:80]!r}; expected "
            '{"space": name, "decisions": {name: value, ...}} as Architecture.to_json() writes'
        )

    def get(self, name: str, default: Any = None) -> Any:
        return self._decisions.get(name, default)

    def __getitem__(self, name: str) -> Value:
        return self._decisions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._decisions)

    def __len__(self) -> int:
        return len(self._decisions)

    def __contains__(self, name: object) -> bool:
        return name in self._decisions

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Architecture):
            return NotImplemented
        mine, others = self._decisions, other._decisions
        return (
            self.space == other.space
            and mine == others
            and all(same(value, others[name]) for name, value in mine.items())
        )

    def __hash__(self) -> int:
        return hash((self.space, frozenset(self._decisions.items())))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"an Architecture is frozen; cannot set {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return Architecture, (self.space, self._decisions)

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in self._decisions.items())
        return f"Architecture({self.space}: {inside})"

    def __str__(self) -> str:
        """Return the name of the space, and a line for each scope with its answers."""
        return "\n".join([self.space, *(f"  {line}" for line in self._lines())])

    def _lines(self) -> list[str]:
        return architecture_lines(self)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Print the architecture in IPython."""
        printer.text(str(self))

    def _repr_html_(self) -> str:
        """Return the architecture as HTML for a notebook."""
        return render_lines(self.space, self._lines())
