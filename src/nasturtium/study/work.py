"""What estimators are given: a job for one estimate, and the work to prepare for many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from nasturtium.architecture import Architecture
from nasturtium.errors import EstimateError
from nasturtium.study.event import _dumps
from nasturtium.study.trial import Fidelity, Proposal
from nasturtium.train.seeds import mix

if TYPE_CHECKING:
    from torch import nn

    from nasturtium.space.base import Space
    from nasturtium.study.files import Files
    from nasturtium.task.task import Task
    from nasturtium.train.numerics import Numerics

__all__ = ["Job", "Setting", "Work"]


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
    ) -> None:
        self.study = study
        self.seed = seed
        self.space = space
        self.task = task
        self.files = files
        self.numerics = numerics
        self.time_limit = time_limit
        self.prepared = dict(prepared or {})


@final
class Job:
    """One architecture at one fidelity, with all that an estimator may use.

    Attributes:
        number: the trial's number.
        proposal: what was asked for.
        setting: what all jobs of the study share.
        parent_weights: digest of the parent's weights, where it kept any.
        curve: what was reported.
        kept: digests of files to keep with the trial, by role.
    """

    def __init__(
        self,
        number: int,
        proposal: Proposal,
        setting: Setting,
        parent_weights: str | None = None,
        listen: Callable[[int, Mapping[str, float]], bool] | None = None,
    ) -> None:
        self.number = number
        self.proposal = proposal
        self.setting = setting
        self.parent_weights = parent_weights
        self.curve: list[dict[str, float]] = []
        self.kept: dict[str, str] = {}
        self._listen = listen

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
        return mix(self.setting.seed, self.number, purpose)

    def build(self) -> nn.Module:
        """The architecture's network with fresh weights of the trial's own seed."""
        return self.space.build(self.architecture, seed=self.seed("init"))

    def report(self, metrics: Mapping[str, float]) -> bool:
        """Add a point to the trial's curve; false asks the estimate to stop early."""
        self.curve.append(dict(metrics))
        return self._listen is None or self._listen(self.number, metrics)

    def keep(self, role: str, path: Path) -> None:
        """Keep a finished file with the trial, e.g. its weights; the file is moved."""
        self.kept[role] = self.files.put(path)

    @property
    def digest(self) -> str:
        """Identifies the job, so that a result left by a killed driver is matched to it."""
        text = _dumps([self.proposal.to_json(), self.parent_weights])
        return sha256(f"{self.setting.study}|{self.setting.seed}|{self.number}|{text}".encode()).hexdigest()


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

    @property
    def prepared(self) -> Path | None:
        """The file that this part prepared in an earlier run, or ``None``."""
        digest = self.setting.prepared.get(self._part)
        if digest is None or self.setting.files is None:
            return None
        return self.setting.files.get(digest)

    def keep(self, path: Path) -> None:
        """Keep a finished file as what this part prepared; it is moved, then logged."""
        files = self.setting.files
        if files is None:
            raise EstimateError("this study has no folder for files; give it a store on disk")
        digest = files.put(path)
        self._log({"part": self._part, "digest": digest})
        self.setting.prepared[self._part] = digest
