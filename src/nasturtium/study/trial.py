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
    """What a strategy wants to be tried.

    Attributes:
        architecture: which architecture.
        fidelity: how much of the recipe.
        parent: number of the trial whose weights are inherited where the estimator can.
        resume: number of the trial whose training is gone on with.
        uniform: whether the architecture was drawn uniformly, and so can serve as a control.
    """

    architecture: Architecture
    fidelity: Fidelity = FULL
    parent: int | None = None
    resume: int | None = None
    uniform: bool = False

    def to_json(self) -> dict[str, Any]:
        """As plain JSON; what is as usual is left out."""
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
        """The proposal that ``to_json`` wrote."""
        return cls(
            Architecture.from_json(body["architecture"]),
            Fidelity(*body["fidelity"]) if "fidelity" in body else FULL,
            body.get("parent"),
            body.get("resume"),
            body.get("uniform", False),
        )


class Outcome(NamedTuple):
    """What came of a trial: metrics, or the reason of a failure.

    The metrics of a stopped trial are those of its last report. They are no result: a longer
    training would have given others.

    Attributes:
        number: the trial's number.
        metrics: numbers by name; empty where it failed.
        curve: one mapping for each epoch or step reported.
        files: digests of files kept, by role (``weights``).
        error: why it failed.
        seconds: wall time of the estimate; measured, and so not compared.
        cpu_seconds: processor time of the estimate; measured, and so not compared.
        epochs: epochs that were trained; ``None`` where the estimator has none.
        stopped: whether it ended before its planned length because it was asked to.
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
    """One numbered attempt: what was proposed, and what came of it.

    A trial whose training was ended early is ``stopped``. Its metrics are those that it had then:
    a model of learning curves may use them, and nothing may compare them with a final result.

    Attributes:
        number: place in the study, from 0.
        arm: ``search``; or ``control``, ``confirm``, ``reference`` or ``final``, which are not
            shown to strategies.
        proposal: what was asked for.
        state: ``pending``, ``finished``, ``failed``, ``rejected`` by a bound, or ``stopped``
            before the end of its training.
        metrics: numbers by name.
        curve: one mapping for each epoch or step reported.
        files: digests of files kept, by role.
        error: why it failed or was rejected.
        seconds: wall time of the estimate.
        cpu_seconds: processor time of the estimate.
        epochs: epochs that were trained; ``None`` where that is not known (yet).
        planned: epochs that the trial's fidelity means; ``None`` where the estimator has none.
        trained: the fidelity that is really trained, where it is not the proposal's.
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

        A strategy that looks for the trials of a fidelity that it proposed compares with
        ``trial.proposal.fidelity``, or asks ``history.where(fidelity=...)``.
        """
        return self.proposal.fidelity if self.trained is None else self.trained

    def completed(self, outcome: Outcome) -> Trial:
        """The trial as it is once its outcome was told."""
        state: State = "stopped" if outcome.stopped else "finished"
        if outcome.error is not None:
            # What has metrics and a reason was rejected by them, half-way through its estimate.
            state = "rejected" if outcome.metrics else "failed"
        return Trial(self[0], self[1], self[2], state, *outcome[1:8], *self[11:])

    @property
    def words(self) -> str:
        """Number, arm, state, and the metrics or the reason of a failure, on one line."""
        parts = [f"{name} {value:.6g}" for name, value in self.metrics.items()]
        if self.error is not None:
            error = " ".join(self.error.split())
            short = error if len(error) <= LONGEST_ERROR else f"{error[: LONGEST_ERROR - 3]}..."
            parts.append(short)
        result = f": {', '.join(parts)}" if parts else ""
        return f"trial {self.number} ({self.arm}, {self.state}){result}"

    def __repr__(self) -> str:
        return f"<{self.words}>"

    def __str__(self) -> str:
        return f"{self.words}\n{self.architecture}"

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return render_lines(self.words) + self.architecture._repr_html_()

    @property
    def share(self) -> float:
        """The part of the planned training that was done; 1 where that is not known."""
        if self.epochs is None or not self.planned:
            return 1.0
        return self.epochs / self.planned
