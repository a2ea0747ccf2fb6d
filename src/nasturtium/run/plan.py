"""A search as a value: what is searched, how, and how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from nasturtium.execute.base import Executor
from nasturtium.run.describe_part import describe_decisions, describe_part, without_addresses
from nasturtium.run.validate_manifest import FORMAT
from nasturtium.space.base import Space
from nasturtium.study.estimator import Estimator
from nasturtium.study.objective import Objective
from nasturtium.study.stores.base import Store
from nasturtium.study.strategy import Strategy
from nasturtium.task.task import Task

if TYPE_CHECKING:  # these import torch, which a loop over given numbers does not need
    from nasturtium.train.numerics import Numerics
    from nasturtium.train.recipe import Recipe

__all__ = ["IDENTITY", "SearchPlan"]

# Entries of a manifest that make a study what it is; resuming with other values is refused.
IDENTITY = (
    "seed",
    "data",
    "space",
    "strategy",
    "estimator",
    "recipe",
    "objectives",
    "constraints",
    "control",
    "ordered",
)


@final
@dataclass(frozen=True, kw_only=True)
class SearchPlan:
    """One search, resolved: texts are parsed, data loaded, defaults decided.

    Three kinds of settings are kept apart:

    * The **identity** decides which trials a study proposes and what they result in: task, space,
      strategy, estimator, recipe, objectives, constraints, seed, control and ordered. Resuming a
      study with another identity is refused. Numerics belong to it as well, but are measured on
      this machine if they are not given, so they are compared with those of the study on their own.
    * The **budget** says how long the search continues: trials, hours and confirm. A study may be
      resumed with another budget.
    * The **surroundings** say where it runs and where its log is: executor, time_limit, store and
      name. They may change between runs too.

    Attributes:
        name: the study's name in the store.
        task: the data, divided into splits.
        space: bound to the shapes of the data, and joined with the space of recipes if one is
            searched.
        strategy: with its defaults decided for this task.
        estimator: with counts of parameters and operations beside it, and latency if an objective
            or a constraint needs it.
        recipe: how candidates are trained, if the space does not decide it.
        objectives: the first decides single questions.
        constraints: limits on metrics.
        seed: keys all randomness.
        control: share of uniformly drawn trials beside the search.
        ordered: whether results are logged in the order of trials.
        numerics: device, threads, precision and memory format; ``None`` to measure them.
        trials: how many candidates.
        hours: no candidate is asked for after so much time.
        confirm: how many of the best candidates are trained again at the end.
        executor: where trials run; ``None`` for the best one that is found.
        time_limit: seconds after which a trial fails.
        store: where the log is kept.
        call: the arguments of :func:`nasturtium.search` as text.
    """

    name: str
    task: Task
    space: Space
    strategy: Strategy
    estimator: Estimator
    recipe: Recipe
    objectives: tuple[Objective, ...]
    constraints: tuple[Objective, ...] = ()
    seed: int = 0
    control: float = 0.1
    ordered: bool = True
    numerics: Numerics | None = None
    trials: int = 100
    hours: float | None = None
    confirm: int = 0
    executor: Executor | None = None
    time_limit: float | None = None
    store: Store | str | Path | None = None
    call: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the manifest's entries that do not depend on measurements or the machine."""
        task = self.task
        return {
            "format": FORMAT,
            "seed": self.seed,
            "data": {
                "name": task.name,
                "fingerprint": task.fingerprint,
                "inputs": list(task.inputs),
                "classes": task.classes,
                "examples": {name: len(split) for name, split in task.splits.items()},
                "split": task.split.to_json(),
                "notes": list(task.notes),
            },
            "space": without_addresses(dict(self.space.describe())),
            "decisions": describe_decisions(self.space),
            "strategy": without_addresses(describe_part(self.strategy)),
            "estimator": without_addresses(describe_part(self.estimator)),
            "recipe": self.recipe.to_json(),
            "objectives": [objective.to_json() for objective in self.objectives],
            "constraints": [constraint.to_json() for constraint in self.constraints],
            "control": self.control,
            "ordered": self.ordered,
            "call": dict(self.call),
        }
