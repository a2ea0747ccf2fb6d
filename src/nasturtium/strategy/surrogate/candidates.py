"""Candidates that a surrogate chooses from: mutants of the best, and uniform draws."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nasturtium.architecture import Architecture
from nasturtium.strategy.surrogate.observations import Observations
from nasturtium.study.fidelity import FULL
from nasturtium.study.history import History
from nasturtium.study.trial import Proposal, Trial

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["Candidate", "candidates", "draw_untried"]

ATTEMPTS = 2  # variations for each candidate wanted, before fewer have to do


class Candidate(NamedTuple):
    """An architecture that was not tried, and the number of the trial that it was mutated from."""

    architecture: Architecture
    parent: int | None

    def proposal(self) -> Proposal:
        """Return the proposal of this architecture."""
        return Proposal(self.architecture, FULL, self.parent)


def candidates(
    observations: Observations,
    history: History,
    rng: Random,
    *,
    best: Sequence[Trial],
    mutants: int,
    fresh: int = 0,
    edits: Sequence[int] = (1,),
) -> list[Candidate]:
    """Return distinct architectures to choose from.

    None was tried or is known to violate a constraint, if there are enough of them.

    Args:
        observations: the architectures that were tried.
        history: for its space.
        rng: draws them.
        best: parents; each is mutated as often as the others.
        mutants: wanted; fewer are given where the neighbourhood is used up.
        fresh: drawn from the whole space.
        edits: numbers of mutations of a mutant, one of them drawn for each.
    """
    space, found = history.space, dict[Hashable, Candidate]()

    def add(architecture: Architecture, parent: int | None) -> None:
        form = space.canonical(architecture)
        if form not in found and observations.is_open(architecture, history):
            found[form] = Candidate(architecture, parent)

    for attempt in range(mutants * ATTEMPTS if best else 0):
        if len(found) >= mutants:
            break
        parent = best[attempt % len(best)]
        child = parent.architecture
        for _ in range(edits[int(rng.random() * len(edits))]):
            child = space.mutate(child, rng)
        add(child, parent.number)
    for _ in range(fresh):
        add(space.sample(rng), None)
    if not found:  # the neighbourhood, or all of a small space, was tried
        for _ in range(100):
            add(space.sample(rng), None)
            if found:
                break
        else:
            return [Candidate(space.sample(rng), None)]
    return list(found.values())


def draw_untried(observations: Observations, history: History, rng: Random) -> Proposal:
    """Return a uniform draw that was not tried and satisfies free constraints, if found soon."""
    for _ in range(25):
        drawn = history.space.sample(rng)
        if observations.is_open(drawn, history):
            break
    return Proposal(drawn, FULL, None, None, True)
