"""Spaces of training settings, to be searched together with an architecture.

* ``training``: optimiser, learning rate, weight decay, batch size, schedule, label smoothing and
  mixup, in the spirit of Zela et al. (2018), "Towards Automated Deep Learning: Efficient Joint
  Neural Architecture and Hyperparameter Search", with ranges for the two optimisers here.
* ``randaugment``: Cubuk et al. (2020), "RandAugment", section 3: how many operations are applied to
  each image, and one magnitude for all of them.
* ``autoaugment``: Cubuk et al. (2019), "AutoAugment", section 3: five sub-policies of two steps,
  each with an operation, a probability (11 values) and a magnitude (10 values).

Deviations: the operations are those of :mod:`nasturtium.task.augmentation_policy`, 14 where
AutoAugment has 16, which makes (14 * 11 * 10)^10 policies. The two augmentation spaces leave all
other settings as they are by default; ``@nas.recipe`` defines other combinations.

The tests reproduce the sizes, and search each together with an architecture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nasturtium.space.recipe_space import recipe
from nasturtium.task.augment import Augment
from nasturtium.task.augmentation_policy import OPS
from nasturtium.train.recipe import Recipe

if TYPE_CHECKING:
    from nasturtium.space.choose import Choose

__all__ = ["autoaugment", "randaugment", "training"]

NAMES = tuple(OPS)
PROBABILITIES = tuple(step / 10 for step in range(11))
MAGNITUDES = tuple(round(step / 9, 3) for step in range(10))

# Learning rate and weight decay, each from and to.
RANGES = {"sgd": ((0.01, 0.5), (1e-5, 1e-2)), "adamw": ((3e-4, 1e-2), (1e-3, 0.3))}


@recipe
def training(choose: Choose, *, epochs: int = 10) -> Recipe:
    """Ask for training settings: optimiser, rate, decay, batch size, schedule, regularisation.

    Args:
        choose: the handle.
        epochs: passes over the training examples, the same for all.
    """
    optimizer = choose("optimizer", tuple(RANGES))
    rate, decay = RANGES[optimizer]
    with choose.scope(optimizer):
        lr = choose.range("lr", *rate, log=True)
        weight_decay = choose.range("weight_decay", *decay, log=True)
    return Recipe(
        epochs=epochs,
        optimizer=optimizer,
        lr=lr,
        weight_decay=weight_decay,
        batch_size=choose("batch_size", (32, 64, 128, 256)),
        schedule=choose("schedule", ("onecycle", "cosine")),
        label_smoothing=choose("label_smoothing", (0.0, 0.05, 0.1)),
        augment=Augment(mixup=choose("mixup", (0.0, 0.1, 0.2, 0.4))),
    )


@recipe
def randaugment(
    choose: Choose, *, epochs: int = 10, flip: bool = False, crop: int = 0, cutout: int = 0
) -> Recipe:
    """RandAugment: a number of operations for each image, and one magnitude for all.

    Args:
        choose: the handle.
        epochs: passes over the training examples, the same for all.
        flip: also mirror images left to right, with probability one half.
        crop: also shift images, by up to so many pixels.
        cutout: also cut out a square of so many pixels a side.
    """
    draws, magnitude = choose("number", (1, 2, 3)), choose("magnitude", MAGNITUDES)
    policy = tuple(((op, 1.0, magnitude),) for op in NAMES)
    augment = Augment(flip=flip, crop=crop, cutout=cutout, policy=policy, draws=draws)
    return Recipe(epochs=epochs, augment=augment)


@recipe
def autoaugment(
    choose: Choose,
    *,
    epochs: int = 10,
    flip: bool = False,
    crop: int = 0,
    cutout: int = 0,
    policies: int = 5,
) -> Recipe:
    """AutoAugment: sub-policies of two steps, each an operation, a probability, a magnitude.

    Args:
        choose: the handle.
        epochs: passes over the training examples, the same for all.
        flip: also mirror images left to right, with probability one half.
        crop: also shift images, by up to so many pixels.
        cutout: also cut out a square of so many pixels a side.
        policies: number of sub-policies, of which each image draws one.
    """
    made = []
    for index in range(policies):
        steps = []
        for place in range(2):
            with choose.scope(f"policy{index}.step{place}"):
                op, chance = choose("op", NAMES), choose("probability", PROBABILITIES)
                steps.append((op, chance, choose("magnitude", MAGNITUDES)))
        made.append(tuple(steps))
    augment = Augment(flip=flip, crop=crop, cutout=cutout, policy=tuple(made))
    return Recipe(epochs=epochs, augment=augment)
