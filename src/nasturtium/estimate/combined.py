"""Several estimators as one: their metrics side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

from nasturtium.errors import EstimateError
from nasturtium.study.estimator import Estimator
from nasturtium.study.job import Job
from nasturtium.study.preparation import Preparation

__all__ = ["Combined"]


@final
class Combined(Estimator):
    """Runs estimators one after the other; cheap ones belong first.

    Where a bound of the study is broken by what is known so far, the rest is not run, and the
    trial is rejected: a network that is too slow is never trained. Nothing is run after a part
    that was stopped either.

    Args:
        *parts: the estimators; no metric may be given by two of them.
    """

    def __init__(self, *parts: Estimator) -> None:
        names = [name for part in parts for name in part.metrics]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice or not parts:
            raise EstimateError(
                f"Combined got {len(parts)} estimators"
                + (f", two of which give {twice[0]!r}; take one of them out" if twice else "")
            )
        self.parts = parts
        self.metrics = tuple(names)
        self.free = all(part.free for part in parts)

    def prepare(self, preparation: Preparation) -> None:
        for place, part in enumerate(self.parts):
            part.prepare(preparation.of(f"{place}.{type(part).__name__}"))

    def full_epochs(self) -> int | None:
        known = (part.full_epochs() for part in self.parts)
        return next((epochs for epochs in known if epochs is not None), None)

    def estimate(self, job: Job) -> Mapping[str, float]:
        found: dict[str, float] = {}
        full = self.full_epochs()
        for part in self.parts:
            found.update(part.estimate(job))
            job.check(found)
            if job.stopped(full):
                break
        return found
