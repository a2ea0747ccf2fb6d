"""PoolSpace: the rows of a table as a search space, whose mutations move to near rows."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn, final

import numpy as np

from nasturtium.architecture import Architecture, Value
from nasturtium.errors import SpaceError
from nasturtium.space.base import Space

if TYPE_CHECKING:
    from torch import nn

    from nasturtium.predict.graph_encodings import Graph

__all__ = ["PoolSpace"]


@final
class PoolSpace(Space):
    """The rows of a table as a space: sampling draws a row, mutation moves to a near row.

    Two rows are as far apart as the number of features in which they differ. The near rows of a
    row are those within the least radius that holds at least ``near`` others, so ties are never
    broken by the order of the table. Nothing can be built: results say that they hold for the
    pool, not for the space it was drawn from.

    Args:
        name: the space's name.
        records: the decisions of each row; all different.
        features: (rows, features) small integers that distances are counted over.
        near: how many rows a mutation can at least reach.
        canonical: a form that equal networks share, such as the ``canonical`` of the space that
            the table was drawn from; by default rows are distinguished by their records.
        graph: a function from a row to its labelled graph.

    Raises:
        SpaceError: fewer than two rows, equal records, rows with one canonical form, or another
            number of features' rows.

    Example:
        >>> import numpy as np
        >>> from random import Random
        >>> pool = PoolSpace("three", [{"k": 1}, {"k": 3}, {"k": 5}], np.eye(3), near=1)
        >>> pool.mutate(pool.architectures[0], Random(0))["k"] in (3, 5)
        True
    """

    def __init__(
        self,
        name: str,
        records: Sequence[Mapping[str, Value]],
        features: Any,
        near: int = 16,
        canonical: Callable[[Architecture], Hashable] | None = None,
        graph: Callable[[Architecture], Graph] | None = None,
    ) -> None:
        self.name = name
        self.graph = graph
        self.near = near
        self._canonical = canonical
        self.features = np.asarray(features)
        self.architectures = tuple(Architecture.recorded(name, dict(r)) for r in records)
        self._rows = {architecture: row for row, architecture in enumerate(self.architectures)}
        self._near: dict[int, tuple[int, ...]] = {}
        count = len(self.architectures)
        if count < 2:
            raise SpaceError(f"the pool {name!r} has {count} rows; expected at least two")
        self._refuse_equal("are the same record", lambda one: one)
        if canonical is not None:
            self._refuse_equal("have one canonical form (the same network)", canonical)
        if self.features.ndim != 2 or len(self.features) != count:
            raise SpaceError(
                f"the pool {name!r} has {count} rows, but features of shape "
                f"{self.features.shape}; expected ({count}, number of features)"
            )

    def row(self, architecture: Architecture) -> int:
        """Return the row of an architecture.

        Raises:
            SpaceError: the pool does not hold it.
        """
        try:
            return self._rows[architecture]
        except KeyError:
            raise SpaceError(
                f"{architecture!r} is not among the {len(self):,} rows of the pool {self.name!r}; "
                "take architectures from its sample, mutate or architectures"
            ) from None

    def sample(self, rng: Random) -> Architecture:
        """Draw a row; all are equally likely."""
        return self.architectures[int(rng.random() * len(self.architectures))]

    def mutate(self, parent: Architecture, rng: Random) -> Architecture:
        """Draw a row near the parent's; all of them are equally likely."""
        near = self._near_rows(self.row(parent))
        return self.architectures[near[int(rng.random() * len(near))]]

    def cross(self, mother: Architecture, father: Architecture, rng: Random) -> Architecture:
        """Return the row nearest to a mixture of the parents' features; break ties at random."""
        first, second = self.features[self.row(mother)], self.features[self.row(father)]
        take = np.array([rng.random() < 0.5 for _ in range(len(first))])
        distance = (self.features != np.where(take, first, second)).sum(1)
        nearest = np.flatnonzero(distance == distance.min()).tolist()
        return self.architectures[nearest[int(rng.random() * len(nearest))]]

    def neighbours(self, architecture: Architecture) -> Iterator[Architecture]:
        """Yield the near rows, from which a mutation draws."""
        return (self.architectures[row] for row in self._near_rows(self.row(architecture)))

    def _near_rows(self, row: int) -> tuple[int, ...]:
        found = self._near.get(row)
        if found is None:
            distance = (self.features != self.features[row]).sum(1)
            distance[row] = np.iinfo(distance.dtype).max
            radius = np.sort(distance)[min(self.near, len(self) - 1) - 1]
            found = self._near[row] = tuple(np.flatnonzero(distance <= radius).tolist())
        return found

    def build(self, architecture: Architecture, *, seed: int | None = None) -> nn.Module:
        """Refuse: a pool has no networks.

        Raises:
            SpaceError: a pool holds records, not networks.
        """
        self._refuse("build a network from")

    def canonical(self, architecture: Architecture) -> Hashable:
        """Return the canonical form that the pool was given; by default the key."""
        return architecture.key if self._canonical is None else self._canonical(architecture)

    def bind(self, **arguments: Any) -> PoolSpace:
        """Refuse all arguments.

        Raises:
            SpaceError: arguments were given.
        """
        if arguments:
            self._refuse(f"bind {', '.join(arguments)} to")
        return self

    def describe(self) -> Mapping[str, Any]:
        """Return the name, the number of rows and the number of near rows."""
        return {"name": self.name, "rows": len(self), "near": self.near}

    def _refuse_equal(self, how: str, form: Callable[[Architecture], Hashable]) -> None:
        rows: dict[Hashable, int] = {}
        for row, architecture in enumerate(self.architectures):
            first = rows.setdefault(form(architecture), row)
            if first != row:
                left = len({form(one) for one in self.architectures})
                raise SpaceError(
                    f"rows {first} and {row} of the pool {self.name!r} {how}: "
                    f"{self.architectures[first]!r} and {architecture!r}; of its {len(self):,} "
                    f"rows {left:,} are different: give each network once"
                )

    def _refuse(self, what: str) -> NoReturn:
        raise SpaceError(
            f"cannot {what} the pool {self.name!r}: its rows are records of a table; use the space "
            "that the table was made from (nasturtium.zoo)"
        )

    def __len__(self) -> int:
        return len(self.architectures)

    def __repr__(self) -> str:
        return f"<pool {self.name} of {len(self):,} rows>"
