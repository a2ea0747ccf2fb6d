"""The context of a study: what all of its jobs share, sent to a worker process once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

from nasturtium.errors import EstimateError
from nasturtium.study.objective import Objective

if TYPE_CHECKING:
    from nasturtium.cost.block_costs import BlockCounter
    from nasturtium.space.base import Space
    from nasturtium.study.files import Files
    from nasturtium.task.task import Task
    from nasturtium.train.numerics import Numerics

__all__ = ["StudyContext"]


@final
class StudyContext:
    """The data, space, files and settings that all jobs of a study share.

    Attributes:
        study: the study's name.
        seed: the study's seed.
        space: the bound search space.
        task: the data, or ``None`` where nothing is trained.
        files: the study's files.
        numerics: device, threads, precision and memory format of a job.
        time_limit: seconds after which a trial fails, or ``None``.
        prepared: digests of the prepared files, by part.
        constraints: the study's constraints.
    """

    def __init__(
        self,
        study: str,
        seed: int,
        space: Space,
        task: Task | None = None,
        files: Files | None = None,
        numerics: Numerics | None = None,
        time_limit: float | None = None,
        prepared: Mapping[str, str] | None = None,
        constraints: tuple[Objective, ...] = (),
    ) -> None:
        self.study = study
        self.seed = seed
        self.space = space
        self.task = task
        self.files = files
        self.numerics = numerics
        self.time_limit = time_limit
        self.prepared = dict(prepared or {})
        self.constraints = constraints
        self._counter: BlockCounter | None = None

    @property
    def counter(self) -> BlockCounter:
        """Counts the cost of this space's networks from their blocks, with a cache of blocks."""
        from nasturtium.cost.block_costs import BlockCounter

        if self._counter is None:
            self._counter = BlockCounter()
        return self._counter

    def to_parts(self) -> dict[str, Any]:
        """Return what a worker process needs to restore the context; data are saved to files."""
        folder = None
        if self.task is not None:
            assert self.files is not None
            folder = self.files.tasks / self.task_digest
            self.task.save(folder, replace=True)
        parts = {name: value for name, value in vars(self).items() if name[0] != "_"}
        parts["task"] = folder
        return parts

    @classmethod
    def from_parts(cls, parts: Mapping[str, Any]) -> StudyContext:
        """Return the context of :meth:`to_parts`; all workers map the same files of data."""
        from nasturtium.task.task import Task

        folder = parts["task"]
        task = None if folder is None else Task.load(folder, check=False)  # the driver checked it
        return cls(**{**parts, "task": task})

    @property
    def task_digest(self) -> str:
        """Identifies the data and their splits."""
        assert self.task is not None
        return self.task.digest

    @property
    def inputs(self) -> tuple[int, ...]:
        """The shape of one example, from the data or else from the arguments of the space.

        Raises:
            EstimateError: neither has it.
        """
        if self.task is not None:
            return self.task.inputs
        arguments = getattr(self.space, "arguments", {})
        if "inputs" not in arguments:
            raise EstimateError(
                f"the shape of an example is not known; bind it with "
                f"{self.space.name}.bind(inputs=...)"
            )
        return tuple(arguments["inputs"])
