"""Races: strategies on one benchmark, at the same budget, over many seeds.

Every run is its own study in memory. A run's result at any moment is the truth of the trial that
looks best to the search (:meth:`~nasturtium.study.history.History.best`), so noise and low
fidelities mislead here as they would in earnest. With ``seconds`` the clock is simulated.
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

from nasturtium.bench.base import Benchmark
from nasturtium.comparison.replay import Run, simulate
from nasturtium.errors import StrategyError
from nasturtium.execute.serialize import packed
from nasturtium.run.arguments import goals_in
from nasturtium.run.preflight import check_budget, check_fidelities
from nasturtium.study.objective import Objective
from nasturtium.train.fields import check_types, hints_of
from nasturtium.train.seeds import mix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from nasturtium.study.strategy import Strategy

__all__ = ["Race", "race"]

POINTS = 200  # of an anytime curve over seconds
TOLERATED = 0.1  # share of failed trials up to which a strategy is ranked


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
    """Race strategies on a benchmark at the same budget.

    Args:
        strategies: instances by label, or names such as ``evolution(population=10)``.
        benchmark: the table.
        trials: budget in trials; give this or ``seconds``.
        seconds: budget in simulated seconds.
        repeats: seeds of each strategy, the same for all.
        workers: processes; the number of cores (at most 2) if not given, 1 stays in this one.
        lanes: simulated machines that work at the same time.
        objectives: metrics to make large or small; the first names the incumbent.
        constraints: bounds to keep.
        seed: the whole race is keyed by it, whatever the number of workers.

    Raises:
        StrategyError: no strategy, no or two budgets, too few repeats for an interval, or a
            strategy that trains at fidelities which the benchmark does not hold.
        EstimateError: an objective that the benchmark lacks.

    Example:
        >>> from nasturtium.bench.pool import PoolBenchmark
        >>> from nasturtium.comparison.race import race
        >>> from nasturtium.space.pool_space import PoolSpace
        >>> pool = PoolSpace("line", [{"x": x} for x in range(50)], [[x] for x in range(50)])
        >>> line = PoolBenchmark("line", pool, {"accuracy": [x / 50 for x in range(50)]})
        >>> raced = race(["random"], line, trials=20, repeats=4, workers=1)
        >>> 0.8 < raced.mean("random") <= line.best
        True
    """
    check_types("race", dict(locals()), hints_of(race), StrategyError)
    runners = _named(strategies)
    objectives, constraints = (
        goals_in("objectives", objectives),
        goals_in("constraints", constraints),
    )
    if (trials is None) == (seconds is None):
        raise StrategyError(
            "a race needs one budget: trials=100, or seconds=12_000 of simulated time"
        )
    if repeats < 2 or (trials is not None and trials < 1) or (seconds is not None and seconds <= 0):
        raise StrategyError(
            f"a race got trials={trials}, seconds={seconds}, repeats={repeats}; expected a budget "
            "above 0 and at least 2 repeats, since one run says nothing of its spread"
        )
    benchmark.check((*objectives, *constraints))
    if (seconds is not None or lanes > 1) and "seconds" not in benchmark.metrics:
        raise StrategyError(
            f"{benchmark.name} holds no training times, so its clock cannot be simulated; give the "
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
    seeds = [mix(seed, repeat) for repeat in range(repeats)]
    count = min(2, os.cpu_count() or 1) if workers is None else workers
    runs = _all(runners, benchmark, seeds, settings, count)
    return Race(benchmark.name, benchmark.best, trials, seconds, seed, runs)


def _named(strategies: Mapping[str, Strategy] | Iterable[str]) -> dict[str, Strategy]:
    if isinstance(strategies, str):
        strategies = (strategies,)
    if isinstance(strategies, Mapping):
        runners = dict(strategies)
    else:
        from nasturtium.run.names import made

        runners = {name: made("strategy", name) for name in strategies}
    if not runners:
        raise StrategyError("a race got no strategies; give at least one, e.g. ['random']")
    return runners


def _all(
    runners: Mapping[str, Strategy],
    benchmark: Benchmark,
    seeds: list[int],
    settings: Mapping[str, Any],
    workers: int,
) -> dict[str, tuple[Run, ...]]:
    if workers <= 1:
        return {name: _some(s, benchmark, seeds, settings) for name, s in runners.items()}
    from joblib import Parallel, delayed

    size = max(1, -(-len(seeds) // (2 * workers)))  # two parts each, so that none waits for long
    parts = [seeds[start : start + size] for start in range(0, len(seeds), size)]
    jobs = [(name, part) for name in runners for part in parts]
    # Parts of the main program, or of a file of the user's, travel by value.
    sent = {name: packed((strategy, benchmark, settings)) for name, strategy in runners.items()}
    found = Parallel(n_jobs=workers)(
        delayed(_elsewhere)(sys.path, sent[name], part) for name, part in jobs
    )
    runs: dict[str, tuple[Run, ...]] = dict.fromkeys(runners, ())
    for (name, _), some in zip(jobs, found, strict=True):
        runs[name] += some
    return runs


def _some(
    strategy: Strategy, benchmark: Benchmark, seeds: list[int], settings: Mapping[str, Any]
) -> tuple[Run, ...]:
    return tuple(simulate(strategy, benchmark, seed=seed, **settings)[0] for seed in seeds)


def _elsewhere(folders: list[str], sent: bytes, seeds: list[int]) -> tuple[Run, ...]:
    """The runs of some seeds, in a worker process."""
    sys.path[:] = folders
    strategy, benchmark, settings = pickle.loads(sent)
    return _some(strategy, benchmark, seeds, settings)


@final
@dataclass(frozen=True)
class Race:
    """What came of a race.

    Attributes:
        benchmark: its name.
        best: the highest truth in the table.
        trials: the budget in trials, if it was given so.
        seconds: the budget in simulated seconds, if it was given so.
        seed: what all was keyed by.
        runs: the runs of each strategy, paired by their place.
    """

    benchmark: str
    best: float
    trials: int | None
    seconds: float | None
    seed: int
    runs: Mapping[str, tuple[Run, ...]]

    def truths(self, name: str) -> NDArray[np.float64]:
        """The truth of every run's final incumbent; NaN where no trial finished: (repeats,)."""
        return np.array([run.truth[-1] if run.truth else np.nan for run in self.runs[name]])

    def failed(self, name: str) -> int:
        """How many trials failed, over all runs of a strategy."""
        return sum(run.failed for run in self.runs[name])

    def ranked(self, name: str) -> bool:
        """Whether a strategy is ranked: not if more than a tenth of its trials failed.

        It had less of the budget than the others then, and is not compared with them.
        """
        asked = sum(run.finished + run.failed for run in self.runs[name])
        return self.failed(name) <= TOLERATED * asked

    def mean(self, name: str) -> float:
        """The mean truth over repeats."""
        return float(np.nanmean(self.truths(name)))

    def interval(self, name: str) -> tuple[float, float]:
        """The 95 % interval of the mean (Student's t over repeats)."""
        low, high = _interval(self.truths(name)[:, None])
        return float(low[0]), float(high[0])

    def grid(self) -> NDArray[np.float64]:
        """Where curves are given: every trial, or points in simulated time."""
        if self.trials is not None:
            return np.arange(1.0, self.trials + 1)
        assert self.seconds is not None
        return np.linspace(0.0, self.seconds, POINTS + 1)[1:]

    def curves(self, name: str) -> NDArray[np.float64]:
        """The incumbent's truth over the grid, NaN before the first: (repeats, points)."""
        grid = self.grid()
        rows = []
        for run in self.runs[name]:
            at = np.array(run.trials if self.trials is not None else run.clock, dtype=float)
            values = np.array((np.nan, *run.truth))
            rows.append(values[np.searchsorted(at, grid, side="right")])
        return np.array(rows)

    def significance(self) -> dict[tuple[str, str], float]:
        """For every pair of strategies, the p-value that they differ, by Holm's correction.

        Wilcoxon's signed-rank test on the runs' truths, paired by repeat, ties at zero shared. A
        strategy that is not ranked is left out.
        """
        from scipy.stats import wilcoxon

        names = [name for name in self.runs if self.ranked(name)]
        raw: dict[tuple[str, str], float] = {}
        for place, first in enumerate(names):
            for second in names[place + 1 :]:
                difference = self.truths(first) - self.truths(second)
                difference = difference[~np.isnan(difference)]
                same = not difference.any()
                p = 1.0 if same else float(wilcoxon(difference, zero_method="zsplit").pvalue)
                raw[first, second] = p
        return holm(raw)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON: budget, results, curves and p-values."""
        strategies = {}
        for name in self.runs:
            curve = self.curves(name)
            low, high = _interval(curve)
            strategies[name] = {
                "mean": self.mean(name),
                "interval": list(self.interval(name)),
                "truths": self.truths(name).tolist(),
                "curve": {
                    "mean": _plain(_mean(curve)),
                    "low": _plain(low),
                    "high": _plain(high),
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
            low, high = _interval(curve)
            known = ~np.isnan(low)
            band = np.concatenate([high[known], low[known][::-1]])
            along = np.concatenate([grid[known], grid[known][::-1]])
            shared = {"legendgroup": name, "line": {"color": colour}}
            figure.add_scatter(
                x=along, y=band, fill="toself", opacity=0.25, showlegend=False,
                hoverinfo="skip", mode="none", fillcolor=colour, legendgroup=name,
            )  # fmt: skip
            figure.add_scatter(x=grid, y=_mean(curve), name=name, mode="lines", **shared)
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
            "which the others could use"
            for name in order
            if not self.ranked(name)
        ]
        for pair, p in self.significance().items():
            if order[0] in pair:
                other = pair[pair[0] == order[0]]
                verdict = "differ" if p < 0.05 else "are not told apart"
                lines.append(f"{order[0]} and {other} {verdict} (p = {p:.2g}, Wilcoxon, Holm)")
        return "\n".join(lines)


def holm(raw: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Holm's step-down correction of p-values for their number (Holm 1979)."""
    corrected: dict[tuple[str, str], float] = {}
    highest = 0.0
    for place, pair in enumerate(sorted(raw, key=lambda pair: raw[pair])):
        highest = max(highest, min(1.0, raw[pair] * (len(raw) - place)))
        corrected[pair] = highest
    return {pair: corrected[pair] for pair in raw}


def _mean(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of every column in which all runs have an incumbent, else NaN."""
    mean: NDArray[np.float64] = curves.mean(0)
    return mean


def _interval(curves: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.stats import t

    count = len(curves)
    half = t.ppf(0.975, count - 1) * curves.std(0, ddof=1) / np.sqrt(count)
    return curves.mean(0) - half, curves.mean(0) + half


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]
