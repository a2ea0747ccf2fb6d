"""Fidelities: how much of the training recipe a trial gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, final

from nasturtium.errors import StrategyError

__all__ = ["FULL", "Fidelity"]


@final
@dataclass(frozen=True, slots=True)
class Fidelity:
    """The fractions of the training recipe that a trial gets.

    A training takes whole epochs, examples and pixels: with a recipe of 10 epochs, both 1/27 and
    1/9 of the epochs are one epoch. :func:`nasturtium.search` records the fidelity that is really
    trained with each trial, here ``Fidelity(epochs=0.1)``, as ``trial.fidelity``.

    Attributes:
        epochs: of the recipe's epochs.
        data: of the training examples.
        resolution: of height and width.
        schedule: ``complete``, where the learning rate reaches its end at this fidelity and a
            promotion trains from the start again; or ``prefix``, the beginning of the full
            schedule, where a promotion resumes the checkpoint.

    Example:
        >>> import nasturtium as nas
        >>> low = nas.Fidelity(epochs=0.5, data=0.5)
        >>> low.cost, low.full
        (0.25, False)
    """

    epochs: float = 1.0
    data: float = 1.0
    resolution: float = 1.0
    schedule: Literal["complete", "prefix"] = "complete"

    def __post_init__(self) -> None:
        for name in ("epochs", "data", "resolution"):
            value = getattr(self, name)
            if not 0.0 < value <= 1.0:
                raise StrategyError(
                    f"fidelity {name}={value}; expected a fraction of the recipe, above 0 and at "
                    "most 1"
                )
        if self.schedule not in ("complete", "prefix"):
            raise StrategyError(
                f"fidelity schedule={self.schedule!r}; expected 'complete' or 'prefix'"
            )

    @property
    def cost(self) -> float:
        """The work of a trial at this fidelity, as a fraction of one at full fidelity."""
        return self.epochs * self.data * self.resolution**2

    @property
    def full(self) -> bool:
        """Whether this is the whole recipe."""
        return self.epochs == self.data == self.resolution == 1.0

    def to_json(self) -> list[Any]:
        """Return the fidelity as plain JSON."""
        return [self.epochs, self.data, self.resolution, self.schedule]


FULL = Fidelity()
