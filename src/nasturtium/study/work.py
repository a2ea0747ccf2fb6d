"""What estimators are given: a job for one estimate, and the work to prepare for many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from nasturtium.architecture import Architecture
from nasturtium.errors import EstimateError
from nasturtium.study.answer import numbers
from nasturtium.study.event import _dumps
from nasturtium.study.trial import Fidelity, Objective, Proposal
from nasturtium.train.epochs import whole_epochs
from nasturtium.train.seeds import mix

if TYPE_CHECKING:
    from torch import nn

    from nasturtium.cost.count import Cost
    from nasturtium.cost.plan import Counter
    from nasturtium.space.base import Space
    from nasturtium.study.files import Files
    from nasturtium.task.task import Task
    from nasturtium.train.numerics import Numerics
    from nasturtium.train.recipe import Recipe

__all__ = ["Job", "OutOfBounds", "Setting", "Work"]

Listen = Callable[[int, Sequence[Mapping[str, float]]], bool]


@final
class Setting:
    """What all jobs of a study share; sent to a worker once.

    Attributes:
        study: the study's name.
        seed: the study's seed.
        space: the bound search space.
        task: the data, or ``None`` where nothing is trained.
        files: the study's files.
        numerics: device, threads, precision and memory format of a job.
        time_limit: seconds after which a trial fails, or ``None``.
        prepared: digests of what was prepared, by part.
        constraints: the study's bounds.
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
        self._counter: Counter | None = None

    @property
    def counter(self) -> Counter:
        """Counts this space's networks from their blocks, remembering equal ones."""
        from nasturtium.cost.plan import Counter

        if self._counter is None:
            self._counter = Counter()
        return self._counter

    def packed(self) -> dict[str, Any]:
        """What a worker process needs to make the same setting; data go through files."""
        folder = None
        if self.task is not None:
            assert self.files is not None
            folder = self.files.tasks / self.task_digest
            self.task.save(folder, replace=True)
        parts = {name: value for name, value in vars(self).items() if name[0] != "_"}
        parts["task"] = folder
        return parts

    @classmethod
    def unpacked(cls, parts: Mapping[str, Any]) -> Setting:
        """The setting of :meth:`packed`, its data mapped from files that all workers share."""
        from nasturtium.task.task import Task

        folder = parts["task"]
        task = None if folder is None else Task.load(folder, check=False)  # the driver checked it
        return cls(**{**parts, "task": task})

    @property
    def task_digest(self) -> str:
        """Identifies the data and how they are divided."""
        assert self.task is not None
        return self.task.digest

    @property
    def inputs(self) -> tuple[int, ...]:
        """Shape of one example, from the data or else from the space.

        Raises:
            EstimateError: neither says.
        """
        if self.task is not None:
            return self.task.inputs
        facts = getattr(self.space, "arguments", {})
        if "inputs" not in facts:
            raise EstimateError(
                f"the shape of an example is not known; bind it with "
                f"{self.space.name}.using(inputs=...)"
            )
        return tuple(facts["inputs"])


@final
class OutOfBounds(EstimateError):
    """A bound is broken by what is known; the rest of the estimate is not worth making."""

    def __init__(self, reason: str, metrics: Mapping[str, float]) -> None:
        Exception.__init__(self, reason)
        self.metrics = numbers(metrics, "job.check")


@final
class Job:
    """One architecture at one fidelity, with all that an estimator may use.

    Attributes:
        number: the trial's number.
        proposal: what was asked for.
        setting: what all jobs of the study share.
        parent_weights: digest of the parent's weights, where it kept any.
        resumed: digest of the checkpoint to go on from, where the proposal resumes a trial.
        origin: the trial whose seed is used: the first of a chain of resumed ones.
        curve: what was reported.
        listen: is given the number and the curve after each report, and says whether to go on.
        kept: digests of files to keep with the trial, by role.
        epochs: epochs trained so far, where an estimator says so.
    """

    def __init__(
        self,
        number: int,
        proposal: Proposal,
        setting: Setting,
        parent_weights: str | None = None,
        resumed: str | None = None,
        origin: int | None = None,
        listen: Listen | None = None,
    ) -> None:
        self.number = number
        self.proposal = proposal
        self.setting = setting
        self.parent_weights = parent_weights
        self.resumed = resumed
        self.origin = number if origin is None else origin
        self.curve: list[dict[str, float]] = []
        self.kept: dict[str, str] = {}
        self.listen = listen
        self.epochs: float | None = None
        self._ended: int | None = None  # points reported when it was first asked to end
        self._stopped: bool | None = None  # whether it ended early, where the estimator says so

    @property
    def architecture(self) -> Architecture:
        return self.proposal.architecture

    @property
    def fidelity(self) -> Fidelity:
        return self.proposal.fidelity

    @property
    def space(self) -> Space:
        return self.setting.space

    @property
    def task(self) -> Task:
        """The data.

        Raises:
            EstimateError: the study has none.
        """
        if self.setting.task is None:
            raise EstimateError("this estimator needs data, but the study was made without a task")
        return self.setting.task

    @property
    def files(self) -> Files:
        """The study's files.

        Raises:
            EstimateError: the study has none.
        """
        if self.setting.files is None:
            raise EstimateError("this estimator keeps files, but the study has no folder for them")
        return self.setting.files

    @property
    def checkpoint(self) -> Path | None:
        """Where a long estimate keeps its state; ``None`` where the study has no files."""
        files = self.setting.files
        return None if files is None else files.checkpoint(self.setting.study, self.number)

    def seed(self, purpose: str) -> int:
        """A seed keyed by (study's seed, trial, purpose), the same in every run of the study."""
        return mix(self.setting.seed, self.origin, purpose)

    def build(self) -> nn.Module:
        """The architecture's network with fresh weights of the trial's own seed."""
        return self.space.build(self.architecture, seed=self.seed("init"))

    @property
    def recipe(self) -> Recipe | None:
        """The trial's own recipe, where the space decides one."""
        settings = getattr(self.space, "recipe", None)
        return None if settings is None else settings.of(self.architecture)

    def cost(self) -> Cost:
        """What the network costs, counted from its blocks where the space has them."""
        from nasturtium.cost.count import count
        from nasturtium.space.choice import ChoiceSpace

        inputs = self.setting.inputs
        if isinstance(self.space, ChoiceSpace):
            plan = self.space.plan(self.architecture)
            if plan is not None:
                return self.setting.counter.count(plan, inputs)
        return count(self.skeleton(), inputs)

    def skeleton(self) -> nn.Module:
        """The network on the meta device: shapes without memory."""
        import torch

        with torch.device("meta"):
            return self.space.build(self.architecture)

    def report(self, metrics: Mapping[str, float]) -> bool:
        """Add a point to the trial's curve; false asks the estimate to stop early."""
        self.curve.append(numbers(metrics, "job.report"))
        goes_on = self.listen is None or self.listen(self.number, self.curve)
        if not goes_on and self._ended is None:
            self._ended = len(self.curve)
        return goes_on

    def end(self, *, stopped: bool) -> None:
        """Say whether the estimate ended before its planned length, where reports do not tell."""
        self._stopped = stopped

    def stopped(self, full: int | None = None) -> bool:
        """Whether the estimate was asked to end, and did so before its planned length.

        An estimate that went on reporting ignored the request, and ran to its end.

        Args:
            full: epochs of a training at full fidelity, where there are epochs.
        """
        if self._stopped is not None:
            return self._stopped
        if self._ended is None or self._ended < len(self.curve):
            return False
        if full is None:
            return True
        done = len(self.curve) if self.epochs is None else self.epochs
        return done < whole_epochs(full, self.fidelity.epochs)

    def trained(self, full: int | None, *, whole: bool) -> float | None:
        """The epochs that were trained, where they are known.

        Args:
            full: epochs of a training at full fidelity; a point is reported after each.
            whole: whether the estimate ran to its end.
        """
        if self.epochs is not None or full is None:
            return self.epochs
        planned = whole_epochs(full, self.fidelity.epochs)
        return planned if whole else min(planned, len(self.curve))

    def check(self, metrics: Mapping[str, float]) -> None:
        """Refuse to go on where metrics break a bound of the study.

        Raises:
            OutOfBounds: they do; the trial is recorded as rejected, with these metrics.
        """
        for bound in self.setting.constraints:
            value = metrics.get(bound.metric)
            if value is not None and bound.excess(value) > 0.0:
                raise OutOfBounds(f"{bound.metric} = {value:g}, bound {bound}", metrics)

    def keep(self, role: str, path: Path) -> None:
        """Keep a finished file with the trial, e.g. its weights; the file is moved."""
        self.kept[role] = self.files.put(path)

    @property
    def digest(self) -> str:
        """Identifies the job, so that a result left by a killed driver is matched to it."""
        text = _dumps([self.proposal.to_json(), self.parent_weights, self.resumed])
        whole = f"{self.setting.study}|{self.setting.seed}|{self.number}|{text}"
        return sha256(whole.encode()).hexdigest()


@final
class Work:
    """What :meth:`Strategy.prepare` and :meth:`Estimator.prepare` are given.

    Attributes:
        setting: what all jobs of the study share.
    """

    def __init__(self, setting: Setting, part: str, log: Callable[[Any], None]) -> None:
        self.setting = setting
        self._part = part
        self._log = log

    def of(self, part: str) -> Work:
        """The same work for one part of a joined estimator, under a name of its own."""
        return Work(self.setting, f"{self._part}.{part}", self._log)

    @property
    def checkpoint(self) -> Path | None:
        """Where lengthy preparation keeps its state, to go on from after a kill."""
        files = self.setting.files
        return None if files is None else files.checkpoint(self.setting.study, self._part)

    @property
    def prepared(self) -> Path | None:
        """The file that this part prepared in an earlier run, or ``None``."""
        digest = self.setting.prepared.get(self._part)
        if digest is None or self.setting.files is None:
            return None
        return self.setting.files.get(digest)

    def keep(self, path: Path) -> None:
        """Keep a finished file as what this part prepared; it is moved, then logged.

        The checkpoint of the preparation is dropped after that.
        """
        files = self.setting.files
        if files is None:
            raise EstimateError("this study has no folder for files; give it a store on disk")
        digest = files.put(path)
        self._log({"part": self._part, "digest": digest})
        self.setting.prepared[self._part] = digest
        files.checkpoint(self.setting.study, self._part).unlink(missing_ok=True)
