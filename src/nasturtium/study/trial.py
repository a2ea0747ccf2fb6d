"""The records of a trial: proposal, outcome, and the trial itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from nasturtium.architecture import Architecture
from nasturtium.display.notebook import render_lines
from nasturtium.study.fidelity import FULL, Fidelity

__all__ = ["Arm", "Outcome", "Proposal", "State", "Trial"]

Arm = Literal["search", "control", "confirm", "reference", "final"]
State = Literal["pending", "finished", "failed", "rejected", "stopped"]

LONGEST_ERROR = 200  # characters of an error that a line shows


class Proposal(NamedTuple):
    """An architecture that a strategy proposes to estimate, at a fidelity.

    Attributes:
        architecture: the architecture.
        fidelity: how much of the training recipe it gets.
        parent: number of the trial whose weights are inherited, where the estimator can.
        resume: number of the trial whose checkpoint is resumed.
        uniform: whether the architecture was drawn uniformly, and so can serve as a control.

    Example:
        >>> import nasturtium as nas
        >>> from random import Random
        >>> space = nas.zoo.nasbench201
        >>> proposal = nas.Proposal(space.sample(Random(0)), nas.Fidelity(epochs=0.5), uniform=True)
        >>> proposal.fidelity.full
        False
    """

    architecture: Architecture
    fidelity: Fidelity = FULL
    parent: int | None = None
    resume: int | None = None
    uniform: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the proposal as plain JSON without entries that have their default."""
        body: dict[str, Any] = {"architecture": self.architecture.to_json()}
        if self.fidelity is not FULL and self.fidelity != FULL:
            body["fidelity"] = self.fidelity.to_json()
        if self.parent is not None:
            body["parent"] = self.parent
        if self.resume is not None:
            body["resume"] = self.resume
        if self.uniform:
            body["uniform"] = True
        return body

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Proposal:
        """Return the proposal that :meth:`to_json` wrote."""
        return cls(
            Architecture.from_json(body["architecture"]),
            Fidelity(*body["fidelity"]) if "fidelity" in body else FULL,
            body.get("parent"),
            body.get("resume"),
            body.get("uniform", False),
        )


class Outcome(NamedTuple):
    """The outcome of a trial: metrics, or the reason of a failure.

    The metrics of a stopped trial are those of its last report. They are not a result: a longer
    training would have given others.

    Attributes:
        number: the trial's number.
        metrics: numbers by name; empty where the trial failed.
        curve: one mapping of metrics for each epoch or step that was reported.
        files: digests of the trial's files, by role (``weights``).
        error: why the trial failed.
        seconds: wall time of the estimate; differs from run to run.
        cpu_seconds: processor time of the estimate; differs from run to run.
        epochs: epochs that were trained; ``None`` where the estimator has none.
        stopped: whether it was stopped before its planned end.
    """

    number: int
    metrics: Mapping[str, float] = {}
    curve: Sequence[Mapping[str, float]] = ()
    files: Mapping[str, str] = {}
    error: str | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    epochs: float | None = None
    stopped: bool = False


class Trial(NamedTuple):
    """A numbered trial of a study: what was proposed, and its result.

    A trial whose training was ended early is ``stopped``. Its metrics are those that it had then:
    a model of learning curves may use them, but they must not be compared with a final result.

    Attributes:
        number: place in the study, from 0.
        arm: ``search``; or ``control``, ``confirm``, ``reference`` or ``final``, whose trials
            strategies do not see.
        proposal: what was proposed.
        state: ``pending``, ``finished``, ``failed``, ``rejected`` by a constraint, or ``stopped``
            before the end of its training.
        metrics: numbers by name.
        curve: one mapping of metrics for each epoch or step that was reported.
        files: digests of the trial's files, by role.
        error: why the trial failed or was rejected.
        seconds: wall time of the estimate.
        cpu_seconds: processor time of the estimate.
        epochs: epochs that were trained; ``None`` where that is not known, or not known yet.
        planned: epochs at the trial's fidelity; ``None`` where the estimator has no epochs.
        trained: the fidelity that is really trained, where it differs from the proposal's.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch(), store=None)
        >>> study.tell(study.ask(), {"accuracy": 0.9})
        >>> trial = study.history[0]
        >>> trial
        <trial 0 (search, finished): accuracy 0.9>
        >>> trial.metrics["accuracy"], trial.fidelity.full
        (0.9, True)
    """

    number: int
    arm: Arm
    proposal: Proposal
    state: State = "pending"
    metrics: Mapping[str, float] = {}
    curve: Sequence[Mapping[str, float]] = ()
    files: Mapping[str, str] = {}
    error: str | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    epochs: float | None = None
    planned: float | None = None
    trained: Fidelity | None = None

    @property
    def architecture(self) -> Architecture:
        """The proposal's architecture."""
        return self.proposal.architecture

    @property
    def fidelity(self) -> Fidelity:
        """The fidelity that is really trained: the proposal's, in whole epochs and examples.

        To find the trials of a fidelity that it proposed, a strategy compares with
        ``trial.proposal.fidelity``, or calls ``history.where(fidelity=...)``.
        """
        return self.proposal.fidelity if self.trained is None else self.trained

    def completed(self, outcome: Outcome) -> Trial:
        """Return the trial with its outcome."""
        state: State = "stopped" if outcome.stopped else "finished"
        if outcome.error is not None:
            # A trial with both metrics and a reason was rejected by them during its estimate.
            state = "rejected" if outcome.metrics else "failed"
        return Trial(self[0], self[1], self[2], state, *outcome[1:8], *self[11:])

    @property
    def summary(self) -> str:
        """Number, arm, state, and the metrics or the reason of a failure, in one line."""
        parts = [f"{name} {value:.6g}" for name, value in self.metrics.items()]
        if self.error is not None:
            error = " ".join(self.error.split())
            short = error if len(error) <= LONGEST_ERROR else f"{error[: LONGEST_ERROR - 3]}..."
            parts.append(short)
        result = f": {', '.join(parts)}" if parts else ""
        return f"trial {self.number} ({self.arm}, {self.state}){result}"

    def __repr__(self) -> str:
        return f"<{self.summary}>"

    def __str__(self) -> str:
        return f"{self.summary}\n{self.architecture}"

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return render_lines(self.summary) + self.architecture._repr_html_()

    @property
    def share(self) -> float:
        """The fraction of the planned training that was done; 1 where that is not known."""
        if self.epochs is None or not self.planned:
            return 1.0
        return self.epochs / self.planned
