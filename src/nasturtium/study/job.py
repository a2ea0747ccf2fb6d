"""A job: one architecture at one fidelity, with everything that an estimator may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, final

from nasturtium.architecture import Architecture
from nasturtium.errors import EstimateError
from nasturtium.study.context import StudyContext
from nasturtium.study.event import dump_json
from nasturtium.study.fidelity import Fidelity
from nasturtium.study.trial import Proposal
from nasturtium.study.validate import parse_metrics
from nasturtium.train.epochs import whole_epochs
from nasturtium.train.seeds import mix

if TYPE_CHECKING:
    from torch import nn

    from nasturtium.cost.count import Cost
    from nasturtium.space.base import Space
    from nasturtium.study.files import Files
    from nasturtium.task.task import Task
    from nasturtium.train.recipe import Recipe

__all__ = ["ConstraintViolation", "Job"]

Listen = Callable[[int, Sequence[Mapping[str, float]]], bool]


@final
class ConstraintViolation(EstimateError):
    """A bound is broken by what is known; the rest of the estimate is not worth making."""

    def __init__(self, reason: str, metrics: Mapping[str, float]) -> None:
        Exception.__init__(self, reason)
        self.metrics = parse_metrics(metrics, "job.check")


@final
class Job:
    """One architecture at one fidelity, with all that an estimator may use.

    Attributes:
        number: the trial's number.
        proposal: what was asked for.
        context: what all jobs of the study share.
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
        context: StudyContext,
        parent_weights: str | None = None,
        resumed: str | None = None,
        origin: int | None = None,
        listen: Listen | None = None,
    ) -> None:
        self.number = number
        self.proposal = proposal
        self.context = context
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
        return self.context.space

    @property
    def task(self) -> Task:
        """The data.

        Raises:
            EstimateError: the study has none.
        """
        if self.context.task is None:
            raise EstimateError("this estimator needs data, but the study was made without a task")
        return self.context.task

    @property
    def files(self) -> Files:
        """The study's files.

        Raises:
            EstimateError: the study has none.
        """
        if self.context.files is None:
            raise EstimateError("this estimator keeps files, but the study has no folder for them")
        return self.context.files

    @property
    def checkpoint(self) -> Path | None:
        """Where a long estimate keeps its state; ``None`` where the study has no files."""
        files = self.context.files
        return None if files is None else files.checkpoint(self.context.study, self.number)

    def seed(self, purpose: str) -> int:
        """A seed keyed by (study's seed, trial, purpose), the same in every run of the study."""
        return mix(self.context.seed, self.origin, purpose)

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

        inputs = self.context.inputs
        if isinstance(self.space, ChoiceSpace):
            plan = self.space.plan(self.architecture)
            if plan is not None:
                return self.context.counter.count(plan, inputs)
        return count(self.skeleton(), inputs)

    def skeleton(self) -> nn.Module:
        """The network on the meta device: shapes without memory."""
        import torch

        with torch.device("meta"):
            return self.space.build(self.architecture)

    def report(self, metrics: Mapping[str, float]) -> bool:
        """Add a point to the trial's curve; false asks the estimate to stop early."""
        self.curve.append(parse_metrics(metrics, "job.report"))
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
            ConstraintViolation: they do; the trial is recorded as rejected, with these metrics.
        """
        for bound in self.context.constraints:
            value = metrics.get(bound.metric)
            if value is not None and bound.excess(value) > 0.0:
                raise ConstraintViolation(f"{bound.metric} = {value:g}, bound {bound}", metrics)

    def keep(self, role: str, path: Path) -> None:
        """Keep a finished file with the trial, e.g. its weights; the file is moved."""
        self.kept[role] = self.files.put(path)

    @property
    def digest(self) -> str:
        """Identifies the job, so that a result left by a killed driver is matched to it."""
        text = dump_json([self.proposal.to_json(), self.parent_weights, self.resumed])
        whole = f"{self.context.study}|{self.context.seed}|{self.number}|{text}"
        return sha256(whole.encode()).hexdigest()
