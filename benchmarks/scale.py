"""Cost of long studies: processor seconds and memory of ``status``, ``best`` and ``resume``.

A study of a trivial estimator on 3,000 distinct architectures of NAS-Bench-201 is written to an
SQLite file, as a search writes it. Each command then runs in a fresh process; processor time and
peak memory are those of that process, its start included. ``resume`` opens the study and asks for
one more trial.

    python benchmarks/scale.py [--trials 100000 1000000] [--folder /tmp/scale] [--keep] [--json]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

NETWORKS = 3_000
BATCH = 500  # events of one commit
STRATEGIES = ("random", "portfolio")


def manifest(name: str) -> dict[str, Any]:
    """Return the manifest of a search with trivial estimates."""
    from nasturtium.run.environment import package_versions
    from nasturtium.run.validate_manifest import FORMAT

    data = {
        "name": "digits",
        "fingerprint": "0" * 64,
        "inputs": [1, 8, 8],
        "classes": 10,
        "examples": {"train": 1000, "valid": 200, "test": 200},
        "split": {"seed": 0, "valid": 0.2, "test": 0.2, "digests": {}},
        "notes": [],
    }
    call = {
        "data": "digits",
        "space": "nasbench201",
        "recipe": None,
        "strategy": "random",
        "estimator": "train",
        "objectives": ["accuracy"],
        "constraints": [],
        "trials": 100,
        "hours": None,
        "control": 0.0,
        "seed": 0,
        "time_limit": None,
        "ordered": True,
    }
    return {
        "format": FORMAT,
        "name": name,
        "seed": 0,
        "data": data,
        "space": {"name": "nasbench201", "decisions": 6, "recipe": None},
        "strategy": {"name": "RandomSearch"},
        "estimator": {"name": "Train"},
        "recipe": {"epochs": 1},
        "objectives": [{"metric": "accuracy", "goal": "max", "bound": None}],
        "constraints": [],
        "control": 0.0,
        "ordered": True,
        "call": call,
        "versions": package_versions(),
        "machine": {"cores": 1},
        "commit": None,
        "numerics": {"threads": 1, "precision": "fp32", "channels_last": False},
        "executor": "here",
        "workers": 1,
        "lag": 1,
        "measured": {"started": "2026-01-01T00:00:00+00:00"},
    }


def write(path: Path, trials: int) -> None:
    """Write a study of so many trials."""
    import nasturtium as nas
    from nasturtium.study.event import Event
    from nasturtium.study.trial import Outcome, Proposal, Trial

    rng = Random(0)
    networks = [nas.zoo.nasbench201.sample(rng) for _ in range(NETWORKS)]
    store = nas.SqlStore(path)
    events = [Event("manifest", manifest("scale"))]
    for number in range(trials):
        chosen = networks[int(rng.random() * NETWORKS)]
        events.append(Event("asked", Trial(number, "search", Proposal(chosen, uniform=True))))
        accuracy = 0.5 + 0.4 * rng.random()
        told = {"accuracy": accuracy, "params": 1000.0 + number % 977}
        events.append(Event("told", Outcome(number, told, seconds=0.2, cpu_seconds=0.2)))
        if len(events) >= BATCH:
            store.append("scale", events)
            events = []
    store.append("scale", events)
    store.close()


def act(what: str, path: Path) -> None:
    """Run one command in this process."""
    from nasturtium.cli import main

    if what in ("status", "best"):
        main([what, str(path)])
        return
    import nasturtium as nas
    from nasturtium.run.names import build_part

    store = nas.SqlStore(path)
    space = nas.zoo.nasbench201.bind_known(inputs=(1, 8, 8), classes=10)
    study = nas.Study(space, build_part("strategy", what), store=store, name="scale")
    trial = study.ask()
    assert trial is not None
    print(f"trial {trial.number} of {len(study.history)}")


def measured(what: str, path: Path, limit: float) -> dict[str, Any]:
    """Measure one command in its own process: processor seconds, wall seconds and peak memory."""
    copy = path
    if what in STRATEGIES:  # which write
        copy = path.with_name(f"{what}.db")
        shutil.copy(path, copy)
    start = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        done = subprocess.run(
            [sys.executable, __file__, "--act", what, str(copy)],
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
        failed = done.stderr.strip().splitlines()[-1:] if done.returncode else []
        peak = int(done.stderr.rpartition("peak ")[2] or 0) if not failed else 0
    except subprocess.TimeoutExpired:
        failed, peak = [f"not done after {limit:.0f} s"], 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if copy != path:
        copy.unlink()
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "what": what,
        "cpu_seconds": round(spent, 2),
        "seconds": round(time.perf_counter() - start, 2),
        "peak_mb": round(peak / 1024),
        "failed": failed[0] if failed else None,
    }


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--folder", type=Path, help="where the studies are written")
    parser.add_argument("--keep", action="store_true", help="leave them there, and use them again")
    parser.add_argument("--resume", type=int, default=100_000, help="trials up to which to resume")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds of one command")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--act", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.act is not None:
        with contextlib.suppress(SystemExit):
            act(given.act[0], Path(given.act[1]))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"peak {peak}", file=sys.stderr)
        return
    folder = given.folder or Path(tempfile.mkdtemp(prefix="scale-"))
    folder.mkdir(parents=True, exist_ok=True)
    table = []
    for trials in given.trials:
        path = folder / f"{trials}.db"
        if not path.exists():
            write(path, trials)
        for what in ("status", "best", *(STRATEGIES if trials <= given.resume else ())):
            row = {"trials": trials, **measured(what, path, given.limit)}
            table.append(row)
            if not given.json:
                told = row["failed"] or f"{row['cpu_seconds']:8.2f} s cpu {row['peak_mb']:6d} MB"
                print(f"{trials:>9,} trials ({os.path.getsize(path) >> 20} MB) {what:10} {told}")
    if given.json:
        print(json.dumps(table))
    if not given.keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
