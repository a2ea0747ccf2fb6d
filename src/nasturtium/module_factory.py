"""Factories of modules (blocks), so that a builder can decide first and build later.

A builder asks its decisions without creating a tensor. It returns a :class:`Block`: a class with
its arguments. Equal blocks compare equal, so the cost of each is counted once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, final

from nasturtium.errors import SpaceError

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Block", "block", "chain", "like", "parts_of"]

Make = TypeVar("Make", bound="Callable[..., nn.Module]")


@final
class Block:
    """A factory of modules: calling it builds a new one each time.

    Late arguments are appended, as with ``functools.partial``: ``block(Conv, 3)(16, 32)`` builds
    ``Conv(3, 16, 32)``.

    Attributes:
        make: the class or function that builds the module.
        args: positional arguments; hashable.
        kwargs: keyword arguments as sorted ``(name, value)`` pairs; hashable.

    Example:
        >>> import nasturtium as nas
        >>> from torch import nn
        >>> conv = nas.block(nn.Conv2d, 3, 16, kernel_size=3)
        >>> conv == nas.Block(nn.Conv2d, (3, 16), (("kernel_size", 3),))
        True
        >>> conv()
        Conv2d(3, 16, kernel_size=(3, 3), stride=(1, 1))
    """

    __slots__ = ("_hash", "args", "kwargs", "make")

    def __init__(
        self,
        make: Callable[..., nn.Module],
        args: tuple[Any, ...] = (),
        kwargs: tuple[tuple[str, Any], ...] = (),
    ) -> None:
        self.make = make
        self.args = args
        self.kwargs = kwargs
        self._hash: int | None = None

    def __call__(self, *late: Any, **named: Any) -> nn.Module:
        """Build a fresh module."""
        return self.make(*self.args, *late, **dict(self.kwargs), **named)

    def given(self, *late: Any, **named: Any) -> Block:
        """Return the block with more arguments appended."""
        kwargs = tuple(sorted({**dict(self.kwargs), **named}.items())) if named else self.kwargs
        return Block(self.make, (*self.args, *late), kwargs)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Block):
            return NotImplemented
        return self.make == other.make and self.args == other.args and self.kwargs == other.kwargs

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash((self.make, self.args, self.kwargs))
        return self._hash

    def __repr__(self) -> str:
        parts = [repr(a) for a in self.args] + [f"{k}={v!r}" for k, v in self.kwargs]
        return f"{getattr(self.make, '__name__', self.make)}({', '.join(parts)})"


def block(make: Callable[..., nn.Module], /, *args: Any, **kwargs: Any) -> Block:
    """Return a hashable factory for ``make(*args, **kwargs)``.

    Args:
        make: an ``nn.Module`` class, or a function that returns a module.
        *args: hashable positional arguments.
        **kwargs: hashable keyword arguments.

    Raises:
        SpaceError: ``make`` cannot be called, or an argument cannot be hashed.

    Example:
        >>> import nasturtium as nas
        >>> from torch import nn
        >>> nas.block(nn.Linear, 3, 4)()
        Linear(in_features=3, out_features=4, bias=True)
    """
    if not callable(make):
        raise SpaceError(
            f"nas.block got {make!r}, which cannot be called; give a module class, e.g. "
            "nas.block(nn.Conv2d, 3, 16, 3), not a module that is already built"
        )
    made = Block(make, args, tuple(sorted(kwargs.items())))
    try:
        hash(made)
    except TypeError:
        raise SpaceError(
            f"an argument of nas.block({getattr(make, '__name__', make)}, ...) cannot be hashed: "
            f"{args!r} {kwargs!r}; give tuples instead of lists and no modules or tensors"
        ) from None
    return made


def chain(
    parts: Mapping[str, Block] | Iterable[tuple[str, Block]] = (), /, **named: Block
) -> Block:
    """Return a block that applies named blocks in sequence (a ``nn.Sequential`` with names).

    Names become parts of the parameters' paths, by which weights are shared and inherited.

    Example:
        >>> import nasturtium as nas
        >>> from torch import nn
        >>> nas.chain(a=nas.block(nn.Identity), b=nas.block(nn.ReLU))()
        Sequential(
          (a): Identity()
          (b): ReLU()
        )
    """
    pairs = tuple(parts.items() if isinstance(parts, Mapping) else parts) + tuple(named.items())
    for name, part in pairs:
        if not isinstance(part, Block):
            raise SpaceError(
                f"nas.chain got {part!r} for {name!r}; each part has to be a nas.block(...)"
            )
    if len(dict(pairs)) != len(pairs):
        raise SpaceError(f"nas.chain got the same name twice in {[name for name, _ in pairs]}")
    return Block(sequential, pairs)


def like(equal: Callable[..., Block]) -> Callable[[Make], Make]:
    """Declare the block that costs the same as the module a function builds (a decorator).

    It is for functions that only wrap or forward: the function then has a cost in closed form if
    the block has one (see :mod:`nasturtium.cost.block_costs`).

    Args:
        equal: takes the function's arguments and returns that block.

    Example:
        >>> from nasturtium.module_factory import block, like
        >>> from torch import nn
        >>> @like(lambda body: body)
        ... def shielded(body):
        ...     return nn.Sequential(body(), nn.Dropout(0.1))
        >>> shielded.cost((8, 4, 4), block(nn.Identity))
        Identity()
    """

    def mark(make: Make) -> Make:
        def cost(shape: tuple[int, ...], /, *args: Any, **kwargs: Any) -> Block:
            return equal(*args, **kwargs)

        make.__dict__["cost"] = cost
        return make

    return mark


def parts_of(block: Block) -> tuple[tuple[str, Block], ...] | None:
    """Return the named parts of a :func:`chain`; ``None`` for any other block."""
    return block.args if block.make is sequential else None


def sequential(*pairs: tuple[str, Block]) -> nn.Module:
    """Build the named parts of a :func:`chain` in order."""
    from torch import nn

    module = nn.Sequential()
    for name, part in pairs:
        module.add_module(name, part())
    return module
