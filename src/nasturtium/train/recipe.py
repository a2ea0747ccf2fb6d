"""Training recipes: frozen settings, and the learning rate of each step."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nasturtium.errors import EstimateError
from nasturtium.task.augment import Augment
from nasturtium.train.check_arguments import check_choice, check_fields

__all__ = ["Recipe"]

OPTIMIZERS = ("sgd", "adamw")
SCHEDULES = ("cosine", "onecycle", "constant")


@dataclass(frozen=True)
class Recipe:
    """The settings of one training.

    Biases and the weights of normalisation layers are not decayed (He et al., "Bag of Tricks for
    Image Classification", 2019, section 3.1).

    Attributes:
        epochs: passes over the training examples.
        batch_size: examples a step.
        optimizer: ``"sgd"`` (with Nesterov momentum) or ``"adamw"``.
        lr: highest learning rate.
        momentum: of SGD; AdamW's first beta.
        weight_decay: of SGD as an L2 term, of AdamW decoupled.
        schedule: ``"cosine"`` to 0, ``"onecycle"`` (from lr/25 up to lr in the warm-up, then by a
            cosine to 0; Smith and Topin, "Super-Convergence", 2018), or ``"constant"``.
        warmup: share of the steps in which the rate increases linearly; 0 means 0.3 for
            ``"onecycle"``.
        label_smoothing: share of each target that is spread over all classes.
        ema: decay of the moving average of the weights that is evaluated and returned; 0 is off.
        clip: largest norm of the gradient; ``None`` is off.
        auxiliary: weight of the loss of a second output, if a network in training returns
            (logits, auxiliary logits).
        drop_last: leave out the last batch of an epoch if it is not full.
        augment: augmentation of each batch.
        balance: weight the loss of each example inversely to the number of training examples of
            its class; the weights have a mean of 1 over the examples.

    Example:
        >>> recipe = Recipe(epochs=20, optimizer="adamw", lr=0.002, schedule="cosine")
        >>> recipe.rate(0.0), recipe.rate(0.5), recipe.rate(1.0)
        (0.002, 0.001, 0.0)
        >>> recipe.replace(epochs=5).epochs
        5
    """

    epochs: int = 10
    batch_size: int = 64
    optimizer: str = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "onecycle"
    warmup: float = 0.0
    label_smoothing: float = 0.1
    ema: float = 0.0
    clip: float | None = 5.0
    auxiliary: float = 0.4
    drop_last: bool = False
    augment: Augment = field(default_factory=Augment)
    balance: bool = False

    def __post_init__(self) -> None:
        check_fields(Recipe, {f.name: getattr(self, f.name) for f in dataclasses.fields(self)})
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_choice("schedule", self.schedule, SCHEDULES)
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise EstimateError(f"{name}={value!r}; expected a whole number, 1 or more")
        if not 0 < self.lr < math.inf:
            raise EstimateError(f"lr={self.lr}; expected a positive number")
        for name in ("momentum", "warmup", "label_smoothing", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise EstimateError(f"{name}={getattr(self, name)}; expected 0 or more, below 1")
        for name in ("weight_decay", "auxiliary"):
            if not 0 <= getattr(self, name) < math.inf:
                raise EstimateError(f"{name}={getattr(self, name)}; expected 0 or more")
        if not isinstance(self.balance, bool):
            raise EstimateError(f"balance={self.balance!r}; expected True or False")
        if self.clip is not None and not self.clip > 0:
            raise EstimateError(f"clip={self.clip}; expected a positive number, or None for off")

    def rate(self, progress: float) -> float:
        """Return the learning rate when ``progress`` (0 to 1) of all steps are done."""
        warmup = self.warmup or (0.3 if self.schedule == "onecycle" else 0.0)
        if progress < warmup:
            low = 0.04 if self.schedule == "onecycle" else 0.0
            return self.lr * (low + (1 - low) * progress / warmup)
        if self.schedule == "constant":
            return self.lr
        return self.lr * 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))

    def replace(self, **changes: Any) -> Recipe:
        """Return the recipe with other settings.

        Raises:
            EstimateError: a name or a value is unknown.
        """
        return dataclasses.replace(self, **check_fields(Recipe, changes))

    def to_json(self) -> dict[str, Any]:
        """Return plain values that ``from_json`` reads back; ``balance`` only where it is on."""
        plain = {**dataclasses.asdict(self), "augment": self.augment.to_json()}
        return {name: value for name, value in plain.items() if value or name != "balance"}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Recipe:
        """Read what ``to_json`` wrote.

        Raises:
            EstimateError: a name or a value is unknown.
        """
        values = dict(data) if isinstance(data, Mapping) else check_fields(cls, data)
        if not isinstance(values.get("augment", Augment()), Augment):
            values["augment"] = Augment.from_json(check_fields(Augment, values["augment"]))
        values = check_fields(cls, values)
        return cls(**values)
