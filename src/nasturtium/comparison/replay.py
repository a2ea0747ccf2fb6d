"""Replay of one search on a benchmark: the true value of the best trial so far, over time.

The clock is simulated: a trial takes the time that the benchmark gives for it, on ``lanes``
machines that are idle only while the strategy waits. The trial that exceeds the budget still
counts, as in the protocol of NAS-Bench-201.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, final

from nasturtium.bench.benchmark import Benchmark
from nasturtium.errors import EstimateError, StrategyError
from nasturtium.study.history import History
from nasturtium.study.objective import Objective
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial
from nasturtium.train.seeds import derive_seed

if TYPE_CHECKING:
    from nasturtium.study.strategy import Strategy

__all__ = ["Run", "simulate"]


@final
@dataclass(frozen=True)
class Run:
    """One run: the changes of the incumbent, and its true value after each.

    Attributes:
        trials: number of finished trials at each change.
        clock: simulated seconds at each change; zeros if the benchmark has no times.
        truth: the incumbent's true value from then on.
        finished: number of finished trials.
        failed: number of failed trials.
        seconds: simulated seconds in total.
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
    """Run one search on a benchmark; return its result over time, and its study.

    Args:
        strategy: proposes the trials.
        benchmark: provides their results.
        seed: seed of the study, and of the choice among recorded training runs.
        trials: number of trials.
        seconds: simulated seconds after which no trial begins.
        lanes: number of simulated machines that work at the same time.
        objectives: metrics to maximise or minimise.
        constraints: constraints to meet.

    Raises:
        StrategyError: the strategy waits although no trial is pending, or the benchmark has no
            result for any of its trials.
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
            result = _query(benchmark, trial, seed)
            takes = 0.0 if isinstance(result, str) else result.get("seconds", 0.0)
            heapq.heappush(busy, (now + takes, trial.number, trial, result))
        if not busy:
            break
        now, number, trial, result = heapq.heappop(busy)
        free += 1
        if isinstance(result, str):
            study.fail(trial, result)
            continue
        study.tell(trial, result)
        ended = history.trial(number)
        if ended.state == "finished" and _is_better(history, ended, incumbent):
            incumbent = ended
            truth = benchmark.truth(ended.architecture)
            changes.append((len(history.finished), now, truth))
    count = len(history.finished)
    if asked and not count:
        reason = next((trial.error for trial in history if trial.error), "no result")
        raise StrategyError(
            f"{benchmark.name} has no result for any of {asked} trials of "
            f"{type(strategy).__name__}: {reason}"
        )
    failed = len(history.where(state="failed"))
    columns = tuple(zip(*changes, strict=True)) or ((), (), ())
    return Run(columns[0], columns[1], columns[2], count, failed, now), study


def _query(benchmark: Benchmark, trial: Trial, seed: int) -> Mapping[str, float] | str:
    run = Random(derive_seed(seed, trial.number, "run")) if benchmark.noisy else None
    try:
        return benchmark.query(trial.architecture, fidelity=trial.fidelity, run=run)
    except EstimateError as error:
        return str(error)


def _is_better(history: History, trial: Trial, incumbent: Trial | None) -> bool:
    """Return whether the study considers ``trial`` better than the incumbent."""
    if incumbent is None or trial.fidelity.cost > incumbent.fidelity.cost:
        return True
    same = trial.fidelity.cost == incumbent.fidelity.cost
    return same and history.rank(trial) > history.rank(incumbent)
