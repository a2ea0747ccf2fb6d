"""Objectives and constraints: metrics to maximise, to minimise, or to keep within a bound."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, final

from nasturtium.errors import StrategyError

__all__ = ["Objective", "parse_constraint", "parse_objective"]

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


def parse_constraint(given: Objective | str) -> Objective:
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
