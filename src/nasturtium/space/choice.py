"""A space made of a builder: every operation is the same builder with another source of answers.

``sample``, ``mutate``, ``cross``, ``build``, ``neighbours``, ``repair`` and the readings of
supernets and relaxations differ in who answers, and in nothing else.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from itertools import count
from operator import methodcaller
from random import Random
from typing import TYPE_CHECKING, Any, final, overload

from nasturtium.architecture import Architecture, Value
from nasturtium.blocks import Block
from nasturtium.decision.base import Decision
from nasturtium.errors import Rejected, SpaceError
from nasturtium.space.answers import MISSING, Change, Checked, Loose, Replay, Toggle, first
from nasturtium.space.base import Space
from nasturtium.space.builder import asked_of, built, check_arguments, facts_of, keywords
from nasturtium.space.choose import Answer, Choose, Reading
from nasturtium.space.encode import Encoder
from nasturtium.space.limits import Limits
from nasturtium.space.recipe import RecipeSpace
from nasturtium.space.size import Size, classes_of, size_of

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from nasturtium.predict.graph import Graph
    from nasturtium.space.check import SpaceReport

__all__ = ["ChoiceSpace", "space"]

Builder = Callable[..., Callable[[], Any]]
Predicate = Callable[[Architecture], bool]

ATTEMPTS = 1000
PATIENCE = 100  # rejected changes of one decision, after which others are changed as well


@final
class ChoiceSpace(Space):
    """A search space defined by a builder that asks; made by :func:`space`.

    Spaces are values: ``restrict``, ``tie``, ``ordered``, ``where`` and ``using`` return new ones.

    Args:
        builder: ``builder(choose, *, inputs, classes, ...) -> build``.
        name: the space's name.
        canonical: a form that architectures of equal networks share.
        arguments: keyword arguments bound so far.
        limits: options taken away, ties and orders.
        predicates: tests that an architecture has to pass.
        recipe: a builder of training settings, asked in the scope ``recipe`` after the network's.
    """

    def __init__(
        self,
        builder: Builder,
        name: str,
        canonical: Callable[[Architecture], Hashable] | None = None,
        arguments: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
        predicates: tuple[Predicate, ...] = (),
        recipe: RecipeSpace | None = None,
        graph: Callable[[Architecture], Graph] | None = None,
    ) -> None:
        self.name = name
        self.graph = graph if recipe is None else None  # which would say nothing of the recipe
        self._graph = graph
        self.recipe = recipe
        self.builder = builder
        self.limits = limits
        self.predicates = predicates
        self.arguments = dict(arguments or {})
        self.__doc__ = builder.__doc__
        self._canonical = canonical
        self._facts: dict[str, Any] | None = None
        self._known: dict[str, tuple[Any, Decision]] = {}
        self._encoder: Encoder | None = None
        self._plans = False

    # -- reading -------------------------------------------------------------------------------

    def run(
        self, answer: Answer, reading: Reading | None = None, whole: bool = True
    ) -> tuple[Architecture, Choose, Callable[[], Any]]:
        """Run the builder once: the primitive under every operation.

        Args:
            answer: called with each decision; what it gives is not checked.
            reading: what becomes of module questions and joins, where that is not the usual.
            whole: ask for the recipe too, where there is one.

        Returns:
            the record, the handle with what was asked, and the builder's ``build``.

        Raises:
            Rejected: the builder or a predicate refuses this combination.
        """
        limits = None if self.limits is None else self.limits.plans
        choose = Choose(answer, self._known, limits, reading)
        facts = self._facts
        build = self.builder(choose, **(self.facts if facts is None else facts))
        if self.recipe is not None and whole:
            with choose.scope("recipe"):
                self.recipe.ask(choose)
        architecture = Architecture.recorded(self.name, choose.made)
        for predicate in self.predicates if whole or self.recipe is None else ():
            if not predicate(architecture):
                name = getattr(predicate, "__name__", repr(predicate))
                raise Rejected(f"where({name}) does not hold")
        return architecture, choose, build

    def read(self, reading: Reading) -> tuple[Architecture, nn.Module]:
        """Read the builder with any source of answers, and build what it returns.

        Returns:
            the record of the answers, and the module.

        Raises:
            SpaceError: the builder does not return a function that builds a module.
        """
        architecture, make = self.ask(reading)
        return architecture, make()

    def ask(self, reading: Reading) -> tuple[Architecture, Callable[[], nn.Module]]:
        """As :meth:`read`, but the module is only built when the returned function is called."""
        architecture, _, build = self.run(reading.answer, reading)
        return architecture, lambda: self._built(build)

    def replay(self, architecture: Architecture) -> Answer:
        """The source of answers that repeats a record and refuses one that does not fit."""
        return Replay(self.name, architecture)

    def decide(self, answer: Answer) -> Architecture:
        """Read the builder with ``answer(decision) -> value`` and return the record only.

        Example:
            >>> import nasturtium as nas
            >>> nas.zoo.nasbench201.decide(lambda d: d.options[1])["edge0_1"]
            'skip_connect'
        """
        return self.run(Checked(answer))[0]

    def decisions(self, architecture: Architecture) -> tuple[Decision, ...]:
        """The decisions that are active in ``architecture``, in the order they are asked.

        A tied decision counts once, under the first name of its group.
        """
        return tuple(self.run(Replay(self.name, architecture))[1].asked.values())

    @property
    def facts(self) -> Mapping[str, Any]:
        """The builder's keyword arguments; unbound ``inputs`` and ``classes`` are CIFAR-10's.

        Raises:
            SpaceError: another argument without a default is not bound.
        """
        if self._facts is not None:
            return self._facts
        self._facts = facts = facts_of(f"space {self.name!r}", self.builder, self.arguments)
        return facts

    def _built(self, build: object, seed: int | None = None) -> nn.Module:
        return built(f"space {self.name!r}", build, seed)

    # -- the four methods that strategies and estimators know -----------------------------------

    def sample(self, rng: Random) -> Architecture:
        """A random architecture: every answer drawn by its decision.

        Raises:
            SpaceError: a thousand draws in a row were rejected.
        """
        return self.accepted(lambda: self.run(methodcaller("draw", rng))[0])

    def mutate(self, parent: Architecture, rng: Random) -> Architecture:
        """Change one active decision, chosen evenly; keep the rest, draw what is newly asked.

        Where a hundred such changes in a row are rejected, others are drawn anew beside it.

        Raises:
            SpaceError: no decision of ``parent`` has another answer, or all changes are rejected.
        """
        for _ in range(PATIENCE):
            try:
                return self._mutated(parent, rng)
            except Rejected:
                continue
        tries = count(1)
        return self.accepted(lambda: self._mutated(parent, rng, next(tries) / ATTEMPTS))

    def _mutated(self, parent: Architecture, rng: Random, loose: float = 0.0) -> Architecture:
        names = sorted(parent)  # a record read from a log has another order than a fresh one
        if names:
            name = names[int(rng.random() * len(names))]
            change = Change(parent, name, rng)
            child = self.run(Loose(change, loose) if loose else change)[0]
            if change.done:
                return child
        free = [d for d in self.decisions(parent) if d.count > 1]
        if not free:
            raise SpaceError(
                f"nothing to mutate in {parent!r}: each of its decisions has one option only"
            )
        change = Change(parent, free[int(rng.random() * len(free))].name, rng)
        return self.run(Loose(change, loose) if loose else change)[0]

    def cross(self, mother: Architecture, father: Architecture, rng: Random) -> Architecture:
        """Answer from either parent, evenly; draw only where neither has an allowed answer."""

        def answer(decision: Decision) -> Value:
            name = decision.name
            have = [p[name] for p in (mother, father) if name in p and decision.allows(p[name])]
            if not have:
                return decision.draw(rng)
            return have[0] if len(have) == 1 or rng.random() < 0.5 else have[1]

        return self.accepted(lambda: self.run(answer)[0])

    def build(self, architecture: Architecture, *, seed: int | None = None) -> nn.Module:
        """A fresh network with ordinary modules.

        Args:
            architecture: a record of this space, or of one that asks the same.
            seed: draws the initial weights from this seed and leaves torch's generators alone;
                without one, torch's global generator is used.

        Raises:
            SpaceError: the record does not answer what the builder asks.
        """
        return self._built(self._replayed(architecture), seed)

    def joined(self, recipe: RecipeSpace) -> ChoiceSpace:
        """This space and a space of training settings as one: architectures hold both."""
        return self._with(recipe=recipe)

    def plan(self, architecture: Architecture) -> Block | None:
        """The network's blocks, from which its cost is counted without building it.

        ``None`` where the builder's ``build`` gives a module at once; give a ``nas.chain`` of
        blocks instead, and counting takes microseconds.
        """
        build = self._replayed(architecture)
        if isinstance(build, Block):
            return build
        if not self._plans:
            # Entered only until it is known that there are plans: it costs more than a count.
            import torch

            with torch.device("meta"):
                made = build()
            self._plans = isinstance(made, Block)
        else:
            made = build()
        return made if isinstance(made, Block) else None

    def skeleton(self, architecture: Architecture) -> nn.Module:
        """The network on the meta device: shapes without memory."""
        import torch

        with torch.device("meta"):
            return self._built(self._replayed(architecture))

    def _replayed(self, architecture: Architecture) -> Callable[[], Any]:
        _, choose, build = self.run(Replay(self.name, architecture), whole=False)
        extra = [name for name in architecture if name not in choose.made]
        if extra and (self.recipe is None or architecture.network.keys() - choose.made.keys()):
            raise SpaceError(
                f"{architecture!r} answers {extra!r}, which space {self.name!r} does not ask; "
                "space.repair(architecture) maps a record of another space onto this one"
            )
        return build

    def canonical(self, architecture: Architecture) -> Hashable:
        """The form that architectures of equal networks share; the key where none is defined."""
        if self._canonical is None:
            return architecture.key
        if self.recipe is None:
            return self._canonical(architecture)
        return self._canonical(architecture.network), architecture.recipe.key

    # -- further operations ---------------------------------------------------------------------

    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        """Every architecture that differs in one active decision's move (and what follows).

        What a change newly asks is answered by its first option.
        """
        for decision in self.decisions(architecture):
            for value in decision.neighbours(architecture[decision.name]):
                try:
                    yield self.run(Toggle(architecture, decision.name, value))[0]
                except Rejected:
                    continue

    def repair(self, architecture: Mapping[str, Value], rng: Random | None = None) -> Architecture:
        """The architecture of this space nearest to a record of another, or of an older version.

        Answers are kept where allowed and else moved to the nearest option; what the record lacks
        is drawn, or answered by the first option where no ``rng`` is given. Where the space
        rejects that, more and more answers are drawn.
        """
        if not isinstance(architecture, Architecture):
            architecture = Architecture(self.name, architecture)
        record, tries = architecture.decisions, count()
        drawn = Random(0) if rng is None else rng

        def repaired() -> Architecture:
            loose = next(tries) / ATTEMPTS

            def answer(decision: Decision) -> Value:
                if loose and drawn.random() < loose:
                    return decision.draw(drawn)
                value = record.get(decision.name, MISSING)
                if value is not MISSING:
                    return decision.nearest(value)
                return first(decision) if rng is None else decision.draw(rng)

            return self.run(answer)[0]

        return self.accepted(repaired)

    def discover(self) -> tuple[Decision, ...]:
        """Every decision found by toggling answers and by random probes, in the order of asking.

        Rare conjunctions escape any probing: an encoder adds a decision when it first meets it.
        """
        return self.encoder().discovered

    def encoder(self) -> Encoder:
        """A fresh encoder over the discovered decisions; it grows by itself, apart from others."""
        if self._encoder is None:
            self._encoder = Encoder.of(self)
        return self._encoder.copy()

    def encode(self, architecture: Architecture) -> np.ndarray:
        """One-hot features over the discovered decisions, as a vector of float32.

        Raises:
            SpaceError: the architecture holds a decision that discovery did not find; use an
                :meth:`encoder` of your own, which grows.
        """
        if self._encoder is None:
            self._encoder = Encoder.of(self)
        return self._encoder.encode(architecture, grow=False)

    def size(self, paths: int = 1000, seed: int = 0) -> Size:
        """The number of records: exact where possible, else Knuth's estimate with an interval."""
        return size_of(self, paths, seed)

    def classes(self, limit: int = 100_000) -> int:
        """The number of canonical forms, by walking through all records.

        Raises:
            SpaceError: there are more than ``limit`` records.
        """
        return classes_of(self, limit)

    def every(self) -> Iterator[Architecture]:
        """All architectures, by depth-first walk; endless on a continuous range (refused)."""
        from nasturtium.space.size import walk

        return walk(self)

    def check(
        self,
        inputs: tuple[int, ...] | None = None,
        classes: int | None = None,
        *,
        samples: int = 20,
        seed: int = 0,
    ) -> SpaceReport:
        """Build every option at least once, and random networks, before any work starts.

        Networks are built and run on the meta device, so this costs milliseconds for each.

        Args:
            inputs: shape of one example, e.g. ``(3, 32, 32)``; the bound one if not given.
            classes: number of classes; the bound one if not given.
            samples: how many random networks to try besides.
            seed: draws them.

        Raises:
            SpaceError: an option does not fit; names the decision, the option and the shapes.
        """
        from nasturtium.space.check import check

        bound = self.bind(**asked_of(self.builder, inputs=inputs, classes=classes))
        return check(bound, bound.encoder(), inputs, classes, samples=samples, seed=seed)

    # -- other spaces from this one -------------------------------------------------------------

    def _with(self, **changes: Any) -> ChoiceSpace:
        parts = {
            "builder": self.builder,
            "name": self.name,
            "canonical": self._canonical,
            "arguments": self.arguments,
            "limits": self.limits,
            "predicates": self.predicates,
            "recipe": self.recipe,
            "graph": self._graph,
        }
        return ChoiceSpace(**{**parts, **changes})

    def _unlimited(self) -> Encoder:
        # Patterns are spelled out over all that the builder asks, tied decisions included.
        return self._with(limits=None, predicates=()).encoder()

    def restrict(
        self, patterns: Mapping[str, object] | None = None, /, **options: object
    ) -> ChoiceSpace:
        """Fewer options, by name or pattern: ``space.restrict({"block*.kernel": (3, 5)})``.

        Of a range, its new ends: what is left are the answers between them. A second restriction
        of a decision leaves what both allow.

        Raises:
            SpaceError: no such decision, or nothing left of it.
        """
        found = self._unlimited().discovered
        limits = (self.limits or Limits()).restrict({**(patterns or {}), **options}, found)
        limited = self._with(limits=limits)
        limited.encoder()
        return limited

    def tie(self, group: str | Iterable[str]) -> ChoiceSpace:
        """One answer for several decisions: ``space.tie("stage*.bottleneck")``.

        The first of them that is asked gives it; the others have to allow it.
        """
        return self._with(limits=(self.limits or Limits()).tie(group, self._unlimited().names))

    def ordered(self, group: str | Iterable[str]) -> ChoiceSpace:
        """Answers that never fall: ``space.ordered("stage*.width")``.

        Along the group in the order in which it is given, those left out that are not asked.
        Whole sequences are drawn evenly.
        """
        return self._with(limits=(self.limits or Limits()).ordered(group, self._unlimited().names))

    def where(self, predicate: Predicate) -> ChoiceSpace:
        """Only architectures for which ``predicate`` is true; samplers draw until one is."""
        return self._with(predicates=(*self.predicates, predicate))

    def bind(self, **arguments: Any) -> ChoiceSpace:
        """The same space under other builder arguments, e.g. ``layers=20`` for retraining.

        Raises:
            SpaceError: the builder has no such argument.
        """
        check_arguments(f"space {self.name!r}", self.builder, arguments)
        return self._with(arguments={**self.arguments, **arguments})

    def bind_known(self, **facts: Any) -> ChoiceSpace:
        """Bind those of a task's facts that the builder asks for and that are not bound yet."""
        known = {parameter.name for parameter in keywords(self.builder)} - set(self.arguments)
        return self.bind(**{name: value for name, value in facts.items() if name in known})

    def describe(self) -> Mapping[str, Any]:
        """Name, arguments, limits and a fingerprint of the discovered decisions."""
        from hashlib import sha256

        encoder = self.encoder()
        text = "\n".join(sorted(map(repr, encoder.discovered)))
        return {
            "name": self.name,
            "arguments": {name: repr(value) for name, value in sorted(self.arguments.items())},
            "limits": {} if self.limits is None else self.limits.to_json(),
            "predicates": [getattr(p, "__name__", repr(p)) for p in self.predicates],
            "recipe": None if self.recipe is None else str(self.recipe),
            "decisions": len(encoder.discovered),
            "fingerprint": sha256(text.encode()).hexdigest()[:16],
        }

    def accepted(self, draw: Callable[[], Architecture]) -> Architecture:
        """What ``draw`` gives once it is not rejected.

        Raises:
            SpaceError: a thousand draws in a row were.
        """
        for _ in range(ATTEMPTS):
            try:
                return draw()
            except Rejected as error:
                reason = error
        raise SpaceError(
            f"space {self.name!r}: {ATTEMPTS} draws in a row were rejected (the last one: "
            f"{reason}); loosen restrict/where/reject, or build the limit into the options"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """By reference where the builder is importable as this space; else by value."""
        module, name = self.builder.__module__, self.builder.__qualname__
        source = getattr(sys.modules.get(module), name, None)
        if isinstance(source, ChoiceSpace) and source.builder is self.builder:
            return _found, (
                module,
                name,
                self.arguments,
                self.limits,
                self.predicates,
                self.recipe,
            )
        return self.by_value()

    def by_value(self) -> tuple[Any, ...]:
        """How it is pickled where its module cannot be imported."""
        return ChoiceSpace, (
            self.builder,
            self.name,
            self._canonical,
            self.arguments,
            self.limits,
            self.predicates,
            self.recipe,
            self._graph,
        )

    def __repr__(self) -> str:
        bound = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"<space {self.name}({bound})>"


def _found(
    module: str,
    name: str,
    arguments: Mapping[str, Any],
    limits: Limits | None,
    predicates: tuple[Predicate, ...],
    recipe: RecipeSpace | None,
) -> ChoiceSpace:
    from importlib import import_module

    source: ChoiceSpace = getattr(import_module(module), name)
    return source._with(arguments=arguments, limits=limits, predicates=predicates, recipe=recipe)


@overload
def space(builder: Builder, /) -> ChoiceSpace: ...
@overload
def space(
    *,
    name: str | None = None,
    canonical: Callable[[Architecture], Hashable] | None = None,
    graph: Callable[[Architecture], Graph] | None = None,
) -> Callable[[Builder], ChoiceSpace]: ...
def space(
    builder: Builder | None = None,
    /,
    *,
    name: str | None = None,
    canonical: Callable[[Architecture], Hashable] | None = None,
    graph: Callable[[Architecture], Graph] | None = None,
) -> ChoiceSpace | Callable[[Builder], ChoiceSpace]:
    """Make a search space of a builder (a decorator, with or without arguments).

    The builder's first parameter is the handle it asks; its keyword parameters are filled from
    the task's facts (``inputs``, ``classes``) or bound by ``space.bind(...)``. It decides first,
    touching no tensor, and returns a function that builds the network.

    Args:
        builder: ``builder(choose, *, inputs, classes) -> build``.
        name: the space's name; the function's if not given.
        canonical: a form that architectures of equal networks share.
        graph: gives the labelled graph of an architecture, a
            :class:`nasturtium.predict.graph.Graph`; with it, surrogates that read graphs serve.

    Example:
        >>> import nasturtium as nas
        >>> from torch import nn
        >>> @nas.space
        ... def net(choose, *, inputs, classes):
        ...     width = choose("width", (8, 16))
        ...     def build():
        ...         stem = nn.Conv2d(inputs[0], width, 3)
        ...         return nn.Sequential(stem, nas.Classifier(width, classes))
        ...     return build
        >>> net.size().value
        2
    """
    if builder is None:
        return lambda made: ChoiceSpace(made, name or made.__name__, canonical, graph=graph)
    if not callable(builder):
        raise SpaceError(f"@nas.space got {builder!r}; it decorates a function that asks")
    if not list(inspect.signature(builder).parameters):
        raise SpaceError(
            f"{builder.__name__}() takes no arguments; the first one of a builder is the handle "
            "that it asks: def net(choose, *, inputs, classes)"
        )
    return ChoiceSpace(builder, builder.__name__)
