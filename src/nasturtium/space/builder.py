"""Builder functions: their keyword arguments, and the networks that they build."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from nasturtium.errors import SpaceError
from nasturtium.module_factory import Block

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "build_module",
    "check_arguments",
    "complete_arguments",
    "plan_network",
    "select_arguments",
    "select_unbound",
]

DEFAULT_SHAPES: Mapping[str, Any] = {"inputs": (3, 32, 32), "classes": 10}


def keyword_parameters(builder: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the builder's keyword parameters: all parameters after the handle."""
    parameters = list(inspect.signature(builder).parameters.values())[1:]
    return [p for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]


def select_arguments(builder: Callable[..., Any], **values: Any) -> dict[str, Any]:
    """Return the values that are not ``None`` and that the builder has an argument for."""
    names = {parameter.name for parameter in keyword_parameters(builder)}
    return {n: value for n, value in values.items() if value is not None and n in names}


def select_unbound(
    builder: Callable[..., Any], bound: Mapping[str, Any], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the values for arguments of the builder that are not bound yet."""
    names = {parameter.name for parameter in keyword_parameters(builder)} - set(bound)
    return {name: value for name, value in values.items() if name in names}


def check_arguments(what: str, builder: Callable[..., Any], names: Iterable[str]) -> None:
    """Check that the builder has an argument for each name.

    Raises:
        SpaceError: there is none; the message suggests the nearest argument.
    """
    known = [parameter.name for parameter in keyword_parameters(builder)]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise SpaceError(
                f"{what} takes no argument {name!r}{hint} (it takes: {', '.join(known) or 'none'})"
            )


def complete_arguments(
    what: str, builder: Callable[..., Any], arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the builder's arguments; unbound ``inputs`` and ``classes`` are CIFAR-10's.

    Raises:
        SpaceError: another argument without a default is not bound.
    """
    complete = dict(arguments)
    for parameter in keyword_parameters(builder):
        if parameter.name in complete or parameter.default is not parameter.empty:
            continue
        if parameter.name not in DEFAULT_SHAPES:
            raise SpaceError(
                f"{what} needs {parameter.name!r}; give it with space.bind({parameter.name}=...)"
            )
        complete[parameter.name] = DEFAULT_SHAPES[parameter.name]
    return complete


def plan_network(build: Callable[[], Any], planned: bool) -> Block | None:
    """Return the block that a builder's ``build`` returns or is; ``None`` if it builds a module.

    Args:
        build: what the builder returned.
        planned: whether it is known to return blocks, so that it needs no meta device.
    """
    if isinstance(build, Block):
        return build
    if planned:
        found = build()
    else:
        import torch

        with torch.device("meta"):  # entering it costs more time than counting a plan
            found = build()
    return found if isinstance(found, Block) else None


def build_module(what: str, build: object, seed: int | None = None) -> nn.Module:
    """Build the module of a builder's ``build``, and check it.

    Args:
        what: whose builder it is, for messages.
        build: what the builder returned.
        seed: draws the initial weights from this seed and leaves torch's generators alone;
            without one, torch's global generator is used.

    Raises:
        SpaceError: it does not build a module, or it builds lazy layers.
    """
    import torch
    from torch import nn
    from torch.nn.modules.lazy import LazyModuleMixin
    from torch.nn.parameter import is_lazy

    if not callable(build) or isinstance(build, nn.Module):
        raise SpaceError(
            f"the builder of {what} returned {type(build).__name__}; it has to return a function "
            "(or a nas.block) that builds the module when called, since samples and mutations "
            "read the builder thousands of times without a network: def build(): return "
            "nn.Sequential(...), then return build"
        )
    if seed is not None:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return build_module(what, build)
    module = build()
    if isinstance(module, Block):
        module = module()
    if not isinstance(module, nn.Module):
        raise SpaceError(
            f"what the builder of {what} returned built a {type(module).__name__}; expected an "
            "nn.Module"
        )
    for path, part in module.named_modules():
        lazy = isinstance(part, LazyModuleMixin)
        if lazy and any(map(is_lazy, part._parameters.values())):
            kind = type(part).__name__
            raise SpaceError(
                f"layer {path!r} ({kind}) of {what} has no shape before it sees data, so its "
                f"weights could neither be counted nor shared nor loaded; use "
                f"nn.{kind.removeprefix('Lazy')} with its sizes given"
            )
    return module
