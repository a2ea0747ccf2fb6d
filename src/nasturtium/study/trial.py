"""The records of a study: objectives, fidelities, proposals and trials."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple, final

from nasturtium.architecture import Architecture
from nasturtium.display.notebook import render_lines
from nasturtium.errors import StrategyError

__all__ = [
    "FULL",
    "Arm",
    "Fidelity",
    "Objective",
    "Outcome",
    "Proposal",
    "State",
    "Trial",
    "parse_bound",
    "parse_objective",
]

Arm = Literal["search", "control", "confirm", "reference", "final"]
State = Literal["pending", "finished", "failed", "rejected", "stopped"]

# Metrics of which less is better, and of which more is; of any other, an objective has to say it.
SMALLER = frozenset(
    {"params", "macs", "flops", "activations", "latency", "loss", "error", "energy", "memory"}
)
LARGER = frozenset(
    [
        "accuracy",
        "top1",
        "top5",
        "f1",
        "auc",
        "auroc",
        "auprc",
        "r2",
        "precision",
        "recall",
        "sensitivity",
        "specificity",
        "iou",
        "miou",
        "dice",
        "map",
        "bleu",
        "psnr",
        "ssim",
        "grad_norm",
        "snip",
        "synflow",
        "jacov",
        "naswot",
    ]
)
LONG = 200  # characters of an error that a line shows
NAME = r"\w[\w.-]*"
UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "m": 1e6, "B": 1e9, "b": 1e9, "%": 0.01}
TIMES = {"": 1.0, "us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}


@final
@dataclass(frozen=True)
class Objective:
    """A metric to make large or small; with a bound, a constraint.

    Attributes:
        metric: the name of a number that the estimator gives, e.g. ``accuracy``.
        goal: ``max`` or ``min``.
        bound: the least (``max``) or greatest (``min``) acceptable value.

    Example:
        >>> import nasturtium as nas
        >>> nas.Objective("latency", "min", bound=5.0)
        Objective(metric='latency', goal='min', bound=5.0)
    """

    metric: str
    goal: Literal["max", "min"] = "max"
    bound: float | None = None

    def __post_init__(self) -> None:
        if self.goal not in ("max", "min"):
            raise StrategyError(f"objective {self.metric!r} has goal {self.goal!r}; use max or min")

    @property
    def sign(self) -> float:
        """1 where larger is better, else -1."""
        return 1.0 if self.goal == "max" else -1.0

    def excess(self, value: float) -> float:
        """How far ``value`` is beyond the bound, relative to it; 0 where it holds."""
        if self.bound is None:
            return 0.0
        beyond = (self.bound - value) * self.sign
        if beyond != beyond:  # not a number breaks any bound
            return float("inf")
        return max(0.0, beyond / (abs(self.bound) or 1.0))

    def __str__(self) -> str:
        if self.bound is None:
            return f"{self.goal} {self.metric}"
        return f"{self.metric}{'>' if self.goal == 'max' else '<'}{self.bound:g}"

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {"metric": self.metric, "goal": self.goal, "bound": self.bound}


def parse_objective(given: Objective | str) -> Objective:
    """An objective from its text: ``accuracy``, ``-latency``, ``min:energy`` or ``max:f1``.

    Costs (params, macs, flops, activations, latency, loss, error, energy, memory, also as a word
    of a name: ``latency_cpu``, ``val_loss``) are minimised, and qualities that are known (accuracy,
    f1, auc, r2, iou and others, ``balanced_accuracy``) maximised, unless the text says otherwise.

    Raises:
        StrategyError: the text is no such thing, or a metric of which neither is known.
    """
    if isinstance(given, Objective):
        return given
    goal, _, metric = (part.strip() for part in given.rpartition(":"))
    if not goal and metric.startswith("-"):
        goal, metric = "min", metric[1:]
    if not goal and re.fullmatch(NAME, metric):
        words = {metric, *re.split(r"[._-]", metric)}
        if words.isdisjoint(SMALLER | LARGER) and metric != "score":  # a part of any name
            near = get_close_matches(metric, SMALLER | LARGER, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise StrategyError(
                f"objective {given!r}: it is not known whether more or less of {metric} is better; "
                f"write min:{metric} or max:{metric}{hint}"
            )
        goal = "max" if words.isdisjoint(SMALLER) else "min"
    if goal not in ("max", "min") or not re.fullmatch(NAME, metric):
        raise StrategyError(
            f"objective {given!r} is not understood; write a metric's name, optionally with its "
            "goal: accuracy, min:latency, max:f1"
        )
    return Objective(metric, goal)  # type: ignore[arg-type]


def parse_bound(given: Objective | str) -> Objective:
    """A constraint from its text: ``params<50k``, ``latency<5ms``, ``accuracy>=0.9``.

    Suffixes k, M, G multiply and % divides; a latency is in milliseconds and takes us, ms, s.

    Raises:
        StrategyError: the text is no such thing.
    """
    if isinstance(given, Objective):
        if given.bound is None:
            raise StrategyError(
                f"constraint {given!r} has no bound; give Objective(..., bound=...)"
            )
        return given
    match = re.fullmatch(
        r"\s*([A-Za-z_][\w.-]*)\s*(<=?|>=?)\s*(-?[0-9.]+(?:[eE][+-]?\d+)?)\s*([a-zA-Zµ%]*)\s*",
        given,
    )
    if match:
        metric, sense, number, unit = match.groups()
        units = TIMES if metric.startswith("latency") else UNITS
        try:
            bound = float(number) * units[unit]
            return Objective(metric, "min" if sense[0] == "<" else "max", bound)
        except (ValueError, KeyError):
            pass
    raise StrategyError(
        f"constraint {given!r} is not understood; write a metric, < or >, and a number, e.g. "
        "params<50k, macs<3M, latency<5ms, accuracy>0.9"
    )


@final
@dataclass(frozen=True, slots=True)
class Fidelity:
    """How much of the recipe a trial gets, as fractions of it.

    A training takes whole epochs, examples and pixels: with a recipe of 10 epochs a 27th and a 9th
    of the epochs are both one epoch. :func:`nasturtium.search` records with each trial what its
    proposal's fidelity comes to, here ``Fidelity(epochs=0.1)``, as ``trial.fidelity``.

    Attributes:
        epochs: of the recipe's epochs.
        data: of the training examples.
        resolution: of height and width.
        schedule: ``complete``, where the learning rate reaches its end at this fidelity and a
            promotion trains anew; or ``prefix``, the full schedule cut short, where a promotion
            goes on from the checkpoint.
    """

    epochs: float = 1.0
    data: float = 1.0
    resolution: float = 1.0
    schedule: Literal["complete", "prefix"] = "complete"

    def __post_init__(self) -> None:
        for name in ("epochs", "data", "resolution"):
            value = getattr(self, name)
            if not 0.0 < value <= 1.0:
                raise StrategyError(
                    f"fidelity {name}={value}; expected a fraction of the recipe, above 0 and at "
                    "most 1"
                )
        if self.schedule not in ("complete", "prefix"):
            raise StrategyError(
                f"fidelity schedule={self.schedule!r}; expected 'complete' or 'prefix'"
            )

    @property
    def cost(self) -> float:
        """The work of a trial at this fidelity, as a fraction of a full one's."""
        return self.epochs * self.data * self.resolution**2

    @property
    def full(self) -> bool:
        """Whether this is the whole recipe."""
        return self.epochs == self.data == self.resolution == 1.0

    def to_json(self) -> list[Any]:
        """As plain JSON."""
        return [self.epochs, self.data, self.resolution, self.schedule]


FULL = Fidelity()


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
        told = [f"{name} {value:.6g}" for name, value in self.metrics.items()]
        if self.error is not None:
            error = " ".join(self.error.split())
            told.append(error if len(error) <= LONG else f"{error[: LONG - 3]}...")
        return f"trial {self.number} ({self.arm}, {self.state})" + (
            f": {', '.join(told)}" if told else ""
        )

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
