"""Comparison of strategies on one benchmark at the same budget, over many seeds.

Every run is a separate study in memory. The result of a run at any moment is the true value of
the trial that the search considers best (:meth:`~nasturtium.study.history.History.best`), so that
noise and low fidelities mislead as in a real search. With ``seconds`` the clock is simulated.
"""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from nasturtium.bench.benchmark import Benchmark
from nasturtium.comparison.replay import Run, simulate
from nasturtium.comparison.statistics import mean_interval, pairwise_p_values
from nasturtium.errors import StrategyError
from nasturtium.execute.serialize import dumps
from nasturtium.renamed import with_new_arguments
from nasturtium.run.arguments import check_objectives
from nasturtium.run.preflight import check_budget, check_fidelities
from nasturtium.study.objective import Objective
from nasturtium.train.check_arguments import check_types, find_type_hints
from nasturtium.train.seeds import derive_seed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nasturtium.study.strategy import Strategy

__all__ = ["Race", "race"]

POINTS = 200  # of an anytime curve over seconds
MAX_FAILED = 0.1  # share of failed trials up to which a strategy is ranked


@with_new_arguments("race")
def race(
    strategies: Mapping[str, Strategy] | Iterable[str],
    benchmark: Benchmark,
    *,
    trials: int | None = None,
    seconds: float | None = None,
    repeats: int = 100,
    workers: int | None = None,
    lanes: int = 1,
    objectives: Iterable[Objective | str] = ("accuracy",),
    constraints: Iterable[Objective | str] = (),
    seed: int = 0,
) -> Race:
    """Compare strategies on a benchmark at the same budget.

    Args:
        strategies: instances by label, or names such as ``evolution(population=10)``.
        benchmark: the benchmark.
        trials: budget in trials; give this or ``seconds``.
        seconds: budget in simulated seconds.
        repeats: number of seeds of each strategy, the same for all.
        workers: number of processes; the number of cores (at most 2) if not given; 1 runs in this
            process.
        lanes: number of simulated machines that work at the same time.
        objectives: metrics to maximise or minimise; the first determines the incumbent.
        constraints: constraints to meet, e.g. ``("params<1M",)``.
        seed: determines the whole race, whatever the number of workers.

    Raises:
        StrategyError: there is no strategy, there are no or two budgets, there are too few repeats
            for an interval, or a strategy trains at fidelities that the benchmark does not have.
        EstimateError: the benchmark does not have an objective.

    Example:
        >>> from nasturtium.bench.pool_benchmark import PoolBenchmark
        >>> from nasturtium.comparison.race import race
        >>> from nasturtium.space.pool_space import PoolSpace
        >>> pool = PoolSpace("line", [{"x": x} for x in range(50)], [[x] for x in range(50)])
        >>> line = PoolBenchmark("line", pool, {"accuracy": [x / 50 for x in range(50)]})
        >>> raced = race(["random"], line, trials=20, repeats=4, workers=1)
        >>> 0.8 < raced.mean("random") <= line.best
        True
    """
    check_types("race", dict(locals()), find_type_hints(race), StrategyError)
    runners = _named(strategies)
    objectives, constraints = (
        check_objectives("objectives", objectives),
        check_objectives("constraints", constraints),
    )
    if (trials is None) == (seconds is None):
        raise StrategyError(
            "a race needs one budget: trials=100, or seconds=12_000 of simulated time"
        )
    if repeats < 2 or (trials is not None and trials < 1) or (seconds is not None and seconds <= 0):
        raise StrategyError(
            f"a race got trials={trials}, seconds={seconds}, repeats={repeats}; expected a budget "
            "above 0 and at least 2 repeats, since one run has no spread"
        )
    benchmark.check((*objectives, *constraints))
    if (seconds is not None or lanes > 1) and "seconds" not in benchmark.metrics:
        raise StrategyError(
            f"{benchmark.name} has no training times, so the clock cannot be simulated; give the "
            "budget as trials=..., with lanes=1"
        )
    for label, strategy in runners.items():
        check_fidelities(label, strategy, benchmark)
        if trials is not None:
            check_budget(label, strategy, trials)
    settings: dict[str, Any] = {
        "trials": trials,
        "seconds": seconds,
        "lanes": lanes,
        "objectives": objectives,
        "constraints": constraints,
    }
    seeds = [derive_seed(seed, repeat) for repeat in range(repeats)]
    count = min(2, os.cpu_count() or 1) if workers is None else workers
    runs = _run_all(runners, benchmark, seeds, settings, count)
    return Race(benchmark.name, benchmark.best, trials, seconds, seed, runs)


def _named(strategies: Mapping[str, Strategy] | Iterable[str]) -> dict[str, Strategy]:
    if isinstance(strategies, str):
        strategies = (strategies,)
    if isinstance(strategies, Mapping):
        runners = dict(strategies)
    else:
        from nasturtium.run.names import build_part

        runners = {name: build_part("strategy", name) for name in strategies}
    if not runners:
        raise StrategyError("a race got no strategies; give at least one, e.g. ['random']")
    return runners


def _run_all(
    runners: Mapping[str, Strategy],
    benchmark: Benchmark,
    seeds: list[int],
    settings: Mapping[str, Any],
    workers: int,
) -> dict[str, tuple[Run, ...]]:
    if workers <= 1:
        return {name: _run_seeds(s, benchmark, seeds, settings) for name, s in runners.items()}
    from joblib import Parallel, delayed

    size = max(1, -(-len(seeds) // (2 * workers)))  # two parts for each worker, to balance them
    parts = [seeds[start : start + size] for start in range(0, len(seeds), size)]
    jobs = [(name, part) for name in runners for part in parts]
    # Objects of the main program, or of a user's file, are sent by value.
    sent = {name: dumps((strategy, benchmark, settings)) for name, strategy in runners.items()}
    found = Parallel(n_jobs=workers)(
        delayed(_run_in_worker)(sys.path, sent[name], part) for name, part in jobs
    )
    runs: dict[str, tuple[Run, ...]] = dict.fromkeys(runners, ())
    for (name, _), some in zip(jobs, found, strict=True):
        runs[name] += some
    return runs


def _run_seeds(
    strategy: Strategy, benchmark: Benchmark, seeds: list[int], settings: Mapping[str, Any]
) -> tuple[Run, ...]:
    return tuple(simulate(strategy, benchmark, seed=seed, **settings)[0] for seed in seeds)


def _run_in_worker(folders: list[str], sent: bytes, seeds: list[int]) -> tuple[Run, ...]:
    """Run a strategy with some seeds, in a worker process."""
    sys.path[:] = folders
    strategy, benchmark, settings = pickle.loads(sent)
    return _run_seeds(strategy, benchmark, seeds, settings)


@final
@dataclass(frozen=True)
class Race:
    """The result of a race; ``print`` it to read it.

    Attributes:
        benchmark: the name of the benchmark.
        best: the highest true value in the benchmark.
        trials: the budget in trials, or ``None``.
        seconds: the budget in simulated seconds, or ``None``.
        seed: the seed of the race.
        runs: the runs of each strategy, paired by their place.

    Example:
        >>> import nasturtium as nas
        >>> pool = nas.PoolSpace("line", [{"x": x} for x in range(9)], [[x] for x in range(9)])
        >>> line = nas.PoolBenchmark("line", pool, {"accuracy": [x / 9 for x in range(9)]})
        >>> strategies = {"first": nas.RandomSearch(), "second": nas.RandomSearch()}
        >>> race = nas.race(strategies, line, trials=5, repeats=2, workers=1)
        >>> isinstance(race, nas.Race), race.failed("first"), race.ranked("second")
        (True, 0, True)
    """

    benchmark: str
    best: float
    trials: int | None
    seconds: float | None
    seed: int
    runs: Mapping[str, tuple[Run, ...]]

    def truths(self, name: str) -> NDArray[np.float64]:
        """Return the true value of every run's final incumbent, NaN without one: (repeats,)."""
        return np.array([run.truth[-1] if run.truth else np.nan for run in self.runs[name]])

    def failed(self, name: str) -> int:
        """Return the number of failed trials over all runs of a strategy."""
        return sum(run.failed for run in self.runs[name])

    def ranked(self, name: str) -> bool:
        """Return whether a strategy is ranked: not if more than a tenth of its trials failed.

        Such a strategy used less of the budget than the others and is not compared with them.
        """
        asked = sum(run.finished + run.failed for run in self.runs[name])
        return self.failed(name) <= MAX_FAILED * asked

    def mean(self, name: str) -> float:
        """Return the mean true value over repeats."""
        return float(np.nanmean(self.truths(name)))

    def interval(self, name: str) -> tuple[float, float]:
        """Return the 95 % interval of the mean (Student's t over repeats)."""
        low, high = mean_interval(self.truths(name)[:, None])
        return float(low[0]), float(high[0])

    def grid(self) -> NDArray[np.float64]:
        """Return the grid of the curves: every trial, or points in simulated time."""
        if self.trials is not None:
            return np.arange(1.0, self.trials + 1)
        assert self.seconds is not None
        return np.linspace(0.0, self.seconds, POINTS + 1)[1:]

    def curves(self, name: str) -> NDArray[np.float64]:
        """Return the incumbent's true value over the grid, first NaN: (repeats, points)."""
        grid = self.grid()
        rows = []
        for run in self.runs[name]:
            at = np.array(run.trials if self.trials is not None else run.clock, dtype=float)
            values = np.array((np.nan, *run.truth))
            rows.append(values[np.searchsorted(at, grid, side="right")])
        return np.array(rows)

    def significance(self) -> dict[tuple[str, str], float]:
        """Return the corrected p-value that two strategies differ, for every ranked pair."""
        ranked = (name for name in self.runs if self.ranked(name))
        return pairwise_p_values({name: self.truths(name) for name in ranked})

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON: budget, results, curves and p-values."""
        strategies = {}
        for name in self.runs:
            curve = self.curves(name)
            low, high = mean_interval(curve)
            strategies[name] = {
                "mean": self.mean(name),
                "interval": list(self.interval(name)),
                "truths": self.truths(name).tolist(),
                "curve": {
                    "mean": _without_nan(curve.mean(0)),
                    "low": _without_nan(low),
                    "high": _without_nan(high),
                },
                "finished": [run.finished for run in self.runs[name]],
                "failed": self.failed(name),
                "ranked": self.ranked(name),
            }
        return {
            "benchmark": self.benchmark,
            "best": self.best,
            "trials": self.trials,
            "seconds": self.seconds,
            "seed": self.seed,
            "grid": self.grid().tolist(),
            "strategies": strategies,
            "significance": [[a, b, p] for (a, b), p in self.significance().items()],
        }

    def plot(self, path: str | Path) -> Path:
        """Write the anytime curves with their 95 % bands as one self-contained HTML file."""
        import plotly.graph_objects as go
        from plotly.colors import qualitative

        figure = go.Figure()
        grid = self.grid()
        for place, name in enumerate(self.runs):
            colour = qualitative.Plotly[place % len(qualitative.Plotly)]
            curve = 100 * self.curves(name)
            low, high = mean_interval(curve)
            known = ~np.isnan(low)
            band = np.concatenate([high[known], low[known][::-1]])
            along = np.concatenate([grid[known], grid[known][::-1]])
            shared = {"legendgroup": name, "line": {"color": colour}}
            figure.add_scatter(
                x=along, y=band, fill="toself", opacity=0.25, showlegend=False,
                hoverinfo="skip", mode="none", fillcolor=colour, legendgroup=name,
            )  # fmt: skip
            figure.add_scatter(x=grid, y=curve.mean(0), name=name, mode="lines", **shared)
        figure.update_layout(
            title=f"{self.benchmark}: {len(next(iter(self.runs.values())))} runs, 95 % intervals",
            xaxis_title="trials" if self.trials is not None else "simulated seconds",
            yaxis_title="truth of the incumbent, %",
            template="plotly_white",
        )
        path = Path(path)
        figure.write_html(path, include_plotlyjs=True)
        return path

    def __str__(self) -> str:
        budget = (
            f"{self.trials} trials"
            if self.trials is not None
            else f"{self.seconds:,.0f} simulated s"
        )
        repeats = len(next(iter(self.runs.values())))
        wide = max(8, *map(len, self.runs))
        lines = [
            f"{self.benchmark}: {budget}, {repeats} runs each, best {100 * self.best:.2f} %",
            f"{'strategy':{wide}}   mean %   95 % interval     std   regret  trials  failed",
        ]
        order = sorted(self.runs, key=lambda name: (self.ranked(name), self.mean(name)))[::-1]
        for name in order:
            mean, (low, high) = 100 * self.mean(name), self.interval(name)
            spread = 100 * float(np.nanstd(self.truths(name), ddof=1))
            count = np.mean([run.finished for run in self.runs[name]])
            failed = self.failed(name) / repeats
            lines.append(
                f"{name:{wide}}  {mean:7.3f}  {100 * low:7.3f}–{100 * high:7.3f}  {spread:6.3f}  "
                f"{100 * self.best - mean:7.3f}  {count:6.1f}  {failed:6.1f}"
            )
        lines += [
            f"{name} is not ranked: {self.failed(name)} of its trials failed in {repeats} runs, "
            "while the others used their whole budget"
            for name in order
            if not self.ranked(name)
        ]
        for pair, p in self.significance().items():
            if order[0] in pair:
                other = pair[pair[0] == order[0]]
                verdict = "differ" if p < 0.05 else "do not differ significantly"
                lines.append(f"{order[0]} and {other} {verdict} (p = {p:.2g}, Wilcoxon, Holm)")
        return "\n".join(lines)


def _without_nan(values: NDArray[np.float64]) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]
