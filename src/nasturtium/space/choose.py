"""Choose: the handle through which a builder asks its decisions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, cast, final

from nasturtium.architecture import Value, same
from nasturtium.decision.base import Decision
from nasturtium.decision.one_of import OneOf
from nasturtium.decision.range import Range
from nasturtium.decision.subset import Subset
from nasturtium.errors import Rejected, SpaceError
from nasturtium.module_factory import Block, like

if TYPE_CHECKING:
    from nasturtium.space.restrictions import Limit

__all__ = ["Choose", "Reading"]

Answer = Callable[[Decision], Value]


class Reading(ABC):
    """A source of answers that also decides which block a module decision or a join becomes.

    Sampling, building and mutation only answer. A relaxation also overrides the blocks: a mixture
    of all options takes the place of the chosen one.

    Example:
        A reading that takes the first option of every decision:

        >>> import nasturtium as nas
        >>> class First(nas.Reading):
        ...     def answer(self, decision):
        ...         return decision.options[0]
        >>> architecture, build = nas.zoo.nasbench201.ask(First())
        >>> set(architecture.values())
        {'none'}
        >>> sum(weights.numel() for weights in build().parameters())
        73306
    """

    @abstractmethod
    def answer(self, decision: Decision) -> Value:
        """Answer one decision."""

    def use_value(self, name: str) -> None:
        """Note that the builder gets this answer as a value, and may depend on it."""
        return None

    def module(self, decision: OneOf, options: Mapping[str, Block], label: str) -> Block:
        """Return the block for a module decision that was answered with ``label``."""
        return Block(chosen, (label, options[label]))

    def join(self, decision: Subset, inputs: Mapping[str, Block], kept: tuple[str, ...]) -> Block:
        """Return the block for a join of the inputs ``kept``."""
        return Block(joined, (tuple(inputs), kept, tuple(inputs[label] for label in kept)))


@like(lambda label, block, *late, **named: block.given(*late, **named))
def chosen(label: str, block: Block, *late: Any, **named: Any) -> Any:
    """Build the chosen option under its label, so that its label is part of parameter paths."""
    from nasturtium.space.joins import Chosen

    return Chosen(label, block(*late, **named))


def joined(
    labels: tuple[str, ...],
    kept: tuple[str, ...],
    blocks: tuple[Block, ...],
    *late: Any,
    **named: Any,
) -> Any:
    """Build the kept inputs' blocks as one module, which returns the sum of their outputs."""
    from nasturtium.space.joins import Join

    made = {label: block(*late, **named) for label, block in zip(kept, blocks, strict=True)}
    return Join(labels, made)


@final
class _Scope:
    __slots__ = ("_before", "_choose", "_prefix")

    def __init__(self, choose: Choose, prefix: str) -> None:
        self._choose = choose
        self._prefix = prefix
        self._before = choose._prefix

    def __enter__(self) -> None:
        self._choose._prefix = self._prefix

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._choose._prefix = self._before


@final
class Choose:
    """Asks decisions by name; within one run, the same name has the same answer.

    It is the first argument of a builder. A scope prefixes names: within
    ``with choose.scope("block3")``, ``kernel`` is ``block3.kernel``.
    """

    __slots__ = ("_answer", "_known", "_limits", "_prefix", "_reading", "asked", "made")

    def __init__(
        self,
        answer: Answer,
        known: dict[str, tuple[Any, Decision]],
        limits: Mapping[str, Limit] | None = None,
        reading: Reading | None = None,
    ) -> None:
        self._answer = answer
        self._known = known
        self._limits = limits
        self._reading = reading
        self._prefix = ""
        self.made: dict[str, Value] = {}
        self.asked: dict[str, Decision] = {}

    def __call__(self, name: str, options: Sequence[Value]) -> Any:
        """Choose one of ``options``, which are distinct plain values.

        Example:
            ``width = choose("width", (32, 48, 64))``
        """
        if self._prefix:
            name = self._prefix + name
        known = self._known.get(name)
        if known is None or known[0] is not options:
            known = self._declare(name, options, known)
        if self._reading is not None:
            self._reading.use_value(name)
        return self._decide(name, known[1])

    def range(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> Any:
        """Choose a number from ``low`` to ``high``, both included.

        Two integers make an integer range (of step 1 unless ``step`` is given). The grid begins
        at ``low``: of 8 to 30 in steps of 8 the highest is 24.
        """
        name = self._prefix + name
        key = (low, high, step, log, type(low), type(high), type(step))
        known = self._known.get(name)
        if known is None or known[0] != key:
            known = self._new(name, key, Range(name, low, high, step, log))
        return self._decide(name, known[1])

    def subset(
        self, name: str, options: Sequence[Value], *, least: int = 0, most: int | None = None
    ) -> tuple[Any, ...]:
        """Choose between ``least`` and ``most`` of ``options``, as a tuple in their order."""
        name = self._prefix + name
        values = options if isinstance(options, str) else tuple(options)  # a text is refused
        most = len(values) if most is None else most
        key = (values, least, most)
        known = self._known.get(name)
        if (
            known is None or known[0] != key or not (known[1].texts or _alike(known[1], values))  # type: ignore[attr-defined]
        ):
            known = self._new(name, key, Subset(name, values, least, most))
        if self._reading is not None:
            self._reading.use_value(name)
        value = self._decide(name, known[1])
        assert isinstance(value, tuple)
        return value

    def module(self, name: str, options: Mapping[str, Block]) -> Block:
        """Choose between modules, and return the block of the chosen option.

        The answer is the option's label. A relaxation returns a mixture of all options.
        Arguments given when the returned block is called are appended to the option's own.
        """
        if self._prefix:
            name = self._prefix + name
        known = self._known.get(name)
        if known is None or known[0] is not options:
            if not isinstance(options, Mapping):
                raise SpaceError(
                    f"choose.module({name!r}) got {options!r}; expected a mapping from labels to "
                    'nas.block(...), e.g. {"conv": nas.block(Conv), "skip": nas.block(Identity)}'
                )
            for label, part in options.items():
                _check_label(name, label, part)
            known = self._declare(name, options, known)
        label = cast(str, self._decide(name, known[1]))
        if self._reading is None:
            return Block(chosen, (label, options[label]))
        decision = self.asked.get(name, known[1])
        return self._reading.module(cast(OneOf, decision), options, label)

    def join(
        self, name: str, inputs: Mapping[str, Block], *, least: int = 1, most: int | None = None
    ) -> Block:
        """Choose inputs, and return the block that adds up the chosen ones.

        Its module takes one tensor for each of ``inputs``, in their order, or one sequence of
        them, applies each chosen input's block to its tensor, and returns the sum.
        The answer is the tuple of chosen labels. A relaxation gives every input an edge gate.
        """
        name = self._prefix + name
        if not isinstance(inputs, Mapping) or not inputs:
            raise SpaceError(
                f"choose.join({name!r}) got {inputs!r}; expected a mapping from the inputs' labels "
                "to nas.block(...), with at least one input"
            )
        for label, part in inputs.items():
            _check_label(name, label, part)
        most = len(inputs) if most is None else most
        key = (tuple(inputs), least, most)
        known = self._known.get(name)
        if known is None or known[0] != key:
            known = self._new(name, key, Subset(name, key[0], least, most))
        kept = self._decide(name, known[1])
        assert isinstance(kept, tuple)
        labels: tuple[Any, ...] = kept
        if self._reading is None:
            return Block(joined, (key[0], labels, tuple(inputs[label] for label in labels)))
        decision = self.asked.get(name, known[1])
        return self._reading.join(cast(Subset, decision), inputs, labels)

    def scope(self, name: str) -> _Scope:
        """Return a context in which every name begins with ``name`` and a dot."""
        return _Scope(self, f"{self._prefix}{name}.")

    def reject(self, reason: str) -> NoReturn:
        """Reject this combination of answers; samplers draw again."""
        raise Rejected(reason)

    def _declare(
        self, name: str, options: Any, known: tuple[Any, Decision] | None
    ) -> tuple[Any, Decision]:
        """Return the decision for ``options``, the known one if its options are the same."""
        values = options if isinstance(options, str) else tuple(options)  # a text is refused
        if known is not None:
            before = known[1]
            if isinstance(before, OneOf) and before.options == values and _alike(before, values):
                self._known[name] = made = (options, before)
                return made
            if name in self.made:
                raise SpaceError(
                    f"decision {name!r} was asked twice with different options: "
                    f"{known[1].options_text()}, then one of {values!r}; use two names, or a "
                    "choose.scope for each"
                )
        self._known[name] = made = (options, OneOf(name, values))
        return made

    def _new(self, name: str, key: object, decision: Decision) -> tuple[Any, Decision]:
        """Remember a decision; refuse it if the name was asked with other options."""
        if name in self.made and (before := self._known[name][1]) != decision:
            raise SpaceError(
                f"decision {name!r} was asked twice, for {before.options_text()} and then for "
                f"{decision.options_text()}; use two names, or a choose.scope for each"
            )
        self._known[name] = made = (key, decision)
        return made

    def _decide(self, name: str, decision: Decision) -> Value:
        made = self.made
        if name in made:
            return made[name]
        if self._limits is not None and (limit := self._limits.get(name)) is not None:
            limited = limit(decision, made)
            if not isinstance(limited, Decision):
                made[name] = limited
                return limited
            decision = limited
        self.asked[name] = decision
        made[name] = value = self._answer(decision)
        return value


def _alike(decision: Decision, values: Sequence[Value]) -> bool:
    """Return whether values that equal the options of a decision have the same types."""
    assert isinstance(decision, (OneOf, Subset))
    kinds = tuple(map(type, values))
    if kinds != tuple(map(type, decision.options)):
        return False
    return tuple not in kinds or all(map(same, decision.options, values))


def _check_label(name: str, label: object, part: object) -> None:
    if not isinstance(label, str) or not label or "." in label:
        raise SpaceError(
            f"decision {name!r} got the label {label!r}; labels are texts without dots, since they "
            "become part of parameter paths"
        )
    if not isinstance(part, Block):
        raise SpaceError(
            f"decision {name!r}, option {label!r}: got {part!r}; expected nas.block(Class, ...), "
            "which is built only if it is chosen"
        )
