"""One search of a benchmark: what the best trial so far was truly worth, over time.

The clock is simulated: a trial takes what the benchmark says it took, on ``lanes`` machines that
never idle unless the strategy waits. The trial that crosses the budget still counts, as in
NAS-Bench-201's protocol.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, final

from nasturtium.bench.base import Benchmark
from nasturtium.errors import EstimateError, StrategyError
from nasturtium.study.history import History
from nasturtium.study.objective import Objective
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial
from nasturtium.train.seeds import mix

if TYPE_CHECKING:
    from nasturtium.study.strategy import Strategy

__all__ = ["Run", "simulate"]


@final
@dataclass(frozen=True)
class Run:
    """One run: when the incumbent changed, and what it was truly worth.

    Attributes:
        trials: number of finished trials at each change.
        clock: simulated seconds at each change; zeros where the benchmark has none.
        truth: the incumbent's truth from then on.
        finished: finished trials in all.
        failed: failed trials in all.
        seconds: simulated seconds in all.
    """

    trials: tuple[int, ...]
    clock: tuple[float, ...]
    truth: tuple[float, ...]
    finished: int
    failed: int
    seconds: float


def simulate(
    strategy: Strategy,
    benchmark: Benchmark,
    *,
    seed: int,
    trials: int | None = None,
    seconds: float | None = None,
    lanes: int = 1,
    objectives: Iterable[Objective | str] = ("accuracy",),
    constraints: Iterable[Objective | str] = (),
) -> tuple[Run, Study]:
    """One search of a benchmark; returns its result over time, and its study.

    Args:
        strategy: who proposes.
        benchmark: who answers.
        seed: of the study, and of the training runs that are drawn.
        trials: how many to ask for.
        seconds: simulated seconds after which no trial begins.
        lanes: simulated machines that work at the same time.
        objectives: metrics to make large or small.
        constraints: bounds to keep.

    Raises:
        StrategyError: the strategy waits although nothing is pending, or the benchmark answers
            none of its trials.
    """
    study = Study(
        benchmark.space, strategy, objectives=objectives, constraints=constraints, seed=seed
    )
    history = study.history
    incumbent: Trial | None = None
    changes: list[tuple[int, float, float]] = []
    busy: list[tuple[float, int, Trial, Mapping[str, float] | str]] = []
    now, free, asked = 0.0, lanes, 0
    while True:
        while free and (trials is None or asked < trials) and (seconds is None or now < seconds):
            trial = study.ask()
            if trial is None:
                if not busy:
                    raise StrategyError(
                        f"{type(strategy).__name__} waits after {asked} trials although none is "
                        "pending; propose() has to return a proposal then"
                    )
                break
            asked, free = asked + 1, free - 1
            answer = _answer(benchmark, trial, seed)
            takes = 0.0 if isinstance(answer, str) else answer.get("seconds", 0.0)
            heapq.heappush(busy, (now + takes, trial.number, trial, answer))
        if not busy:
            break
        now, number, trial, answer = heapq.heappop(busy)
        free += 1
        if isinstance(answer, str):
            study.fail(trial, answer)
            continue
        study.tell(trial, answer)
        told = history.trial(number)
        if told.state == "finished" and _better(history, told, incumbent):
            incumbent = told
            truth = benchmark.truth(told.architecture)
            changes.append((len(history.finished), now, truth))
    count = len(history.finished)
    if asked and not count:
        reason = next((trial.error for trial in history if trial.error), "nothing was answered")
        raise StrategyError(
            f"none of {asked} trials of {type(strategy).__name__} could be answered by "
            f"{benchmark.name}: {reason}"
        )
    failed = len(history.where(state="failed"))
    columns = tuple(zip(*changes, strict=True)) or ((), (), ())
    return Run(columns[0], columns[1], columns[2], count, failed, now), study


def _answer(benchmark: Benchmark, trial: Trial, seed: int) -> Mapping[str, float] | str:
    run = Random(mix(seed, trial.number, "run")) if benchmark.noisy else None
    try:
        return benchmark.query(trial.architecture, fidelity=trial.fidelity, run=run)
    except EstimateError as error:
        return str(error)


def _better(history: History, trial: Trial, incumbent: Trial | None) -> bool:
    """Whether the study would name ``trial`` its best, rather than the incumbent."""
    if incumbent is None or trial.fidelity.cost > incumbent.fidelity.cost:
        return True
    same = trial.fidelity.cost == incumbent.fidelity.cost
    return same and history.rank(trial) > history.rank(incumbent)
