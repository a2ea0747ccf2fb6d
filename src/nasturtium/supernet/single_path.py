"""Single-path networks: switches select the options of module decisions after construction.

There is one network for each combination of *values* (widths, depths, kernels). Choices between
modules and joins become switches, which build an option when it is first chosen. So a space that
asks only module decisions needs one network for all its architectures. A join whose answer the
builder also reads (``choose.subset`` of the same name) is a value as well.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn

from nasturtium.architecture import Architecture, Value
from nasturtium.decision.base import Decision
from nasturtium.decision.one_of import OneOf
from nasturtium.decision.subset import Subset
from nasturtium.module_factory import Block
from nasturtium.space.answer_sources import check_all_asked
from nasturtium.space.choice_space import ChoiceSpace
from nasturtium.space.choose import Reading
from nasturtium.space.joins import given
from nasturtium.supernet.shared_weights import Store
from nasturtium.supernet.weight_slicing import ParameterSlot, parameter_specs

__all__ = ["Network", "Selection", "SinglePathReading", "Switch"]

Labels = tuple[str, ...]


@final
class Selection:
    """The labels that the switches of one network are set to, by decision."""

    def __init__(self) -> None:
        self.kept: dict[str, Labels] = {}


class Switch(nn.Module, ABC):
    """A choice that is set by a :class:`Selection`; options are children under their labels."""

    def __init__(
        self,
        selection: Selection,
        name: str,
        options: tuple[tuple[str, Block], ...],
        late: tuple[Any, ...],
        named: Mapping[str, Any],
    ) -> None:
        super().__init__()
        # Underscores keep these apart from the options' labels.
        self._selection = selection
        self._name = name
        self._options = dict(options)
        self._late = (late, named)

    def missing(self) -> list[str]:
        """Chosen labels whose options are not built yet."""
        return [label for label in self._selection.kept[self._name] if label not in self._modules]

    def make(self, label: str) -> nn.Module:
        """Build one option."""
        late, named = self._late
        return self._options[label](*late, **named)

    @abstractmethod
    def forward(self, *inputs: Any) -> Tensor: ...


@final
class OptionSwitch(Switch):
    """One of several modules."""

    def forward(self, *inputs: Any) -> Tensor:
        (label,) = self._selection.kept[self._name]
        out: Tensor = self._modules[label](*inputs)  # type: ignore[misc]
        return out


@final
class JoinSwitch(Switch):
    """The sum of some of the inputs."""

    def forward(self, *inputs: Any) -> Tensor:
        tensors = given(inputs)
        total: Tensor | None = None
        for (label, _), tensor in zip(self._options.items(), tensors, strict=True):
            if label in self._selection.kept[self._name]:
                out = self._modules[label](tensor)  # type: ignore[misc]
                total = out if total is None else total + out
        return torch.zeros_like(tensors[0]) if total is None else total


def switch(
    kind: Callable[..., Switch],
    selection: Selection,
    name: str,
    options: tuple[tuple[str, Block], ...],
    *late: Any,
    **named: Any,
) -> Switch:
    """Build a switch without any option."""
    return kind(selection, name, options, late, named)


@final
class SinglePathReading(Reading):
    """A reading with the answers of a record, and a switch for each choice between modules."""

    def __init__(self, space: ChoiceSpace, architecture: Architecture) -> None:
        self._replay = space.replay(architecture)
        self._architecture = architecture
        self._space = space
        self._used_values: set[str] = set()
        self.selection = Selection()

    def answer(self, decision: Decision) -> Value:
        return self._replay(decision)

    def use_value(self, name: str) -> None:
        self._used_values.add(name)

    def module(self, decision: OneOf, options: Mapping[str, Block], label: str) -> Block:
        self.selection.kept[decision.name] = (label,)
        parts = (OptionSwitch, self.selection, decision.name, tuple(options.items()))
        return Block(switch, parts)

    def join(self, decision: Subset, inputs: Mapping[str, Block], kept: Labels) -> Block:
        self.selection.kept[decision.name] = kept
        parts = (JoinSwitch, self.selection, decision.name, tuple(inputs.items()))
        return Block(switch, parts)

    def read(self) -> tuple[tuple[tuple[str, Value], ...], Callable[[], nn.Module]]:
        """Return the values that determine the network, and the function that builds it.

        Raises:
            SpaceError: the record does not answer exactly what the space asks.
        """
        record, make = self._space.ask(self)
        check_all_asked(self._space.name, self._architecture, record)
        # Answers that only switches use do not change how the network is built.
        only = set(self.selection.kept) - self._used_values
        return tuple(sorted(item for item in record.items() if item[0] not in only)), make


@final
class Network:
    """One network on meta with switches; its built tensors are bound to the store."""

    def __init__(self, module: nn.Module, selection: Selection) -> None:
        self.module = module
        self._selection = selection
        self._switches: list[tuple[str, Switch]] = []
        self._new: list[ParameterSlot] = []
        self._cuts: list[tuple[dict[str, Any], str, partial[Tensor]]] = []
        self._recurrent: list[nn.RNNBase] = []
        self._training: bool | None = None
        self._meet("", module)

    def _meet(self, path: str, module: nn.Module) -> None:
        self._new += parameter_specs(module, path)
        for name, part in module.named_modules(prefix=path):
            if isinstance(part, Switch):
                self._switches.append((name, part))
            elif isinstance(part, nn.RNNBase):
                self._recurrent.append(part)
        self._training = None

    def select(
        self, selection: Selection, made: Callable[[Callable[[], nn.Module]], nn.Module]
    ) -> None:
        """Set the switches, and build options that were not chosen before."""
        self._selection.kept = selection.kept
        for path, switch in self._switches:  # grows while options with switches are built
            for label in switch.missing():
                option = made(partial(switch.make, label))
                switch.add_module(label, option)
                self._meet(f"{path}.{label}" if path else label, option)

    def places(self) -> list[ParameterSlot]:
        """Return the tensors that were built since the network was last bound."""
        return self._new

    def bind(self, store: Store, training: bool) -> None:
        """Replace tensors by the stored ones: whole tensors once, cut tensors before each use."""
        for place in self._new:
            part = store.part(place.piece)
            stored = part()
            if stored is part.args[0]:
                place.home[place.name] = stored
            else:
                self._cuts.append((place.home, place.name, part))
        self._new = []
        for home, name, part in self._cuts:
            home[name] = part()
        for module in self._recurrent:
            module._flat_weights = [getattr(module, name) for name in module._flat_weights_names]
        if self._training is not training:
            self.module.train(training)
            self._training = training
