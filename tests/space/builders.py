"""Random builders: a hypothesis strategy of search spaces with every corner of a builder.

A program is plain data, which :func:`drawn` interprets as a builder would be written: it asks
choices, subsets, ranges, modules and joins, in scopes and under conditions; options and ends depend
on earlier answers; combinations are rejected. Limits are put on the space afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any
from zlib import crc32

import torch
from hypothesis import strategies as st
from torch import nn

import nasturtium as nas
from nasturtium.decision.one_of import OneOf
from nasturtium.decision.range import Range
from nasturtium.errors import SpaceError

WIDTH = 3  # of all tensors
EXPECTED = ("draws in a row were rejected", "leaves nothing", "needs numbers", "works on choices")
LABELS = ("conv", "skip", "pool")


def code(value: object) -> int:
    """A number that stands for an answer, the same in every process."""
    return crc32(repr(value).encode())


class Bottleneck(nn.Sequential):
    """From a width through another one, and back."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.reduce = nn.Linear(WIDTH, hidden)
        self.act = nn.ReLU()
        self.expand = nn.Linear(hidden, WIDTH)


class Fed(nn.Module):
    """Gives a join the same tensor several times."""

    def __init__(self, join: nas.Block, times: int) -> None:
        super().__init__()
        self.join = join()
        self.times = times

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.join([x] * self.times)


OPERATIONS = {
    "conv": nas.block(Bottleneck, 2),
    "skip": nas.block(nn.Identity),
    "pool": nas.block(nn.Linear, WIDTH, WIDTH),
}


@nas.space
def drawn(choose: Any, *, program: tuple[Any, ...]) -> Any:
    """A space whose builder is a program."""
    known: dict[str, Any] = {}
    parts: dict[str, nas.Block] = {}
    _read(choose, program, known, parts, "")
    return nas.chain({"stem": nas.block(nn.Linear, WIDTH, WIDTH), **parts})


def _read(
    choose: Any,
    program: Sequence[Any],
    known: dict[str, Any],
    parts: dict[str, nas.Block],
    scope: str,
) -> None:
    for kind, name, *rest in program:
        full = scope + name
        if kind == "scope":
            with choose.scope(name):
                _read(choose, rest[0], known, parts, f"{full}.")
        elif kind == "if":
            branch = rest[0] if _code(known, rest[2]) % 2 else rest[1]
            _read(choose, branch, known, parts, scope)
        elif kind == "reject":
            if sum(map(code, known.values())) % rest[0] == 0:
                choose.reject("the program says so")
        elif kind in ("module", "join"):
            options = {label: OPERATIONS[label] for label in rest[0]}
            if kind == "module":
                part = choose.module(name, options)
            else:
                part = nas.block(Fed, choose.join(name, options, least=rest[1]), len(options))
            parts[full.replace(".", "_")] = part
        else:
            known[full] = value = _asked(choose, kind, name, rest, known)
            if kind != "subset":
                hidden = 1 + (value if type(value) is int else code(value)) % 5
                parts[full.replace(".", "_")] = nas.block(Bottleneck, hidden)


def _code(known: dict[str, Any], place: int) -> int:
    """A number for one of the answers so far."""
    return code(list(known.values())[place % len(known)]) if known else 0


def _asked(choose: Any, kind: str, name: str, rest: Sequence[Any], known: dict[str, Any]) -> Any:
    if kind == "choose":
        return choose(name, rest[0][_code(known, rest[1]) % len(rest[0])])
    if kind == "subset":
        options, least, most = rest[0][_code(known, rest[1]) % len(rest[0])]
        return choose.subset(name, options, least=least, most=most)
    low, span, step, log, place, moves = rest
    shift = _code(known, place) % 4 if moves else 0
    shift = shift if type(low) is int else shift / 4
    start = low + shift if moves == 2 else low
    return choose.range(name, start, low + span + shift, step=step, log=log)


# -- how programs are drawn -----------------------------------------------------------------------

PLACES = st.integers(0, 3)
NUMBERS = [(1, 2, 3), (2, 3), (2, 4), (4, 8, 1), (3,), (0.5, 1.5), (1, 2.5)]
OTHERS = [("a", "b"), ("b", "c", "a"), (None, 0.1), (None,), (False, True), ((1, 2), (2, 1), 3)]
OPTIONS = st.sampled_from([*NUMBERS, *NUMBERS, *OTHERS])
SUBSETS = st.sampled_from(
    [(("p", "q"), 0, None), (("p", "q", "r"), 1, 2), ((1, 2, 3), 2, 2), (("q", "s"), 1, 1)]
)
# low, span, step, log: whole numbers and floats, on and off their grids, in the logarithm.
RANGES = st.sampled_from(
    [
        (1, 4, None, False),
        (8, 22, 8, False),
        (3, 0, None, False),
        (2, 14, 4, True),
        (1, 9, 2, False),
        (-0.3, 0.6, 0.1, False),
        (0.1, 0.75, 0.2, True),
        (1 / 3, 1.0, 1 / 3, False),
        (0.5, 1.0, 0.25, False),
    ]
)
CONTINUOUS = st.sampled_from([(0.0, 5.0, None, False), (1e-4, 1.0, None, True)])
NAMES = st.sampled_from("abcdefgh")


@st.composite
def programs(draw: Any, depth: int = 2, used: frozenset[str] = frozenset()) -> tuple[Any, ...]:
    made: list[Any] = []
    names = set(used)
    for _ in range(draw(st.integers(1, 4 if depth == 2 else 3))):
        kind = draw(
            st.sampled_from(
                ["choose", "choose", "choose", "range", "range", "subset", "module", "join"]
                + (["if", "if", "scope", "reject"] if depth else [])
            )
        )
        if kind == "if":
            yes = draw(programs(depth - 1, frozenset(names)))
            no = draw(st.just(()) | programs(depth - 1, frozenset(names)))
            made.append(("if", "", yes, no, draw(PLACES)))
            names |= asked(yes) | asked(no)
            continue
        if kind == "reject":
            made.append(("reject", "", draw(st.integers(3, 7))))
            continue
        name = draw(NAMES)
        if name in names:
            continue
        names.add(name)
        if kind == "scope":
            made.append(("scope", name, draw(programs(depth - 1))))
        elif kind == "choose":
            sets = draw(st.lists(OPTIONS, min_size=1, max_size=2))
            made.append(("choose", name, tuple(sets), draw(PLACES)))
        elif kind == "subset":
            sets = draw(st.lists(SUBSETS, min_size=1, max_size=2))
            made.append(("subset", name, tuple(sets), draw(PLACES)))
        elif kind == "range":
            continuous = draw(st.integers(0, 9)) == 0
            ends = draw(CONTINUOUS if continuous else RANGES)
            made.append(("range", name, *ends, draw(PLACES), draw(st.sampled_from([0, 0, 1, 2]))))
        else:
            labels = tuple(draw(st.permutations(LABELS)))[: draw(st.integers(1, 3))]
            least = draw(st.integers(0, len(labels)))
            made.append((kind, name, labels, *((least,) if kind == "join" else ())))
    return tuple(made)


def asked(program: Sequence[Any]) -> set[str]:
    """The names that a program may use, without their scopes."""
    names: set[str] = set()
    for kind, name, *rest in program:
        names |= asked(rest[0]) | asked(rest[1]) if kind == "if" else {name} - {""}
    return names


def sparse(modulus: int, architecture: nas.Architecture) -> bool:
    """A predicate that leaves out some architectures."""
    return int(architecture.key, 16) % modulus != 0


@st.composite
def limited(draw: Any, space: nas.ChoiceSpace) -> nas.ChoiceSpace:
    """A space under some limits, as far as these leave something."""
    for _ in range(draw(st.integers(0, 2))):
        found = space.encoder().discovered
        kind = draw(st.sampled_from(["restrict", "tie", "ordered", "where"]))
        try:
            if kind == "where":
                space = checked(space.where(partial(sparse, draw(st.integers(2, 5)))))
            elif kind == "restrict":
                decision = draw(st.sampled_from(found))
                space = checked(space.restrict({decision.name: draw(parts(decision))}))
            else:
                numeric = [d for d in found if isinstance(d, OneOf) and not isinstance(d, Range)]
                names = list(dict.fromkeys(d.name for d in (numeric if numeric else found)))
                group = tuple(draw(st.permutations(names)))[: draw(st.integers(2, 3))]
                if len(group) > 1:
                    space = checked(getattr(space, kind)(group))
        except SpaceError as error:
            if not any(text in str(error) for text in EXPECTED):
                raise
    return space


def checked(space: nas.ChoiceSpace) -> nas.ChoiceSpace:
    """The same space, if it is not empty and its orders are of numbers."""
    space.encoder()
    return space


@st.composite
def parts(draw: Any, decision: Any) -> Any:
    if isinstance(decision, Range):
        ends = st.integers(-1, 20) | st.floats(-1, 20, allow_nan=False)
        return tuple(sorted((draw(ends), draw(ends))))
    return tuple(draw(st.lists(st.sampled_from(decision.options), min_size=1, unique=True)))


@st.composite
def spaces(draw: Any) -> nas.ChoiceSpace:
    """Spaces of random builders, some of them under limits, none of them empty."""
    from hypothesis import assume

    space = drawn.bind(program=draw(programs()))
    try:
        checked(space)
    except SpaceError as error:
        if not any(text in str(error) for text in EXPECTED):
            raise
        assume(False)
    assume(space.discover())
    return draw(limited(space))
