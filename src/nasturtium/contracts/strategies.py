"""The contract of a search strategy."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from random import Random
from typing import Any

from nasturtium.architecture import Architecture
from nasturtium.contracts.assertions import alike, leaves_randomness_alone, require, unchanged
from nasturtium.contracts.spaces import check_member
from nasturtium.contracts.watched_strategy import WatchedStrategy, first_difference
from nasturtium.space.base import Space
from nasturtium.space.choice_space import ChoiceSpace
from nasturtium.study.event import decode, encode
from nasturtium.study.objective import Objective, parse_objective
from nasturtium.study.stores.memory import MemoryStore
from nasturtium.study.strategy import Strategy
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial

__all__ = ["check_strategy"]

Estimate = Callable[[Architecture], Mapping[str, float]]
POINTS = 3  # of the curves that are reported
HEIGHTS = (0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.5, 2.0)  # of curves that are asked about
Step = tuple[str, int]  # ("ask", 0), or ("tell", "fail" or "stop", which of the pending trials)


def check_strategy(
    strategy: Strategy,
    space: Space | None = None,
    *,
    objectives: Iterable[Objective | str] = ("accuracy",),
    estimate: Estimate | None = None,
    trials: int = 60,
    cuts: int = 12,
    seed: int = 0,
) -> None:
    """Check that a strategy keeps the rules that studies rely on.

    * The constructor only stores: every argument is an attribute of its name, and an instance
      made of the attributes is alike. No argument has the name of a method.
    * ``propose`` and ``stops`` change nothing of their state but the contents of a
      :class:`~nasturtium.study.memo.Memo`.
    * Nothing is kept on the instance, and no global generator is used: one instance in two
      studies at once does what two instances do, and the same seed gives the same study.
    * Proposals lie in the space; parents and resumed trials are earlier trials of the search.
    * It works with several workers whose results arrive in any order, with failed, rejected and
      stopped trials, and while no trial has finished; it waits only while a trial is pending.
    * A trial that was stopped early is not a result: its metrics change no proposal, and no trial
      inherits from it or resumes it.
    * A study that is interrupted anywhere and resumed continues identically, and the events of its
      log lead to the same state.
    * Whether it stops a running trial does not depend on trials that finished after that one was
      asked for: with several workers these differ from run to run.

    Args:
        strategy: the strategy.
        space: the space that is searched; a small space with conditions if not given.
        objectives: of the studies.
        estimate: metrics of an architecture; for each objective a number that depends on the
            architecture's key if not given.
        trials: how many are asked for.
        cuts: at how many places a study is interrupted.
        seed: of the studies.

    Raises:
        AssertionError: a rule is broken; the message names it.

    Example:
        >>> import nasturtium as nas
        >>> from nasturtium.contracts import check_strategy
        >>> check_strategy(nas.RegularizedEvolution(population=10, sample=3))
    """
    name = type(strategy).__name__
    goals = tuple(map(parse_objective, objectives))
    _check_constructor(strategy)
    runs = _Runs(strategy, space or ChoiceSpace(_branches, "branches"), goals, estimate, seed)
    for script, what in (
        (_in_turn(trials), "one worker"),
        (_in_turn(trials, failing=10), "one worker, the first ten trials failing or stopped"),
        (_at_once(trials, seed), "four workers, some trials stopped"),
    ):
        with unchanged(strategy), leaves_randomness_alone(name):
            whole, ends = runs.whole(script, WatchedStrategy(strategy))
        log = _text(whole)
        require(
            bool(log) and log == _text(runs.whole(script)[0]),
            f"{name} ({what}): the same seed gave another study; use nothing but the state, the "
            "history and the generator that propose is given",
        )
        _check_interruptions(runs, script, whole, ends, cuts, f"{name} ({what})")
        runs.stopped = -1e6
        require(
            _asked(log) == _asked(_text(runs.whole(script)[0])),
            f"{name} ({what}): proposals depend on the metrics of trials that were stopped early; "
            "learn from history.finished, or from their curves",
        )
        runs.stopped = 1e6
    script = _in_turn(trials)
    two = [runs.study(), runs.study(seed + 1)]
    for step in script:
        for study in two:
            runs.take(study, step)
    require(
        _text(two[0]) == _text(runs.whole(script)[0]),
        f"{name}: one instance in two studies at once does not do what it does in one",
    )


def _branches(choose: Any) -> Callable[[], Any]:
    """Build nothing, from conditional decisions that a strategy has to respect."""
    for block in range(choose("depth", (1, 2, 3))):
        with choose.scope(f"block{block}"):
            if choose("kind", ("plain", "wide")) == "wide":
                choose("width", (8, 16, 32, 64))
            choose.subset("inputs", ("a", "b", "c"), least=1)
    choose("kernel", (3, 5, 7))
    return _nothing


def _nothing() -> None:
    raise AssertionError("the space that strategies are checked on builds no networks")


def _check_constructor(strategy: Strategy) -> None:
    kind = type(strategy)
    arguments: dict[str, Any] = {}
    if kind.__init__ is not object.__init__:
        for parameter in list(inspect.signature(kind.__init__).parameters.values())[1:]:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                return
            require(
                parameter.name not in vars(Strategy),
                f"{kind.__name__} has an argument {parameter.name!r}, which hides the method "
                f"{parameter.name}() when the constructor stores it; give it another name",
            )
            require(
                hasattr(strategy, parameter.name),
                f"{kind.__name__} does not keep its argument {parameter.name!r} under its name; "
                "constructors only store, and the study's manifest says what they stored",
            )
            arguments[parameter.name] = getattr(strategy, parameter.name)
    require(
        alike(vars(kind(**arguments)), vars(strategy)),
        f"{kind.__name__} made of its attributes differs from itself ({vars(strategy)!r}); "
        "constructors only store",
    )


class _Runs:
    """Studies of one strategy, and steps taken in them."""

    def __init__(
        self,
        strategy: Strategy,
        space: Space,
        goals: tuple[Objective, ...],
        estimate: Estimate | None,
        seed: int,
    ) -> None:
        self.strategy = strategy
        self.space = space
        self.goals = goals
        self.estimate = estimate or self._numbers
        self.seed = seed
        self.stopped = 1e6  # the metrics of a stopped trial
        self._asked: dict[tuple[Study, int], list[bool]] = {}  # the results of _stops

    def _numbers(self, architecture: Architecture) -> dict[str, float]:
        """Return a number from 0 to 1 for each objective, by the architecture's key."""
        texts = (f"{goal.metric} {architecture.key}" for goal in self.goals)
        values = (int(sha256(text.encode()).hexdigest()[:8], 16) / 2**32 for text in texts)
        return {goal.metric: value for goal, value in zip(self.goals, values, strict=True)}

    def _screen(self, architecture: Architecture) -> dict[str, float]:
        """Return a free metric with a constraint that one proposal in sixteen violates."""
        return {"contract": float(int(architecture.key[0], 16))}

    def study(
        self,
        seed: int | None = None,
        store: MemoryStore | None = None,
        strategy: Strategy | None = None,
    ) -> Study:
        return Study(
            self.space,
            strategy or self.strategy,
            objectives=self.goals,
            constraints=(Objective("contract", "min", bound=14.5),),
            store=store or MemoryStore(),
            seed=self.seed if seed is None else seed,
            screen=self._screen,
        )

    def take(self, study: Study, step: Step) -> None:
        what, which = step
        pending = study.history.pending
        if what == "ask":
            trial = study.ask()
            if trial is None:
                require(
                    bool(pending or study.history.finished),
                    f"{type(self.strategy).__name__} proposes nothing after {len(study.history)} "
                    "trials, of which none is pending and none has finished",
                )
            else:
                self._check_proposal(study, trial)
                self._asked[study, trial.number] = self._stops(study, trial)
        elif pending:
            trial = pending[which % len(pending)]
            self._check_stops(study, trial)
            if what == "fail":
                study.fail(trial, "failed by the contract")
            elif what == "stop":
                values = {goal.metric: self.stopped for goal in self.goals}
                study.tell(trial, {**values, **self._screen(trial.architecture)}, stopped=True)
            else:
                metrics = self.estimate(trial.architecture)
                study.tell(trial, metrics, curve=_curve(metrics))

    def _check_proposal(self, study: Study, trial: Trial) -> None:
        name = type(self.strategy).__name__
        check_member(self.space, trial.architecture, f"{name}.propose")
        searched = {earlier.number: earlier for earlier in study.searched}
        for role in ("parent", "resume"):
            number = getattr(trial.proposal, role)
            require(
                number is None or (number != trial.number and number in searched),
                f"{name}.propose gave {role}={number!r} to trial {trial.number}; expected the "
                "number of an earlier trial of its history",
            )
            require(
                number is None or searched[number].state != "stopped",
                f"{name}.propose gave {role}={number!r} to trial {trial.number}, which was stopped "
                "early; a stopped trial is not a result",
            )
        if trial.proposal.resume is not None:
            earlier = searched[trial.proposal.resume]
            require(
                earlier.state == "finished" and earlier.architecture == trial.architecture,
                f"{name}.propose resumes trial {earlier.number} ({earlier.state}); expected a "
                "finished one of the same architecture",
            )

    def _stops(self, study: Study, trial: Trial) -> list[bool]:
        """Return whether the trial would be stopped, for curves of several lengths and heights."""
        if type(self.strategy).stops is Strategy.stops:
            return []
        end = self.estimate(trial.architecture)
        curves = [_curve({name: share * end[name] for name in end}) for share in HEIGHTS]
        return [
            study.strategy.stops(study.state, study.searched, trial._replace(curve=curve[:length]))
            for curve in curves
            for length in range(1, POINTS + 1)
        ]

    def _check_stops(self, study: Study, trial: Trial) -> None:
        asked = self._asked.pop((study, trial.number), None)
        require(
            asked is None or asked == self._stops(study, trial),
            f"{type(self.strategy).__name__}.stops answers otherwise about trial {trial.number} "
            "after others have finished; it may use history.before(trial), and nothing later",
        )

    def whole(
        self, script: list[Step], strategy: Strategy | None = None
    ) -> tuple[Study, list[int]]:
        """Return a study that took all steps, and the length of its log after each."""
        study, ends = self.study(strategy=strategy), []
        for step in script:
            self.take(study, step)
            ends.append(study.store.append(study.name, []))
        return study, ends


def _asked(log: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(kind, body) for kind, body in log if kind in ("asked", "rejected")]


def _curve(metrics: Mapping[str, float]) -> tuple[dict[str, float], ...]:
    """Return a curve that rises to the metrics."""
    return tuple(
        {name: value * (point + 1) / POINTS for name, value in metrics.items()}
        for point in range(POINTS)
    )


def _text(study: Study) -> list[tuple[str, str]]:
    return [(event.kind, encode(event)[0]) for event in study.store.read(study.name)]


def _check_interruptions(
    runs: _Runs,
    script: list[Step],
    whole: Study,
    ends: list[int],
    cuts: int,
    name: str,
) -> None:
    log = _text(whole)
    for cut in range(0, len(script), max(1, len(script) // cuts)):
        store = MemoryStore()
        length = ends[cut - 1] if cut else 0
        store.append("study", [decode(kind, body, "") for kind, body in log[:length]])
        study = runs.study(store=store)
        while study.interrupted:  # handed out first, and answered by the steps to come
            study.ask()
        for step in script[cut:]:
            runs.take(study, step)
        found = _text(study)
        same = next(
            (i for i, pair in enumerate(zip(log, found, strict=False)) if len(set(pair)) > 1), None
        )
        require(
            found == log,
            f"{name}: interrupted after {length} events and resumed from its log, the study "
            f"continued differently, from event {same} on; whatever propose uses has to follow "
            "from the state, the history and the generator",
        )
        require(
            alike(study.state, whole.state),
            f"{name}: interrupted after {length} events and resumed from its log, the study came "
            f"to another state{first_difference(whole.state, study.state)}; update may use nothing "
            "but the state, the history and the trial",
        )


def _in_turn(trials: int, failing: int = 0) -> list[Step]:
    """Return the steps of one worker; the first trials fail or are stopped, then every ninth."""
    steps: list[Step] = []
    for number in range(trials):
        fails = number < failing or number % 9 == 8
        fault = "stop" if number < failing and number % 2 else "fail"
        steps += [("ask", 0), (fault if fails else "tell", 0)]
    return steps


def _at_once(trials: int, seed: int) -> list[Step]:
    """Return the steps of four workers whose results arrive in any order."""
    rng, out = Random(seed), 0
    steps: list[Step] = []
    while trials:
        if out < 4 and rng.random() < 0.6:
            steps.append(("ask", 0))
            out, trials = out + 1, trials - 1
        elif out:
            what = rng.choices(("tell", "fail", "stop"), (0.75, 0.1, 0.15))[0]
            steps.append((what, rng.randrange(12)))
            out -= 1
    return steps
