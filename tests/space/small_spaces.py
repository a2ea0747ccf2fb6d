"""Small spaces of every kind, and all of the zoo: what the laws are tried on."""

from __future__ import annotations

from typing import Any

from torch import nn

import nasturtium as nas
from nasturtium.space.zoo import SPACES


@nas.space
def flat(choose: Any) -> Any:
    """Nothing is conditional: 3 * 3 * 2 = 18."""
    a = choose("a", (1, 2, 3))
    b = choose("b", ("x", "y", "z"))
    c = choose("c", (False, True))
    return nas.block(nn.Linear, a, 2 + len(b), c)


@nas.space
def conditional(choose: Any) -> Any:
    """Depth, and a question that only one option asks: (2 + 1) + (2 + 1)^2 + (2 + 1)^3 = 39."""
    parts = []
    for index in range(choose("depth", (1, 2, 3))):
        with choose.scope(f"block{index}"):
            bias = (
                choose("bias", (False, True)) if choose("op", ("linear", "skip")) == "linear" else 0
            )
            parts.append((f"block{index}", nas.block(nn.Linear, 4, 4, bool(bias))))
    return nas.chain(parts)


@nas.space
def subsets(choose: Any) -> Any:
    """One to two of four, and any of two: (4 + 6) * 4 = 40."""
    some = choose.subset("some", (1, 2, 3, 4), least=1, most=2)
    anything = choose.subset("anything", ("p", "q"))
    return nas.block(nn.Linear, sum(some), 1 + len(anything))


@nas.space
def ranges(choose: Any) -> Any:
    """Whole numbers, a grid and a grid in the logarithm: 6 * 5 * 15 = 450."""
    whole = choose.range("whole", 1, 6)
    grid = choose.range("grid", 0.0, 1.0, step=0.25)
    octave = choose.range("octave", 2, 16, log=True)
    return nas.block(nn.Linear, whole, octave, grid > 0.5)


@nas.space
def continuous(choose: Any) -> Any:
    """Infinitely many."""
    rate = choose.range("rate", 1e-4, 1.0, log=True)
    shift = choose.range("shift", -1.0, 1.0)
    return nas.block(nn.Linear, 2, 2 if rate > shift else 3)


@nas.space
def joins(choose: Any) -> Any:
    """Two module questions and two joins: 2 * 2 * 3 * (3 + 3) = 72."""
    ops = {"conv": nas.block(nn.Linear, 3, 3), "skip": nas.block(nn.Identity)}
    first, second = choose.module("first", ops), choose.module("second", ops)
    two = choose.join("two", {"a": first, "b": second})
    three = choose.join("three", {"a": first, "b": second, "c": nas.block(nn.Identity)}, most=2)
    return nas.chain(two=nas.block(Fed, two, 2), three=nas.block(Fed, three, 3))


class Fed(nn.Module):
    """Gives a join the same tensor several times."""

    def __init__(self, join: nas.Block, times: int) -> None:
        super().__init__()
        self.join = join()
        self.times = times

    def forward(self, x: Any) -> Any:
        return self.join([x] * self.times)


@nas.space
def rejecting(choose: Any) -> Any:
    """Pairs with an even sum only: 4 * 4 / 2 = 8."""
    a, b = choose("a", (1, 2, 3, 4)), choose("b", (1, 2, 3, 4))
    if (a + b) % 2:
        choose.reject("an odd sum")
    return nas.block(nn.Linear, a, b)


FINITE = {
    flat: 18,
    conditional: 39,
    subsets: 40,
    ranges: 450,
    joins: 72,
    rejecting: 8,
    flat.restrict(a=(2, 3)): 12,
    flat.where(lambda architecture: architecture["a"] != 1 or architecture["c"]): 15,
    conditional.tie("block*.op"): 3 * 2 - 3 + 2 + 4 + 8,
}
LIMITED = ("flat restricted", "flat where", "conditional tied")
NAMES = [*(space.name for space in list(FINITE)[:6]), *LIMITED]
SMALL = dict(zip(NAMES, FINITE, strict=True))
ZOO = {name: getattr(nas.zoo, name) for name in SPACES if name != "evonet"}  # it asks nothing
ALL = {**SMALL, "continuous": continuous, **ZOO}
UNCONDITIONAL = ("flat", "subsets", "ranges", "joins", "flat restricted")
