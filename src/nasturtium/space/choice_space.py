"""ChoiceSpace: a search space defined by a builder that asks decisions.

``sample``, ``mutate``, ``cross``, ``build``, ``neighbours``, ``repair`` and the readings of
supernets and relaxations run the same builder, with different sources of answers.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from operator import methodcaller
from random import Random
from typing import TYPE_CHECKING, Any, final

from nasturtium.architecture import Architecture, Value
from nasturtium.decision.base import Decision
from nasturtium.errors import Rejected
from nasturtium.module_factory import Block
from nasturtium.space.answer_sources import CheckedAnswers, Replay, check_all_asked
from nasturtium.space.base import Space
from nasturtium.space.builder import (
    build_module,
    check_arguments,
    complete_arguments,
    plan_network,
    select_arguments,
    select_unbound,
)
from nasturtium.space.choose import Answer, Choose, Reading
from nasturtium.space.encoder import Encoder, fingerprint
from nasturtium.space.pickling import import_space, is_importable
from nasturtium.space.recipe_space import RecipeSpace
from nasturtium.space.restrictions import Limits
from nasturtium.space.size import Size, count_canonical_forms, estimate_size, walk
from nasturtium.space.variation import cross, draw_accepted, mutate, neighbours, repair

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from nasturtium.predict.graph_encodings import Graph
    from nasturtium.space.check_choices import SpaceReport

__all__ = ["Builder", "ChoiceSpace", "Predicate"]

Builder = Callable[..., Callable[[], Any]]
Predicate = Callable[[Architecture], bool]


@final
class ChoiceSpace(Space):
    """A search space defined by a builder that asks decisions; ``@nas.space`` makes it.

    Spaces are values: ``restrict``, ``tie``, ``ordered``, ``where`` and ``bind`` return new spaces.

    Args:
        builder: ``builder(choose, *, inputs, classes, ...) -> build``.
        name: the space's name.
        canonical: a form that architectures of equal networks share.
        arguments: keyword arguments bound so far.
        limits: restrictions, ties and orders.
        predicates: tests that an architecture has to pass.
        recipe: a builder of training settings, asked after the network in the scope ``recipe``.
        graph: a function from an architecture to its labelled graph.

    Example:
        >>> import nasturtium as nas
        >>> from random import Random
        >>> space = nas.zoo.nasbench201.restrict({"edge*": ("none", "nor_conv_3x3")})
        >>> space.size().value, len(space.sample(Random(0)))
        (64, 6)
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
        self.graph = graph if recipe is None else None  # a graph does not show the recipe
        self._graph = graph
        self.recipe = recipe
        self.builder = builder
        self.limits = limits
        self.predicates = predicates
        self.arguments = dict(arguments or {})
        self.__doc__ = builder.__doc__
        self._canonical = canonical
        self._complete: dict[str, Any] | None = None
        self._known: dict[str, tuple[Any, Decision]] = {}
        self._encoder: Encoder | None = None
        self._plans = False

    def run(
        self, answer: Answer, reading: Reading | None = None, whole: bool = True
    ) -> tuple[Architecture, Choose, Callable[[], Any]]:
        """Run the builder once; every operation is based on this method.

        Args:
            answer: called with each decision; its answers are not checked.
            reading: builds the blocks of module decisions and joins; by default the chosen ones.
            whole: ask for the recipe as well, if there is one.

        Returns:
            the architecture, the handle with the decisions, and the builder's ``build``.

        Raises:
            Rejected: the builder or a predicate refuses this combination.
        """
        limits = None if self.limits is None else self.limits.plans
        choose = Choose(answer, self._known, limits, reading)
        arguments = self._complete
        build = self.builder(choose, **(self.builder_arguments if arguments is None else arguments))
        if self.recipe is not None and whole:
            with choose.scope("recipe"):
                self.recipe.ask(choose)
        architecture = Architecture.recorded(self.name, choose.made)
        for predicate in self.predicates if whole or self.recipe is None else ():
            if not predicate(architecture):
                name = getattr(predicate, "__name__", repr(predicate))
                raise Rejected(f"where({name}) does not hold")
        return architecture, choose, build

    def ask(self, reading: Reading) -> tuple[Architecture, Callable[[], nn.Module]]:
        """Run the builder with a reading; return the architecture and a function that builds it.

        The function raises :class:`SpaceError` if the builder's ``build`` builds no module.
        """
        architecture, _, build = self.run(reading.answer, reading)
        return architecture, lambda: self._built(build)

    def replay(self, architecture: Architecture) -> Answer:
        """Return the source of answers that repeats a record and refuses one that does not fit."""
        return Replay(self.name, architecture)

    def decide(self, answer: Answer) -> Architecture:
        """Run the builder with ``answer(decision) -> value`` and return the architecture.

        Example:
            >>> import nasturtium as nas
            >>> nas.zoo.nasbench201.decide(lambda d: d.options[1])["edge0_1"]
            'skip_connect'
        """
        return self.run(CheckedAnswers(answer))[0]

    def decisions(self, architecture: Architecture) -> tuple[Decision, ...]:
        """Return the active decisions of an architecture, in the order in which they are asked.

        A tied decision counts once, under the first name of its group.
        """
        return tuple(self.run(Replay(self.name, architecture))[1].asked.values())

    @property
    def builder_arguments(self) -> Mapping[str, Any]:
        """All arguments of the builder; unbound ``inputs`` and ``classes`` are CIFAR-10's.

        Raises:
            SpaceError: another argument without a default is not bound.
        """
        if self._complete is None:
            what = f"space {self.name!r}"
            self._complete = complete_arguments(what, self.builder, self.arguments)
        return self._complete

    def _built(self, build: object, seed: int | None = None) -> nn.Module:
        return build_module(f"space {self.name!r}", build, seed)

    def sample(self, rng: Random) -> Architecture:
        """Draw a random architecture: each decision draws its answer.

        Raises:
            SpaceError: a thousand draws in a row were rejected.
        """
        return draw_accepted(self.name, lambda: self.run(methodcaller("draw", rng))[0])

    def mutate(self, parent: Architecture, rng: Random) -> Architecture:
        """Change one active decision; see :func:`nasturtium.space.variation.mutate`."""
        return mutate(self, parent, rng)

    def cross(self, mother: Architecture, father: Architecture, rng: Random) -> Architecture:
        """Answer from either parent, evenly; draw only where neither has an allowed answer."""
        return cross(self, mother, father, rng)

    def build(self, architecture: Architecture, *, seed: int | None = None) -> nn.Module:
        """Build a new network of ordinary modules.

        Args:
            architecture: a record of this space, or of one with the same decisions.
            seed: draws the initial weights from this seed and leaves torch's generators alone;
                without one, torch's global generator is used.

        Raises:
            SpaceError: the record does not answer what the builder asks.
        """
        return self._built(self._replayed(architecture), seed)

    def joined(self, recipe: RecipeSpace) -> ChoiceSpace:
        """Join this space with a space of training settings: architectures hold both."""
        return self.derived(recipe=recipe)

    def plan(self, architecture: Architecture) -> Block | None:
        """Return the network's blocks, from which its cost is counted without building it.

        It is ``None`` unless the builder's ``build`` is or returns a block (``nas.chain``).
        """
        found = plan_network(self._replayed(architecture), self._plans)
        self._plans = self._plans or found is not None
        return found

    def skeleton(self, architecture: Architecture) -> nn.Module:
        """Build the network on the meta device: shapes without memory."""
        import torch

        with torch.device("meta"):
            return self._built(self._replayed(architecture))

    def _replayed(self, architecture: Architecture) -> Callable[[], Any]:
        _, choose, build = self.run(Replay(self.name, architecture), whole=False)
        network = architecture if self.recipe is None else architecture.network
        check_all_asked(self.name, network, choose.made)
        return build

    def canonical(self, architecture: Architecture) -> Hashable:
        """Return the form that architectures of equal networks share; by default the key."""
        if self._canonical is None:
            return architecture.key
        if self.recipe is None:
            return self._canonical(architecture)
        return self._canonical(architecture.network), architecture.recipe.key

    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        """Yield every architecture that one move of one active decision leads to."""
        return neighbours(self, architecture)

    def repair(self, architecture: Mapping[str, Value], rng: Random | None = None) -> Architecture:
        """Return the nearest architecture; see :func:`nasturtium.space.variation.repair`."""
        return repair(self, architecture, rng)

    def discover(self) -> tuple[Decision, ...]:
        """Return every decision that replaced answers and random samples reveal, in their order.

        A decision that depends on a rare combination of answers may be missed.
        """
        return self.encoder().discovered

    def encoder(self) -> Encoder:
        """Return a new encoder over the discovered decisions, which grows independently."""
        if self._encoder is None:
            self._encoder = Encoder.of(self)
        return self._encoder.copy()

    def encode(self, architecture: Architecture) -> np.ndarray:
        """Return one-hot features over the discovered decisions, as a vector of float32.

        Raises:
            SpaceError: the architecture has a decision that discovery did not find; use your own
                :meth:`encoder`, which grows.
        """
        if self._encoder is None:
            self._encoder = Encoder.of(self)
        return self._encoder.encode(architecture, grow=False)

    def size(self, paths: int = 1000, seed: int = 0) -> Size:
        """Return the number of records: exact if possible, else Knuth's estimate."""
        return estimate_size(self, paths, seed)

    def classes(self, limit: int = 100_000) -> int:
        """Return the number of canonical forms by enumerating all records.

        Raises:
            SpaceError: there are more than ``limit`` records.
        """
        return count_canonical_forms(self, limit)

    def every(self) -> Iterator[Architecture]:
        """Enumerate all architectures, depth first; a continuous range is refused."""
        return walk(self)

    def check(
        self,
        inputs: tuple[int, ...] | None = None,
        classes: int | None = None,
        *,
        samples: int = 20,
        seed: int = 0,
    ) -> SpaceReport:
        """Build and run every option in some network, and random networks, on the meta device.

        Args:
            inputs: shape of one example; by default the bound one.
            classes: number of classes; by default the bound one.
            samples: number of random networks, drawn from ``seed``.
            seed: any integer.

        Raises:
            SpaceError: an option does not fit; names the decision, the option and the shapes.
        """
        from nasturtium.space.check_choices import check

        bound = self.bind(**select_arguments(self.builder, inputs=inputs, classes=classes))
        return check(bound, bound.encoder(), inputs, classes, samples=samples, seed=seed)

    def derived(self, **changes: Any) -> ChoiceSpace:
        """Return this space with other constructor arguments."""
        return ChoiceSpace(**{**self._constructor_arguments(), **changes})

    def _constructor_arguments(self) -> dict[str, Any]:
        return {
            "builder": self.builder,
            "name": self.name,
            "canonical": self._canonical,
            "arguments": self.arguments,
            "limits": self.limits,
            "predicates": self.predicates,
            "recipe": self.recipe,
            "graph": self._graph,
        }

    def _unlimited(self) -> Encoder:
        # Patterns match all decisions that the builder asks, tied decisions included.
        return self.derived(limits=None, predicates=()).encoder()

    def restrict(
        self, patterns: Mapping[str, object] | None = None, /, **options: object
    ) -> ChoiceSpace:
        """Keep fewer options, by name or pattern: ``space.restrict({"block*.kernel": (3, 5)})``.

        For a range, give its new ends. If a decision is restricted twice, the answers that both
        restrictions allow remain.

        Raises:
            SpaceError: no decision has this name, or no answer is left.
        """
        found = self._unlimited().discovered
        limits = (self.limits or Limits()).restrict({**(patterns or {}), **options}, found)
        limited = self.derived(limits=limits)
        limited.encoder()
        return limited

    def tie(self, group: str | Iterable[str]) -> ChoiceSpace:
        """Give several decisions the answer of the first: ``space.tie("stage*.bottleneck")``."""
        return self.derived(limits=(self.limits or Limits()).tie(group, self._unlimited().names))

    def ordered(self, group: str | Iterable[str]) -> ChoiceSpace:
        """Require answers that never decrease along a group: ``space.ordered("stage*.width")``.

        Decisions that are not asked are skipped. All allowed sequences are equally likely.
        """
        limits = (self.limits or Limits()).ordered(group, self._unlimited().names)
        return self.derived(limits=limits)

    def where(self, predicate: Predicate) -> ChoiceSpace:
        """Keep only architectures for which ``predicate`` is true; other draws are rejected."""
        return self.derived(predicates=(*self.predicates, predicate))

    def bind(self, **arguments: Any) -> ChoiceSpace:
        """Bind arguments of the builder, e.g. ``layers=20`` for retraining.

        Raises:
            SpaceError: the builder has no such argument.
        """
        check_arguments(f"space {self.name!r}", self.builder, arguments)
        return self.derived(arguments={**self.arguments, **arguments})

    def bind_known(self, **shapes: Any) -> ChoiceSpace:
        """Bind the data shapes that the builder asks for and that are not bound yet."""
        return self.bind(**select_unbound(self.builder, self.arguments, shapes))

    def describe(self) -> Mapping[str, Any]:
        """Return name, arguments, limits and a fingerprint of the discovered decisions."""
        found = self.discover()
        return {
            "name": self.name,
            "arguments": {name: repr(value) for name, value in sorted(self.arguments.items())},
            "limits": {} if self.limits is None else self.limits.to_json(),
            "predicates": [getattr(p, "__name__", repr(p)) for p in self.predicates],
            "recipe": None if self.recipe is None else str(self.recipe),
            "decisions": len(found),
            "fingerprint": fingerprint(found),
        }

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by reference where the builder is importable as this space; else by value."""
        if not is_importable(self):
            return self.by_value()
        limits = (self.arguments, self.limits, self.predicates, self.recipe)
        return import_space, (self.builder.__module__, self.builder.__qualname__, *limits)

    def by_value(self) -> tuple[Any, ...]:
        """Return the pickle of a space whose module cannot be imported."""
        return ChoiceSpace, tuple(self._constructor_arguments().values())

    def __repr__(self) -> str:
        bound = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"<space {self.name}({bound})>"
