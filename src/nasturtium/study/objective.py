"""Objectives and constraints: metrics to maximise or minimise, and limits on metrics."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, final

from nasturtium.errors import StrategyError

__all__ = ["Objective", "parse_constraint", "parse_objective"]

# Metrics whose goal is known: these are minimised, and the next ones are maximised.
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
    """A metric to maximise or minimise; with a bound, a constraint.

    Attributes:
        metric: the name of a metric that the estimator gives, e.g. ``accuracy``.
        goal: ``max`` or ``min``.
        bound: the lowest (``max``) or highest (``min``) acceptable value.

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
        """Return how far ``value`` violates the bound, relative to the bound; 0 if it does not."""
        if self.bound is None:
            return 0.0
        beyond = (self.bound - value) * self.sign
        if beyond != beyond:  # NaN violates any bound
            return float("inf")
        return max(0.0, beyond / (abs(self.bound) or 1.0))

    def __str__(self) -> str:
        if self.bound is None:
            return f"{self.goal} {self.metric}"
        return f"{self.metric}{'>' if self.goal == 'max' else '<'}{self.bound:g}"

    def to_json(self) -> dict[str, Any]:
        """Return the objective as plain JSON."""
        return {"metric": self.metric, "goal": self.goal, "bound": self.bound}


def parse_objective(given: Objective | str) -> Objective:
    """Parse an objective: ``accuracy``, ``-latency``, ``min:energy`` or ``max:f1``.

    Unless the text gives a goal, costs are minimised (params, macs, flops, activations, latency,
    loss, error, energy, memory, also as a part of a name: ``latency_cpu``, ``val_loss``), and known
    measures of quality are maximised (accuracy, f1, auc, r2, iou and others,
    ``balanced_accuracy``).

    Raises:
        StrategyError: the text is not an objective, or the goal of its metric is unknown.
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
    """Parse a constraint: ``params<50k``, ``latency<5ms``, ``accuracy>=0.9``.

    The suffixes k, M and G multiply the number, and % divides it by 100; a latency is in
    milliseconds, and takes us, ms and s.

    Raises:
        StrategyError: the text is not a constraint.
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
