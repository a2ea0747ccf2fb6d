"""What spaces that are made of a builder have in common: its arguments, its facts, its network."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from nasturtium.blocks import Block
from nasturtium.errors import SpaceError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["built", "check_arguments", "facts_of", "keywords"]

FACTS: Mapping[str, Any] = {"inputs": (3, 32, 32), "classes": 10}


def keywords(builder: Callable[..., Any]) -> list[inspect.Parameter]:
    """The builder's parameters behind the first one."""
    parameters = list(inspect.signature(builder).parameters.values())[1:]
    return [p for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]


def asked_of(builder: Callable[..., Any], **facts: Any) -> dict[str, Any]:
    """Those of the facts that are known (not ``None``) and that the builder asks for."""
    names = {parameter.name for parameter in keywords(builder)}
    return {n: value for n, value in facts.items() if value is not None and n in names}


def check_arguments(what: str, builder: Callable[..., Any], names: Iterable[str]) -> None:
    """Refuse names that the builder has no argument for.

    Raises:
        SpaceError: there is one; the nearest argument is suggested.
    """
    known = [parameter.name for parameter in keywords(builder)]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise SpaceError(
                f"{what} takes no argument {name!r}{hint} (it takes: {', '.join(known) or 'none'})"
            )


def facts_of(
    what: str, builder: Callable[..., Any], arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """The builder's keyword arguments; unbound ``inputs`` and ``classes`` are CIFAR-10's.

    Raises:
        SpaceError: another argument without a default is not bound.
    """
    facts = dict(arguments)
    for parameter in keywords(builder):
        if parameter.name in facts or parameter.default is not parameter.empty:
            continue
        if parameter.name not in FACTS:
            raise SpaceError(
                f"{what} needs {parameter.name!r}; give it with space.bind({parameter.name}=...)"
            )
        facts[parameter.name] = FACTS[parameter.name]
    return facts


def built(what: str, build: object, seed: int | None = None) -> nn.Module:
    """The module that a builder's ``build`` makes.

    Args:
        what: whose builder it is, for messages.
        build: what the builder returned.
        seed: draws the initial weights from this seed and leaves torch's generators alone;
            without one, torch's global generator is used.

    Raises:
        SpaceError: it makes no module, or one with lazy layers.
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
            return built(what, build)
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
