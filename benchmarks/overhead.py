"""Cost of a search besides its estimates: microseconds and bytes a trial, compared with peers.

Every contender searches NAS-Bench-201 through its own ask-and-tell interface (six categorical
decisions) and looks the 12-epoch validation accuracy up in the published table, by one and the
same dictionary: the time is that of the loop of ask, look up, tell. Each run is a fresh process.
Runs of all contenders take turns, so that a busy machine is busy for all of them.

"At N" is the mean over trials N/2 to N, so a loop that slows down shows it: processor time in
memory, wall time where something is written. Bytes a trial are the growth of the process's
resident memory, divided by the trials. Durable contenders write each trial to a file when its
result is reported, each with its own defaults.

    python benchmarks/overhead.py [--repeats 3] [--limit 20] [--only nasturtium] [--json]
    python benchmarks/overhead.py --strategies       # every cheap strategy, instead of peers

Peers that are not installed are left out, saying so: ``pip install nasturtium[bench]``.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from operator import attrgetter
from pathlib import Path
from random import Random
from typing import Any

OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ("edge0_1", "edge0_2", "edge1_2", "edge0_3", "edge1_3", "edge2_3")
MARKS = (100, 1_000, 10_000, 100_000)

Table = dict[tuple[str, ...], float]
Step = Callable[[], int]  # works through some trials, and says how many
Groups = dict[str, dict[str, tuple[str, Callable[[Table, Path], Step]]]]


def nasturtium_memory(name: str) -> Callable[[Table, Path], Step]:
    return lambda table, folder: _nasturtium(name, table, None)


def nasturtium_sqlite(name: str, sync: float = 0.05) -> Callable[[Table, Path], Step]:
    return lambda table, folder: _nasturtium(name, table, folder / "study.db", sync)


def _nasturtium(name: str, table: Table, path: Path | None, sync: float = 0.0) -> Step:
    import nasturtium as nas

    strategies = {"random": nas.RandomSearch(), "evolution": nas.RegularizedEvolution(100, 10)}
    store = None if path is None else nas.SqlStore(path, sync=sync)
    study = nas.Study(nas.zoo.nasbench201, strategies[name], store=store)

    def step() -> int:
        trial = study.ask()
        answers = trial.architecture.decisions.values()
        study.tell(trial, {"accuracy": table[tuple(answers)]})
        return 1

    return step


def strategy_in_memory(name: str) -> Callable[[Table, Path], Step]:
    """Start a strategy with default arguments in a space that 100,000 trials do not exhaust."""

    def start(table: Table, folder: Path) -> Step:
        import nasturtium as nas
        from nasturtium.run.names import build_part

        @nas.space
        def ten(choose: Any) -> Any:
            for index in range(10):
                choose(f"op{index}", OPS)
            return lambda: None

        rng = Random(0)
        decided = [(f"op{index}", op) for index in range(10) for op in OPS]
        worth = {item: rng.random() for item in decided}
        size = {item: rng.random() for item in decided}
        goals = ("accuracy", "min:size") if name in ("lemonade", "nsga2") else ("accuracy",)
        study = nas.Study(ten, build_part("strategy", name), objectives=goals, store=None)

        def step() -> int:
            trial = study.ask()
            answers = trial.architecture.decisions.items()
            accuracy = sum([worth[item] for item in answers])
            metrics = {"accuracy": accuracy, "size": sum([size[item] for item in answers])}
            curve = ({"accuracy": accuracy / 2}, {"accuracy": accuracy}) if name == "median" else ()
            study.tell(trial, metrics, curve=curve)
            return 1

        return step

    return start


def optuna(sampler: str, storage: str = "memory") -> Callable[[Table, Path], Step]:
    def start(table: Table, folder: Path) -> Step:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        stores = {
            "memory": lambda: None,
            "sqlite": lambda: f"sqlite:///{folder}/study.db",
            "journal": lambda: JournalStorage(JournalFileBackend(str(folder / "journal"))),
        }
        samplers = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}
        study = optuna.create_study(
            direction="maximize", storage=stores[storage](), sampler=samplers[sampler](seed=0)
        )
        return _suggesting(study, table, lambda trial: trial)

    return start


def rustuna(sampler: str, storage: str = "memory") -> Callable[[Table, Path], Step]:
    def start(table: Table, folder: Path) -> Step:
        import rustuna

        stores = {
            "memory": lambda: rustuna.storages.InMemoryStorage(),
            "sqlite": lambda: rustuna.storages.SQLite3Storage(str(folder / "study.db")),
            "journal": lambda: rustuna.storages.JournalFileStorage(str(folder / "journal")),
        }
        samplers = {
            "random": rustuna.samplers.RandomSampler,
            "tpe": rustuna.samplers.TPESampler,
        }
        study = rustuna.create_study(
            study_name="study",
            direction="maximize",
            storage=stores[storage](),
            sampler=samplers[sampler](seed=0),
        )
        return _suggesting(study, table, attrgetter("number"))

    return start


def _suggesting(study: Any, table: Table, named: Callable[[Any], Any]) -> Step:
    def step() -> int:
        trial = study.ask()
        answers = tuple([trial.suggest_categorical(edge, OPS) for edge in EDGES])
        study.tell(named(trial), table[answers])
        return 1

    return step


def syne_tune(name: str) -> Callable[[Table, Path], Step]:
    def start(table: Table, folder: Path) -> Step:
        from datetime import datetime

        from syne_tune.backend.trial_status import Trial
        from syne_tune.config_space import choice
        from syne_tune.optimizer.baselines import REA, RandomSearch

        space = {edge: choice(list(OPS)) for edge in EDGES}
        if name == "random":
            scheduler = RandomSearch(space, metrics=["accuracy"], do_minimize=False, random_seed=0)
        else:
            scheduler = REA(
                space,
                metric="accuracy",
                do_minimize=False,
                random_seed=0,
                population_size=100,
                sample_size=10,
            )
        now, number = datetime(2020, 1, 1), iter(range(10**9))

        def step() -> int:
            config = scheduler.suggest().config
            trial = Trial(next(number), config, now)
            scheduler.on_trial_add(trial)
            answers = tuple([config[edge] for edge in EDGES])
            scheduler.on_trial_complete(trial, {"accuracy": table[answers]})
            return 1

        return step

    return start


def pymoo(name: str) -> Callable[[Table, Path], Step]:
    def start(table: Table, folder: Path) -> Step:
        import numpy as np
        from pymoo.algorithms.soo.nonconvex.ga import GA
        from pymoo.core.evaluator import Evaluator
        from pymoo.core.problem import Problem
        from pymoo.operators.crossover.sbx import SBX
        from pymoo.operators.mutation.pm import PM
        from pymoo.operators.repair.rounding import RoundingRepair
        from pymoo.operators.sampling.rnd import IntegerRandomSampling
        from pymoo.problems.static import StaticProblem

        problem = Problem(n_var=6, n_obj=1, xl=0, xu=4, vtype=int)
        algorithm = GA(
            pop_size=100,
            sampling=IntegerRandomSampling(),
            crossover=SBX(vtype=float, repair=RoundingRepair()),
            mutation=PM(vtype=float, repair=RoundingRepair()),
        )
        algorithm.setup(problem, termination=("n_eval", 10**9), seed=0, verbose=False)

        def step() -> int:
            asked = algorithm.ask()
            found = [-table[tuple([OPS[int(op)] for op in row])] for row in asked.get("X")]
            values = np.array(found).reshape(-1, 1)
            Evaluator().eval(StaticProblem(problem, F=values), asked)
            algorithm.tell(infills=asked)
            return len(found)

        return step

    return start


# group -> contender -> (package, what is started); ratios are taken to the first of a group
CONTENDERS: Groups = {
    "random search, in memory": {
        "nasturtium": ("nasturtium", nasturtium_memory("random")),
        "optuna": ("optuna", optuna("random")),
        "rustuna": ("rustuna", rustuna("random")),
        "syne tune": ("syne-tune", syne_tune("random")),
    },
    "evolution, in memory": {
        "nasturtium (regularised)": ("nasturtium", nasturtium_memory("evolution")),
        "syne tune (regularised)": ("syne-tune", syne_tune("evolution")),
        "pymoo (genetic)": ("pymoo", pymoo("ga")),
        "optuna (TPE)": ("optuna", optuna("tpe")),
        "rustuna (TPE)": ("rustuna", rustuna("tpe")),
    },
    "random search, durable": {
        "nasturtium (SQLite)": ("nasturtium", nasturtium_sqlite("random")),
        "nasturtium (SQLite, every commit forced to disk)": (
            "nasturtium",
            nasturtium_sqlite("random", 0.0),
        ),
        "optuna (SQLite)": ("optuna", optuna("random", "sqlite")),
        "optuna (journal)": ("optuna", optuna("random", "journal")),
        "rustuna (SQLite)": ("rustuna", rustuna("random", "sqlite")),
        "rustuna (journal)": ("rustuna", rustuna("random", "journal")),
    },
    "evolution, durable": {
        "nasturtium (SQLite)": ("nasturtium", nasturtium_sqlite("evolution")),
    },
}

STRATEGIES: Groups = {
    "every strategy, in memory": {
        name: ("nasturtium", strategy_in_memory(name))
        for name in (
            "random",
            "evolution",
            "local",
            "tournament",
            "nsga2",
            "lemonade",
            "reinforce",
            "asha",
            "hyperband",
            "halving",
            "median",
        )
    }
}


def load_table() -> Table:
    """Accuracies by operations; made-up ones where the data are absent, which costs the same."""
    root = os.environ.get("NASTURTIUM_DATA")
    path = Path(root or "") / "nb201" / "nasbench201_tss.npz"
    if root and path.exists():
        import numpy as np

        with np.load(path, allow_pickle=False) as data:
            rows, values = data["ops"].tolist(), data["cifar10_valid_acc_12"].tolist()
        return {
            tuple(OPS[op] for op in row): value for row, value in zip(rows, values, strict=True)
        }
    from itertools import product

    rng = Random(0)
    return {row: rng.uniform(10, 92) for row in product(OPS, repeat=6)}


def resident() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def measure(start: Callable[[Table, Path], Step], limit: float, durable: bool) -> dict[str, Any]:
    """Microseconds a trial at each mark that is reached within the limit, and bytes a trial."""
    warnings.simplefilter("ignore")
    clock = time.perf_counter if durable else time.process_time
    table = load_table()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("warm", "timed"):
            (folder / part).mkdir()
        warm, done = start(table, folder / "warm"), 0
        while done < (20 if durable else 200):
            done += warm()
        del warm
        step, done = start(table, folder / "timed"), 0
        gc.collect()
        before, begun, end = resident(), clock(), time.monotonic() + limit
        checks = [number for mark in MARKS for number in (mark // 2, mark)]
        reached = {0: (0, 0.0)}
        while checks and time.monotonic() < end:
            while done < checks[0] and time.monotonic() < end:
                done += step()
            while checks and done >= checks[0]:
                reached[checks.pop(0)] = (done, (clock() - begun) * 1e6)
        grown = (resident() - before) / done
    at = {}
    for mark in MARKS:
        if mark in reached:
            number, time_there = reached[mark]
            half, time_half = reached[mark // 2] if reached[mark // 2][0] < number else reached[0]
            at[mark] = (time_there - time_half) / (number - half)
    return {"at": at, "bytes": grown if done >= 1_000 else None, "trials": done}


def run_all(groups: Groups, repeats: int, limit: float, only: str) -> dict[str, Any]:
    """Run every contender in its own process, in turns."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    missing: dict[str, str] = {}
    for repeat in range(repeats):
        for group, contenders in groups.items():
            for name, (package, _) in contenders.items():
                if only not in name or package in missing:
                    continue
                try:
                    version(package)
                except PackageNotFoundError:
                    missing[package] = "not installed"
                    continue
                command = [sys.executable, __file__, "--one", group, name, "--limit", str(limit)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise SystemExit(f"{group}, {name}:\n{done.stderr}")
                result = json.loads(done.stdout.splitlines()[-1])
                found.setdefault(group, {}).setdefault(name, []).append(result)
                print(f"{repeat + 1}/{repeats} {group}: {name}", file=sys.stderr)
    packages = sorted({package for group in groups.values() for package, _ in group.values()})
    return {
        "groups": {
            group: {name: summary(results) for name, results in contenders.items()}
            for group, contenders in found.items()
        },
        "versions": {p: version(p) for p in packages if p not in missing}
        | {"python": sys.version.split()[0]},
        "missing": missing,
        "repeats": repeats,
    }


def summary(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Median, least and greatest over the repeats that reached a mark."""

    def of(values: list[float]) -> dict[str, float]:
        return {"median": statistics.median(values), "low": min(values), "high": max(values)}

    marks = [str(mark) for mark in MARKS]
    reached = {mark: [r["at"][mark] for r in results if mark in r["at"]] for mark in marks}
    return {
        "at": {mark: of(values) for mark, values in reached.items() if values},
        "bytes": of(grown) if (grown := [r["bytes"] for r in results if r["bytes"]]) else None,
        "trials": min(result["trials"] for result in results),
    }


def show(report: dict[str, Any]) -> None:
    """Print the report as Markdown tables."""
    for group, contenders in report["groups"].items():
        print(f"\n### {group}\n")
        heads = [f"µs at {mark:,}" for mark in MARKS]
        print("| " + " | ".join(["", *heads, "ratio", "bytes a trial"]) + " |")
        print("|---|" + "--:|" * (len(heads) + 2))
        first = next(iter(contenders.values()))
        for name, result in contenders.items():
            common = [mark for mark in first["at"] if mark in result["at"]]
            ratio = "—"
            if common and result is not first:
                last = common[-1]
                times = result["at"][last]["median"] / first["at"][last]["median"]
                ratio = f"{times:{',.0f' if times >= 100 else '.2g'}}x at {int(last):,}"
            cells = [cell(result["at"].get(str(mark))) for mark in MARKS]
            print("| " + " | ".join([name, *cells, ratio, kept(result["bytes"])]) + " |")
    print("\nversions: " + ", ".join(f"{n} {v}" for n, v in report["versions"].items()))
    for package, why in report["missing"].items():
        print(f"left out: {package} ({why}; pip install nasturtium[bench])")


def cell(values: dict[str, float] | None) -> str:
    if values is None:
        return "—"
    digits = 1 if values["median"] < 100 else 0
    low, high = (f"{values[end]:,.{digits}f}" for end in ("low", "high"))
    return f"{values['median']:,.{digits}f} ({low}–{high})"


def kept(values: dict[str, float] | None) -> str:
    return "—" if values is None else f"{values['median']:,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=float, default=20.0, help="seconds a run may take")
    parser.add_argument("--only", default="", help="contenders with this in their names")
    parser.add_argument("--strategies", action="store_true", help="every cheap one, no peers")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", nargs=2, metavar=("GROUP", "NAME"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        group, name = given.one
        start = (CONTENDERS | STRATEGIES)[group][name][1]
        print(json.dumps(measure(start, given.limit, group.endswith("durable"))))
        return
    groups = STRATEGIES if given.strategies else CONTENDERS
    report = run_all(groups, given.repeats, given.limit, given.only)
    if given.json:
        print(json.dumps(report, indent=1))
    else:
        show(report)


if __name__ == "__main__":
    main()
