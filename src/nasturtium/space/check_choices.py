"""Check of a choice space before a search: build and run every option, then random networks.

Networks are built and run on the meta device, so a shape that does not fit is found in seconds; the
message names its decision.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random
from typing import final

from nasturtium.architecture import Architecture, Value
from nasturtium.cost.count import forward_meta
from nasturtium.decision.base import Decision
from nasturtium.decision.range import Range
from nasturtium.errors import EstimateError, NasturtiumError, Rejected, SpaceError
from nasturtium.space.answer_sources import MISSING, ReplaceAnswer
from nasturtium.space.decision_space import DecisionSpace
from nasturtium.space.encoder import Encoder
from nasturtium.space.size import Size, estimate_size, every

__all__ = ["SpaceReport", "check"]

MANY = 32  # answers of one decision that are all tried; of more, this many spread evenly
CONTEXTS = 16  # architectures in which an answer is tried that was rejected in the first


@final
@dataclass(frozen=True)
class SpaceReport:
    """The result of :meth:`ChoiceSpace.check`.

    Attributes:
        space: the space's name.
        size: the number of records.
        decisions: discovered decisions, as text.
        options: answers that were part of at least one network that was built and run.
        networks: networks that were built and run.
        rejected: combinations that the space rejected.
        parameters: fewest, median and most parameters among the random networks.
        seconds: duration of the check.
    """

    space: str
    size: Size
    decisions: tuple[str, ...]
    options: int
    networks: int
    rejected: int
    parameters: tuple[int, int, int]
    seconds: float

    def __str__(self) -> str:
        low, middle, high = self.parameters
        return (
            f"space {self.space}: {self.size} architectures, {len(self.decisions)} decisions; "
            f"{self.options} options and {self.networks} networks built and run in "
            f"{self.seconds:.1f} s; {low:,} to {high:,} parameters (median {middle:,})"
        )


@final
class _Cover:
    """A source of answers that were not tried yet: one new option for each decision of a run."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.left: dict[str, list[Value]] = {}
        self.seen: set[tuple[str, type, Value]] = set()
        self._met: dict[str, set[tuple[type, Value]]] = {}
        self._decisions: set[Decision] = set()

    def __call__(self, decision: Decision) -> Value:
        if decision not in self._decisions:
            self._meet(decision)
        left = self.left[decision.name]
        for index in range(len(left) - 1, -1, -1):
            if decision.allows(left[index]):
                return left[index]
        return decision.draw(self.rng)

    def _meet(self, decision: Decision) -> None:
        """Add the options of a decision to those to try; they may depend on other answers."""
        self._decisions.add(decision)
        left = self.left.setdefault(decision.name, [])
        met = self._met.setdefault(decision.name, set())
        new = [value for value in _spread(decision) if (type(value), value) not in met]
        if len(met) < MANY:
            left[:0] = new
            met.update((type(value), value) for value in new)

    def tried(self, architecture: Architecture) -> None:
        for name, value in architecture.items():
            self.seen.add((name, type(value), value))
            left = self.left.get(name)
            if left and value in left:
                left.remove(value)


def check(
    space: DecisionSpace,
    encoder: Encoder,
    inputs: tuple[int, ...] | None,
    classes: int | None,
    *,
    samples: int,
    seed: int,
) -> SpaceReport:
    """Build and run on meta until every discovered option was part of some network.

    Raises:
        SpaceError: a network does not build, does not accept ``inputs`` or does not give one
            number for each class; the message names the decision whose answer is to blame.
    """
    start = time.perf_counter()
    facts = space.builder_arguments
    inputs = inputs or facts.get("inputs")
    classes = classes or facts.get("classes")
    if inputs is None:
        raise SpaceError(f"space {space.name!r}: give check() the shape of one example, inputs=...")
    rng = Random(seed)
    cover = _Cover(rng)
    networks = rejected = 0

    def tried(architecture: Architecture) -> int:
        nonlocal networks
        networks += 1
        problem = _problem(space, architecture, inputs, classes)
        if isinstance(problem, Exception):
            raise SpaceError(_blame(space, architecture, problem, inputs, classes))
        cover.tried(architecture)
        return problem

    for name, context in [(n, c) for n in encoder.names for c in encoder.contexts(n)]:
        while True:
            towards = _Towards(context, name, cover)
            try:
                architecture = space.run(towards)[0]
            except Rejected:
                rejected += 1
                left = cover.left.get(name, [])
                if towards.value not in left:
                    break
                elsewhere = _elsewhere(space, context, name, towards.value, rng)
                if elsewhere is None:
                    left.remove(towards.value)
                else:
                    tried(elsewhere)
                continue
            before = len(cover.left.get(name, ()))
            tried(architecture)
            if before == 0 or len(cover.left[name]) == before:
                break
    sizes = sorted(tried(space.sample(rng)) for _ in range(max(1, samples)))
    return SpaceReport(
        space.name,
        estimate_size(space, 300, seed),
        tuple(map(repr, encoder.discovered)),
        len(cover.seen),
        networks,
        rejected,
        (sizes[0], sizes[len(sizes) // 2], sizes[-1]),
        time.perf_counter() - start,
    )


@final
class _Towards:
    """Answers of a context up to the named decision, which stays active; then untried answers."""

    def __init__(self, context: Architecture, name: str, cover: _Cover) -> None:
        self.context = context
        self.name = name
        self.cover = cover
        self.reached = False
        self.value: Value = MISSING  # the named decision's answer

    def __call__(self, decision: Decision) -> Value:
        self.reached = self.reached or decision.name == self.name
        if not self.reached:
            value: Value = self.context.get(decision.name, MISSING)
            if decision.allows(value):
                return value
        answer = self.cover(decision)
        if decision.name == self.name:
            self.value = answer
        return answer


def _elsewhere(
    space: DecisionSpace, context: Architecture, name: str, value: Value, rng: Random
) -> Architecture | None:
    """Return an architecture with an answer that was rejected with the answers of ``context``."""
    for _ in range(CONTEXTS):
        other = space.sample(rng)
        if name not in other:
            try:
                other = context = space.mutate(context, rng)
            except SpaceError:  # it has no other that is allowed
                return None
        try:
            found = space.run(ReplaceAnswer(other, name, value))[0]
        except Rejected:
            continue
        if found.get(name) == value:
            return found
    return None


def _spread(decision: Decision) -> list[Value]:
    if isinstance(decision, Range) and decision.count == float("inf"):
        return [decision.low, decision.high]
    values = (
        every(decision)
        if decision.count <= 4096
        else tuple(decision.draw(Random(index)) for index in range(MANY))
    )
    if len(values) > MANY:
        last = len(values) - 1
        values = tuple(values[round(i * last / (MANY - 1))] for i in range(MANY))
    return list(dict.fromkeys(reversed(values)))


def _problem(
    space: DecisionSpace,
    architecture: Architecture,
    inputs: tuple[int, ...],
    classes: int | None,
) -> int | Exception:
    """Return the number of parameters, or the error of the network."""
    try:
        skeleton = space.skeleton(architecture)
        shape = forward_meta(skeleton, inputs, batch=2)
    except Rejected:
        raise
    except NasturtiumError as error:
        return error
    except Exception as error:
        return SpaceError(f"{type(error).__name__}: {str(error).splitlines()[0][:300]}")
    if classes is not None and tuple(shape) != (2, classes):
        return EstimateError(
            f"the network gives outputs of shape {tuple(shape)} for a batch of 2; expected "
            f"(2, {classes}), one number for each class"
        )
    return sum(parameter.numel() for parameter in skeleton.parameters())


def _blame(
    space: DecisionSpace,
    architecture: Architecture,
    problem: Exception,
    inputs: tuple[int, ...],
    classes: int | None,
) -> str:
    """Return a message that names the decision of which most other answers would fit."""
    best: tuple[float, str] | None = None
    for decision in space.decisions(architecture):
        name = decision.name
        others = [v for v in _spread(decision) if v != architecture[name]][:6]
        fits = 0
        for value in others:
            try:
                other = space.run(ReplaceAnswer(architecture, name, value))[0]
                fits += not isinstance(_problem(space, other, inputs, classes), Exception)
            except Rejected:
                continue
        if others and fits and (best is None or fits / len(others) > best[0]):
            best = (fits / len(others), name)
    where = (
        f"decision {best[1]!r} = {architecture[best[1]]!r} does not fit"
        if best
        else "no single decision is to blame"
    )
    return (
        f"space {space.name!r} with inputs {tuple(inputs)} and {classes} classes: {where}: "
        f"{problem} (found in {architecture!r})"
    )
