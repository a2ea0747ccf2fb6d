"""A job: one architecture at one fidelity, with everything that an estimator can use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, final

from nasturtium import renamed
from nasturtium.architecture import Architecture
from nasturtium.errors import EstimateError
from nasturtium.study.context import StudyContext
from nasturtium.study.event import dump_json
from nasturtium.study.fidelity import Fidelity
from nasturtium.study.trial import Proposal
from nasturtium.study.validate import parse_metrics
from nasturtium.train.scale_epochs import scale_epochs
from nasturtium.train.seeds import derive_seed

if TYPE_CHECKING:
    from torch import nn

    from nasturtium.cost.count import Cost
    from nasturtium.space.base import Space
    from nasturtium.study.files import Files
    from nasturtium.task.task import Task
    from nasturtium.train.recipe import Recipe

__all__ = ["ConstraintViolation", "Job"]

# Is called with the number and the curve after each report, and returns whether to continue.
Listen = Callable[[int, Sequence[Mapping[str, float]]], bool]


@final
class ConstraintViolation(EstimateError):
    """The metrics so far violate a constraint, so the rest of the estimate is not made."""

    def __init__(self, reason: str, metrics: Mapping[str, float]) -> None:
        Exception.__init__(self, reason)
        self.metrics = parse_metrics(metrics, "job.check")


@final
class Job:
    """One architecture at one fidelity, with everything that an estimator can use.

    Attributes:
        number: the trial's number.
        proposal: what was proposed.
        context: what all jobs of the study share.
        parent_weights: digest of the parent's weights, where it has any.
        resumed: digest of the checkpoint to resume, where the proposal resumes a trial.
        origin: the trial whose seed is used: the first of a chain of resumed trials.
        curve: the metrics that were reported.
        listen: is called with the number and the curve after each report, and returns whether to
            continue.
        kept: digests of files to keep with the trial, by role.
        epochs: epochs trained so far, where an estimator sets them.

    Example:
        >>> import nasturtium as nas
        >>> from random import Random
        >>> from nasturtium.study.context import StudyContext
        >>> space = nas.zoo.mlp.bind(inputs=(8,), classes=3)
        >>> context = StudyContext("study", 0, space)
        >>> job = nas.Job(0, nas.Proposal(space.sample(Random(0))), context)
        >>> job.build().training, job.report({"accuracy": 0.5}), job.curve
        (True, True, [{'accuracy': 0.5}])
    """

    if not TYPE_CHECKING:
        __getattr__ = renamed.missing_attribute

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
        self._asked_to_end: int | None = None  # points that were reported at the first request
        self._stopped: bool | None = None  # whether it ended early, where the estimator says it

    @property
    def architecture(self) -> Architecture:
        """The architecture to estimate."""
        return self.proposal.architecture

    @property
    def fidelity(self) -> Fidelity:
        """The fractions of the training recipe that are used."""
        return self.proposal.fidelity

    @property
    def space(self) -> Space:
        """The bound search space."""
        return self.context.space

    @property
    def task(self) -> Task:
        """The data.

        Raises:
            EstimateError: the study has no data.
        """
        if self.context.task is None:
            raise EstimateError("this estimator needs data, but the study was made without a task")
        return self.context.task

    @property
    def files(self) -> Files:
        """The study's files.

        Raises:
            EstimateError: the study has no folder for files.
        """
        if self.context.files is None:
            raise EstimateError("this estimator keeps files, but the study has no folder for them")
        return self.context.files

    @property
    def checkpoint(self) -> Path | None:
        """The file in which a long estimate saves its state; ``None`` if the study has no files."""
        files = self.context.files
        return None if files is None else files.checkpoint(self.context.study, self.number)

    def seed(self, purpose: str) -> int:
        """Return a seed keyed by study, trial and purpose, the same in every run of the study."""
        return derive_seed(self.context.seed, self.origin, purpose)

    def build(self) -> nn.Module:
        """Build the architecture's network, with weights initialised by the trial's own seed."""
        return self.space.build(self.architecture, seed=self.seed("init"))

    @property
    def recipe(self) -> Recipe | None:
        """The trial's own recipe, where the space searches recipes too."""
        settings = getattr(self.space, "recipe", None)
        return None if settings is None else settings.of(self.architecture)

    def cost(self) -> Cost:
        """Return the cost of the network, counted from its blocks where the space has them."""
        from nasturtium.cost.count import count
        from nasturtium.space.choice_space import ChoiceSpace

        inputs = self.context.inputs
        if isinstance(self.space, ChoiceSpace):
            plan = self.space.plan(self.architecture)
            if plan is not None:
                return self.context.counter.count(plan, inputs)
        return count(self.skeleton(), inputs)

    def skeleton(self) -> nn.Module:
        """Build the network on the meta device: shapes without memory."""
        import torch

        with torch.device("meta"):
            return self.space.build(self.architecture)

    def report(self, metrics: Mapping[str, float]) -> bool:
        """Add a point to the trial's curve, and return whether the estimate should continue."""
        self.curve.append(parse_metrics(metrics, "job.report"))
        proceed = self.listen is None or self.listen(self.number, self.curve)
        if not proceed and self._asked_to_end is None:
            self._asked_to_end = len(self.curve)
        return proceed

    def end(self, *, stopped: bool) -> None:
        """Set whether the estimate ended before its planned end, where reports do not show it."""
        self._stopped = stopped

    def stopped(self, full: int | None = None) -> bool:
        """Return whether the estimate was asked to end, and ended before its planned end.

        An estimate that continued to report ignored the request, and ran to its end.

        Args:
            full: epochs of a training at full fidelity, where there are epochs.
        """
        if self._stopped is not None:
            return self._stopped
        if self._asked_to_end is None or self._asked_to_end < len(self.curve):
            return False
        if full is None:
            return True
        done = len(self.curve) if self.epochs is None else self.epochs
        return done < scale_epochs(full, self.fidelity.epochs)

    def trained(self, full: int | None, *, whole: bool) -> float | None:
        """Return the epochs that were trained, where they are known.

        Args:
            full: epochs of a training at full fidelity; a point is reported after each.
            whole: whether the estimate ran to its end.
        """
        if self.epochs is not None or full is None:
            return self.epochs
        planned = scale_epochs(full, self.fidelity.epochs)
        return planned if whole else min(planned, len(self.curve))

    def check(self, metrics: Mapping[str, float]) -> None:
        """Check metrics against the constraints of the study.

        Raises:
            ConstraintViolation: they violate one; the trial is recorded as rejected, with these
                metrics.
        """
        for constraint in self.context.constraints:
            value = metrics.get(constraint.metric)
            if value is not None and constraint.excess(value) > 0.0:
                reason = f"{constraint.metric} = {value:g}, bound {constraint}"
                raise ConstraintViolation(reason, metrics)

    def keep(self, role: str, path: Path) -> None:
        """Keep a finished file with the trial, e.g. its weights; the file is moved."""
        self.kept[role] = self.files.put(path)

    @property
    def digest(self) -> str:
        """Identifies the job, to match a result that a killed driver left behind."""
        text = dump_json([self.proposal.to_json(), self.parent_weights, self.resumed])
        whole = f"{self.context.study}|{self.context.seed}|{self.number}|{text}"
        return sha256(whole.encode()).hexdigest()
