"""Golden studies: record what small searches log, and show that a change of code changes nothing.

Five strategies meet two estimators, with one worker and with two; some have constraints, and some
are interrupted and resumed. Seeds and numerics are given, so nothing is measured and every run logs
the same events, apart from times, versions and the machine, which are left out. Each study becomes
a file of JSON lines, one for each event, and a last line with the answer and the front.

    python scripts/reproduce/golden_studies.py record FOLDER [--only nsga2]     about 3 minutes
    python scripts/reproduce/golden_studies.py compare OLD NEW [--renamed names.json]

``names.json`` maps names in the old recording to those of the new one: keys, and whole words in
texts. A key that is mapped to ``null`` is left out on both sides.

Record the old code with the same script: ``PYTHONPATH=../old/src python ... record OLD``.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from itertools import product, zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import nasturtium as nas

# Entries that differ between two runs of the same study, or between two checkouts: not compared.
MEASURED = ("measured", "seconds", "cpu_seconds", "versions", "machine", "commit", "tuning")
SHOWN = 3  # differences that are shown for each study
EXECUTORS = {1: "here", 2: "processes(workers=2)"}


class Simulated(nas.Estimator):
    """Made-up accuracies that add up over decisions, with learning curves of nine epochs."""

    metrics = ("accuracy",)

    def full_epochs(self) -> int:
        return 9

    def estimate(self, job: Any) -> Mapping[str, float]:
        if int(job.architecture.key[:2], 16) < 16:
            raise nas.EstimateError("one architecture in sixteen fails")
        decisions = dict(job.architecture)
        final = 0.5 + 0.45 * sum(map(_share, decisions.items())) / max(1, len(decisions))
        accuracy = 0.0
        for epoch in range(1, max(1, round(9 * job.fidelity.epochs)) + 1):
            accuracy = final * (1 - 0.6 * 0.7**epoch)
            if not job.report({"accuracy": accuracy}):
                break
        return {"accuracy": accuracy}


def _share(decision: tuple[str, Any]) -> float:
    """Return a number from 0 to 1 for a decision, the same in every process."""
    return int(sha256(repr(decision).encode()).hexdigest()[:8], 16) / 0xFFFFFFFF


class Golden(NamedTuple):
    """A study: how it is searched, and after how many trials it is interrupted."""

    arguments: Mapping[str, Any]
    interrupted: int | None = None


def spelled(function: Callable[..., Any], *names: str) -> str:
    """Return the first of some names that a function has for an argument.

    Older checkouts know arguments by older names; this is the one place that lets them be recorded.
    """
    return next(name for name in names if name in inspect.signature(function).parameters)


def studies() -> Iterator[tuple[str, Golden]]:
    """Yield the studies with their names."""
    constraints = spelled(nas.search, "constraints", "within")
    stop_below = spelled(nas.Portfolio, "stop_below", "hope")
    strategies = {
        "random": "random",
        "evolution": "evolution(population=6,sample=3)",
        "portfolio": "portfolio",
        "asha": "asha",
        "nsga2": "nsga2(population=6)",
    }
    # A third to two thirds of the networks keep these.
    bound = {"random": "params<9k", "portfolio": "params<10k", "nsga2": "params<12k"}
    for (name, strategy), estimator, workers in product(
        strategies.items(), ("train", "simulated"), EXECUTORS
    ):
        trains = estimator == "train"
        arguments: dict[str, Any] = {
            "data": "digits",
            "space": "nasbench201(cells=1,channels=4)",
            "strategy": strategy,
            "estimator": "train" if trains else Simulated(),
            "recipe": f"epochs={9 if name == 'asha' else 1},batch_size=128",
            "trials": 40 if not trains else 24 if name == "asha" else 12,
            "objectives": ("accuracy", "min:params") if name == "nsga2" else ("accuracy",),
            constraints: (bound[name],) if name in bound else (),
            "executor": EXECUTORS[workers],
            "numerics": "threads=1,precision=fp32",
            "seed": 1,
        }
        if name == "portfolio" and workers > 1:
            # With several workers, what is stopped depends on which report comes first.
            arguments["strategy"] = f"portfolio({stop_below}=0)"
        if name == "asha" and trains:
            arguments["strategy"] = "asha(schedule=prefix)"  # promotions resume checkpoints
        if name == "evolution" and trains:
            arguments["estimator"] = "train(keep=True)"  # weights are named by their content
        interrupted = 5 if name == "evolution" else None
        yield f"{name}-{estimator}-{workers}", Golden(arguments, interrupted)


def recorded(golden: Golden) -> Iterator[dict[str, Any]]:
    """Search a study and yield its events, then its answer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.db"
        search = partial(nas.search, store=path, name="golden", progress=False)
        if golden.interrupted is not None:
            stopper = Stopper(golden.interrupted)
            try:
                search(**golden.arguments, watch=stopper)
            except KeyboardInterrupt:
                pass
        study = search(**golden.arguments)
        connection = sqlite3.connect(path)
        for kind, body in connection.execute("SELECT kind, body FROM event ORDER BY number"):
            yield {"kind": kind, "data": without_measured(json.loads(body))}
        connection.close()
        front = [trial.number for trial in study.front]
        yield {"kind": "answer", "data": {"best": study.best.number, "front": front}}


class Stopper:
    """Interrupts a search when it has logged some trials, as Ctrl-C does."""

    def __init__(self, trials: int) -> None:
        self.trials = trials

    def __call__(self, study: nas.Study, stage: str, trial: nas.Trial | None) -> None:
        if stage == "search" and trial is not None and trial.number >= self.trials:
            raise KeyboardInterrupt


def without_measured(value: Any) -> Any:
    """Return an event's data without what differs between runs."""
    if isinstance(value, dict):
        return {k: without_measured(one) for k, one in value.items() if k not in MEASURED}
    return [without_measured(one) for one in value] if isinstance(value, list) else value


def record(folder: Path, only: str) -> int:
    """Record the studies into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    print(f"recording {Path(nas.__file__).parent} into {folder}")
    start = time.perf_counter()
    for name, golden in studies():
        if only not in name:
            continue
        began = time.perf_counter()
        lines = [json.dumps(event, sort_keys=True) for event in recorded(golden)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        seconds = time.perf_counter() - began
        print(f"{name:24} {len(lines):4} events {seconds:6.1f} s", flush=True)
    print(f"{time.perf_counter() - start:.0f} s in all")
    return 0


def renamed(value: Any, names: Mapping[str, str | None]) -> Any:
    """Return a value with keys and words of texts under their new names."""
    if isinstance(value, dict):
        return {
            renamed(key, names): renamed(one, names)
            for key, one in value.items()
            if names.get(key, key) is not None
        }
    if isinstance(value, list):
        return [renamed(one, names) for one in value]
    if isinstance(value, str):
        return re.sub(r"\w+", lambda word: names.get(word[0]) or word[0], value)
    return value


def differences(path: str, old: Any, new: Any) -> Iterator[str]:
    """Yield where two values differ, by path."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            if key not in new:
                yield f"{path}.{key}: only old: {json.dumps(old[key]):.200}"
            elif key not in old:
                yield f"{path}.{key}: only new: {json.dumps(new[key]):.200}"
            else:
                yield from differences(f"{path}.{key}", old[key], new[key])
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, pair in enumerate(zip(old, new, strict=True)):
            yield from differences(f"{path}[{place}]", *pair)
    elif old != new:
        yield f"{path}: {json.dumps(old):.200} became {json.dumps(new):.200}"


def compare(old: Path, new: Path, names: Mapping[str, str | None]) -> int:
    """Print the first differences of two recordings; 1 if there are any."""
    dropped: dict[str, str | None] = {key: None for key, name in names.items() if name is None}
    files = sorted({file.name for folder in (old, new) for file in folder.glob("*.jsonl")})
    if not files:
        print(f"error: there is no recording in {old} nor in {new}", file=sys.stderr)
        return 2
    wrong = 0
    for name in files:
        missing = [folder for folder in (old, new) if not (folder / name).exists()]
        found = [f"{folder} has no {name}" for folder in missing]
        if not missing:
            before = [renamed(event, names) for event in events(old / name)]
            after = [renamed(event, dropped) for event in events(new / name)]
            for number, (one, other) in enumerate(zip_longest(before, after), 1):
                kind = (one or other or {})["kind"]
                found += differences(f"event {number} ({kind})", one, other)
        wrong += bool(found)
        print(f"{name:32} {f'{len(found)} differences' if found else 'same'}")
        for line in found[:SHOWN]:
            print(f"    {line}")
    print(f"{wrong} of {len(files)} studies differ")
    return 1 if wrong else 0


def events(file: Path) -> list[Any]:
    """Read a recording."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record")
    recording.add_argument("folder", type=Path)
    recording.add_argument("--only", default="", help="studies with this in their names")
    comparing = commands.add_parser("compare")
    comparing.add_argument("old", type=Path)
    comparing.add_argument("new", type=Path)
    comparing.add_argument("--renamed", type=Path, help="JSON: old names to new ones")
    given = parser.parse_args(arguments)
    if given.command == "record":
        return record(given.folder, given.only)
    names = json.loads(given.renamed.read_text(encoding="utf-8")) if given.renamed else {}
    return compare(given.old, given.new, names)


if __name__ == "__main__":
    raise SystemExit(main())
