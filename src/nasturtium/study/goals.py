"""The goals of a study: what its trials are compared by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

from nasturtium.errors import NasturtiumError
from nasturtium.study.history import History
from nasturtium.study.objective import Objective
from nasturtium.study.trial import Trial

__all__ = ["Goals", "parse_goals"]


class Goals(NamedTuple):
    """The objectives and constraints of a study."""

    objectives: tuple[Objective, ...]
    constraints: tuple[Objective, ...]

    def history(self, trials: Iterable[Trial] = ()) -> History:
        """Return a history of these finished trials, to ask for its best trials and its front."""
        history = History(cast(Any, None), self.objectives)  # neither question needs the space
        history.constraints = self.constraints
        for trial in trials:
            history._insert(trial)
        return history


def parse_goals(manifest: Mapping[str, Any]) -> Goals | None:
    """Return the goals in a manifest; ``None`` if it has none."""
    try:
        objectives = tuple(Objective(**one) for one in manifest["objectives"])
        constraints = tuple(Objective(**one) for one in manifest["constraints"])
    except (KeyError, TypeError, NasturtiumError):
        return None
    # The order in which a history has them.
    return Goals(objectives, constraints + tuple(o for o in objectives if o.bound is not None))
