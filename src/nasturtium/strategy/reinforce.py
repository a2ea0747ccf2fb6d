"""REINFORCE: a policy samples each decision, and is trained by policy gradients.

Williams (1992), algorithm and name; Zoph & Le (2017), "Neural architecture search with
reinforcement learning"; Dong & Yang (2020) for a table of logits instead of a recurrent controller;
Tan et al. (2019), "MnasNet", section 3.1, for the reward under constraints.

Implemented: one logit for each option of each decision, asked in the builder's order, so that only
active decisions are answered and learned from; a baseline that is the running mean of rewards;
entropy regularisation; Adam or plain ascent; the reward  score * (value / bound)^w  for every
constraint, w = (-0.07, -0.07) soft or (0, -1) hard, below the bound and above it. The power needs
scores that are positive and larger when better. Where the objective is minimised, or from the first
negative score on, the reward with constraints is the rank instead: the share of the results so far
that a trial is at least as good as, where every trial that satisfies the constraints is better than
those that do not.
Deviations: logits do not depend on earlier answers except through which decisions are asked (the
recurrent controllers do); they begin at zero; with several workers the gradient is taken at the
current policy, not the one that sampled. A range with more than 64 values is cut into 16 bins.
The tests check the gradient against differences and reproduce the rows on NAS-Bench-201.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, final

from nasturtium.architecture import Architecture, Value
from nasturtium.decision.base import Decision
from nasturtium.decision.one_of import OneOf
from nasturtium.decision.range import Range
from nasturtium.decision.subset import Subset
from nasturtium.errors import Rejected, StrategyError
from nasturtium.study.fidelity import FULL
from nasturtium.study.history import History
from nasturtium.study.objective import Objective
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial

__all__ = ["REINFORCE"]

EXPONENTS = {"soft": (-0.07, -0.07), "hard": (0.0, -1.0)}
MOST, BINS, ATTEMPTS = 64, 16, 1000
LEAST = 1e-3  # of value / bound, below which a reward changes no more

Step = tuple[str, tuple[Value, ...], Value]  # decision, options, the one taken


@dataclass
class Policy:
    """Logits by decision and option, Adam's moments, and the baseline."""

    logits: dict[str, dict[Value, float]] = field(default_factory=dict)
    moments: dict[tuple[str, Value], tuple[float, float]] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    ranked: bool = False  # whether rewards are ranks
    ranks: list[tuple[float, float]] = field(default_factory=list)  # of results so far, rising
    total: float = 0.0  # of rewards, fading
    weight: float = 0.0  # of the same, so that their ratio is a mean from the start


@final
class REINFORCE(Strategy):
    """A policy over decisions, trained by rewards.

    Args:
        learning_rate: step of Adam or of plain ascent.
        optimizer: ``adam`` or ``sgd``.
        decay: of the baseline; nearer to 1 remembers longer.
        entropy: weight of the entropy bonus.
        reward: ``soft`` or ``hard``, how constraints enter; used only where the study has
        constraints and
            a positive objective that is maximised.

    Example:
        >>> import nasturtium as nas
        >>> study = nas.Study(nas.zoo.nasbench201, nas.REINFORCE(), store=None)
        >>> for _ in range(12):
        ...     trial = study.ask()
        ...     study.tell(trial, {"accuracy": len(set(trial.architecture.values()))})
        >>> max(study.state.logits["edge0_1"].values()) > 0
        True
    """

    def __init__(
        self,
        learning_rate: float = 0.1,
        optimizer: Literal["adam", "sgd"] = "adam",
        decay: float = 0.9,
        entropy: float = 0.0,
        reward: Literal["soft", "hard"] = "soft",
    ) -> None:
        if learning_rate <= 0 or not 0 <= decay < 1 or entropy < 0:
            raise StrategyError(
                f"REINFORCE got learning_rate={learning_rate}, decay={decay}, entropy={entropy}; "
                "expected above 0, from 0 to below 1, and at least 0"
            )
        if optimizer not in ("adam", "sgd"):
            raise StrategyError(f"REINFORCE got optimizer={optimizer!r}; expected 'adam' or 'sgd'")
        if reward not in EXPONENTS:
            raise StrategyError(f"REINFORCE got reward={reward!r}; expected 'soft' or 'hard'")
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.decay = decay
        self.entropy = entropy
        self.reward = reward

    def start(self) -> Policy:
        return Policy()

    def update(self, state: Policy, history: History, trial: Trial) -> Policy:
        if trial.state == "finished":
            space: Any = history.space
            steps = path(space.decisions(trial.architecture), trial.architecture)
            self._learn(state, steps, self._rewarded(state, history, trial))
        return state

    def propose(self, state: Policy, history: History, rng: Random) -> Proposal:
        space: Any = history.space
        if not hasattr(space, "decide"):
            raise StrategyError(
                f"REINFORCE answers a builder's decisions; {type(space).__name__} {space.name!r} "
                "asks none. Use RegularizedEvolution, which only mutates"
            )

        def answer(decision: Decision) -> Value:
            options = choices(decision)
            chances = softmax(state.logits.get(decision.name, {}), options)
            taken = rng.choices(options, chances)[0]
            return draw_in_bin(decision, taken, rng) if binned(decision) else taken

        for _ in range(ATTEMPTS):
            try:
                return Proposal(space.decide(answer), FULL)
            except Rejected as error:
                reason = error
        raise StrategyError(
            f"the policy drew {ATTEMPTS} architectures in a row that space {space.name!r} rejects "
            f"(the last: {reason}); build the limit into the options"
        )

    def _rewarded(self, state: Policy, history: History, trial: Trial) -> float:
        score = history.score(trial)
        if not history.constraints:
            return score
        rank = history.rank(trial)
        if not math.isnan(rank[0]):
            insort(state.ranks, rank)
        if not state.ranked and (history.objectives[0].goal == "min" or score < 0):
            state.ranked, state.total, state.weight = True, 0.0, 0.0
        if state.ranked:
            return bisect_right(state.ranks, rank) / max(1, len(state.ranks))
        for bound in history.constraints:
            score *= self._factor(bound, trial.metrics[bound.metric])
        return score

    def _factor(self, objective: Objective, value: float) -> float:
        assert objective.bound is not None
        if objective.bound <= 0:
            raise StrategyError(
                f"REINFORCE's reward is a power of value / bound, so bounds have to be positive; "
                f"got {objective}"
            )
        ratio = max(value / objective.bound, LEAST)
        if objective.goal == "max":
            ratio = 1.0 / ratio
        inside, beyond = EXPONENTS[self.reward]
        return float(ratio ** (inside if ratio <= 1.0 else beyond))

    def _learn(self, state: Policy, steps: Sequence[Step], reward: float) -> None:
        """Take one step of ascent on  advantage * log-probability + entropy bonus."""
        state.total = self.decay * state.total + (1 - self.decay) * reward
        state.weight = self.decay * state.weight + (1 - self.decay)
        advantage = reward - state.total / state.weight
        for (name, _, _), slope in zip(
            steps, gradient(state.logits, steps, advantage, self.entropy), strict=True
        ):
            logits = state.logits.setdefault(name, {})
            count = state.steps[name] = state.steps.get(name, 0) + 1
            for option, value in slope.items():
                change = (
                    value if self.optimizer == "sgd" else _adam(state, name, option, value, count)
                )
                logits[option] = logits.get(option, 0.0) + self.learning_rate * change


def gradient(
    logits: Mapping[str, Mapping[Value, float]],
    steps: Sequence[Step],
    advantage: float,
    entropy: float,
) -> list[dict[Value, float]]:
    """Return the derivative of  advantage * log p(path) + entropy * H  by each step's logits."""
    slopes = []
    for name, options, taken in steps:
        chances = softmax(logits.get(name, {}), options)
        logs = [math.log(max(chance, 1e-300)) for chance in chances]
        h = -sum(p * log for p, log in zip(chances, logs, strict=True))
        slopes.append(
            {
                option: advantage * ((option == taken) - p) - entropy * p * (log + h)
                for option, p, log in zip(options, chances, logs, strict=True)
            }
        )
    return slopes


def softmax(logits: Mapping[Value, float], options: Sequence[Value]) -> list[float]:
    """Return the probability of each option; an option without a logit has the logit 0."""
    values = [logits.get(option, 0.0) for option in options]
    top = max(values)
    weights = [math.exp(value - top) for value in values]
    total = sum(weights)
    return [weight / total for weight in weights]


def _adam(state: Policy, name: str, option: Value, slope: float, count: int) -> float:
    first, second = state.moments.get((name, option), (0.0, 0.0))
    first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope * slope
    state.moments[name, option] = (first, second)
    mean, square = first / (1 - 0.9**count), second / (1 - 0.999**count)
    return mean / (math.sqrt(square) + 1e-8)


def path(decisions: Sequence[Decision], architecture: Architecture) -> list[Step]:
    """Return the decisions with the policy's options and the one taken."""
    steps = []
    for decision in decisions:
        value = architecture[decision.name]
        taken = _bin(decision, value) if binned(decision) else value
        steps.append((decision.name, choices(decision), taken))
    return steps


def binned(decision: Decision) -> bool:
    """Return whether a range has too many values for a logit each."""
    return isinstance(decision, Range) and decision.count > MOST


def choices(decision: Decision) -> tuple[Value, ...]:
    """Return the options that have a logit: the answers, or the bins of a range."""
    if binned(decision):
        return tuple(range(BINS))
    if isinstance(decision, OneOf):
        return decision.options
    if isinstance(decision, Range):
        assert decision.step is not None
        count = int(decision.count)
        return tuple(decision.at(place) for place in range(count))
    assert isinstance(decision, Subset)
    if decision.count > 1024:
        raise StrategyError(
            f"REINFORCE keeps a logit for each answer; {decision!r} has {decision.count:,}. Ask "
            "for its members one by one"
        )
    return tuple(decision.every())


def draw_in_bin(decision: Decision, place: Value, rng: Random) -> Value:
    """Draw a number evenly from a bin of a range (in the logarithm where the range is so)."""
    assert isinstance(decision, Range) and isinstance(place, int)
    part = (place + rng.random()) / BINS
    if decision.log:
        return decision.nearest(decision.low * (decision.high / decision.low) ** part)
    return decision.nearest(decision.low + part * (decision.high - decision.low))


def _bin(decision: Decision, value: Value) -> int:
    assert isinstance(decision, Range) and isinstance(value, (int, float))
    if decision.log:
        part = math.log(value / decision.low) / math.log(decision.high / decision.low)
    else:
        part = (value - decision.low) / (decision.high - decision.low)
    return min(BINS - 1, int(part * BINS))
