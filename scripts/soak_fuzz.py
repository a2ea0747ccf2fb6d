"""Give hostile input to everything that reads any, and count what must never happen.

    python scripts/soak_fuzz.py --cases 100000 --seed 0 [--kinds stores,data] [--seconds 600]
    python scripts/soak_fuzz.py --seed 0 --case stores:17      one case again, with its details

Each case alters one sound thing (a store, data, weights, a checkpoint) or makes up a command line
or a name, in its own folder, and passes it to commands and functions. These have to refuse it in
one line or accept it; they must not give a traceback, hang, run a program, write outside of the
folder, or use data whose digest shows damage. The exit code is 1 if one did.

Cases run in separate processes, some hundred in each. A case that ends its process, or takes longer
than the limit, is counted, and the next cases run.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as threads do not survive a fork
sys.path.insert(0, str(Path(__file__).resolve().parent))

from fuzz import commands, data, kept, material, names, stores
from fuzz.watch import PROBLEMS, Case, Guard, Problem, temporary_folder

KINDS: Mapping[str, tuple[Callable[[Case], str], int]] = {
    "stores": (stores.run, 12),
    "data": (data.run, 24),
    "weights": (kept.run_weights, 26),
    "checkpoints": (kept.run_checkpoints, 26),
    "commands": (commands.run_commands, 4),
    "names": (names.run_names, 8),
}
CHUNK = 250  # cases of one process
FAULTY = 70  # exit code of a process whose case cannot be made
LIMIT = 20.0  # seconds of a case
MEMORY = 6 << 30  # bytes that a process may take more than it has at its start


@dataclass
class Tally:
    """The results of the cases of a kind."""

    cases: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, end: str) -> None:
        self.cases += 1
        self.ends[end] = self.ends.get(end, 0) + 1


@dataclass
class Run:
    """A run of cases.

    Attributes:
        seed: of all of them.
        place: a folder for everything.
        keep: where folders of failed cases are kept, if anywhere.
        tallies: by kind.
        failures: alike ones, by what happened: the first case, its story, and how many.
    """

    seed: int
    place: Path
    keep: Path | None
    tallies: dict[str, Tally] = field(default_factory=dict)
    failures: dict[tuple[str, str, str], list[Any]] = field(default_factory=dict)

    def fail(self, kind: str, number: int, what: str, where: str, story: str) -> None:
        known = self.failures.setdefault((kind, what, where), [number, story, 0])
        known[2] += 1
        if known[2] == 1:
            print(f"{what.upper()} {kind}:{number} {where}\n{story}\n", flush=True)


# -- in the process of some cases ------------------------------------------------------------------


def child(run: Run, kind: str, numbers: list[int], pipe: IO[str], trace: IO[str]) -> None:
    """Run cases one after the other, and write what each came to."""
    warnings.simplefilter("ignore")
    guard = Guard()
    material.prepare_process()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    for number in numbers:
        print(json.dumps({"begun": number}), file=pipe, flush=True)
        faulthandler.dump_traceback_later(LIMIT, exit=True, file=trace)
        told = single(run, kind, number, guard, trace)
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps(told), file=pipe, flush=True)


def single(run: Run, kind: str, number: int, guard: Guard, trace: IO[str]) -> dict[str, Any]:
    """Run one case."""
    whole = run.place / "case"
    shutil.rmtree(whole, ignore_errors=True)
    folder = whole / "up" / "up" / "here"  # so that names with ".." stay inside
    folder.mkdir(parents=True)
    os.chdir(folder)
    os.environ["NASTURTIUM_STATE"] = str(folder / "state")
    os.environ["HOME"] = str(folder)
    (folder / "tmp").mkdir()
    tempfile.tempdir = str(folder / "tmp")
    case = Case(kind, number, run.seed, folder, run.place / "material", guard)
    case.trace = trace
    trace.seek(0)
    trace.truncate()
    told: dict[str, Any] = {"number": number, "end": ""}
    try:
        told["end"] = KINDS[kind][0](case)
    except Problem as problem:
        story = "\n".join(["  " + line for line in (*case.told, problem.detail)])
        told |= {"end": problem.what, "where": problem.where, "story": story}
        if run.keep is not None:
            kept_in = run.keep / f"{kind}-{run.seed}-{number}"
            shutil.rmtree(kept_in, ignore_errors=True)
            shutil.copytree(folder, kept_in, symlinks=True, ignore=_odd)
    os.chdir(run.place)
    return told


def _odd(folder: str, names: list[str]) -> list[str]:
    """Pipes, which a copy would wait for."""
    return [
        name
        for name in names
        if not os.path.isfile(os.path.join(folder, name))
        and not os.path.isdir(os.path.join(folder, name))
    ]


def forked(work: Callable[[IO[str]], None]) -> tuple[int, IO[str]]:
    """Do something in a separate process; return its number and its output."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, os.fdopen(reading)
    code = FAULTY
    try:
        os.close(reading)
        with os.fdopen(writing, "w") as pipe:
            work(pipe)
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


# -- in the process that counts --------------------------------------------------------------------


def lines(pid: int, pipe: IO[str]) -> Iterator[dict[str, Any]]:
    """Yield the output of a process until it ends or is silent for too long."""
    while True:
        ready, _, _ = select.select([pipe], [], [], 2 * LIMIT)
        line = pipe.readline() if ready else ""
        if not ready:
            os.kill(pid, signal.SIGKILL)
        if not line.endswith("\n"):
            return
        yield json.loads(line)


def chunk(run: Run, kind: str, numbers: list[int]) -> None:
    """Run some cases, also where one of them ends its process."""
    begin = time.monotonic()
    left = list(numbers)
    tally = run.tallies.setdefault(kind, Tally())
    while left:
        with (run.place / "trace").open("w+") as trace:
            pid, pipe = forked(lambda out: child(run, kind, left, out, trace))
            begun = None
            with pipe:
                for told in lines(pid, pipe):
                    if "begun" in told:
                        begun = told["begun"]
                        continue
                    left.remove(told["number"])
                    begun = None
                    tally.add(told["end"])
                    if told["end"] in PROBLEMS:
                        run.fail(kind, told["number"], told["end"], told["where"], told["story"])
            _, status = os.waitpid(pid, 0)
            if os.waitstatus_to_exitcode(status) == FAULTY or (begun is None and left):
                raise SystemExit(f"case {kind}:{begun} is faulty itself")
            if begun is not None:
                trace.seek(0)
                story = trace.read()
                what = "hang" if "Timeout (" in story else "traceback"
                inner = [line for line in story.splitlines() if "nasturtium/" in line]
                where = (inner or [f"its process ended with {status}"])[0].strip()
                tally.add(what)
                run.fail(kind, begun, what, where, story[:3000])
                left.remove(begun)
    tally.seconds += time.monotonic() - begin


def plan(kinds: list[str], cases: int) -> Iterator[tuple[str, list[int]]]:
    """Chunks of all kinds in turns, in the shares that they have."""
    whole = sum(KINDS[kind][1] for kind in kinds)
    wanted = {kind: -(-cases * KINDS[kind][1] // whole) for kind in kinds}
    done = dict.fromkeys(kinds, 0)
    while any(done[kind] < wanted[kind] for kind in kinds):
        kind = min(kinds, key=lambda one: (done[one] / wanted[one], one))
        end = min(done[kind] + CHUNK, wanted[kind])
        yield kind, list(range(done[kind], end))
        done[kind] = end


def table(run: Run) -> str:
    """Return the counts of all kinds."""
    heads = ("kind", "cases", "refused", "accepted", *PROBLEMS, "seconds")
    rows = [
        (kind, one.cases, *(one.ends.get(end, 0) for end in heads[2:-1]), round(one.seconds))
        for kind, one in run.tallies.items()
    ]
    total = ("all", *(sum(column) for column in list(zip(*rows, strict=True))[1:]))
    told = [heads, *rows, total]
    return "\n".join("".join(f"{cell!s:>12}" for cell in row) for row in told)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000, help="how many, in all")
    parser.add_argument("--seed", type=int, default=0, help="of all cases")
    parser.add_argument("--kinds", default=",".join(KINDS), help="separated by commas")
    parser.add_argument("--seconds", type=float, help="begin no more cases after so much time")
    parser.add_argument("--keep", type=Path, help="keep the folders of failed cases here")
    parser.add_argument("--case", help="run one case again: KIND:NUMBER")
    options = parser.parse_args(words)
    kinds = options.kinds.split(",")
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"unknown kinds: {', '.join(sorted(unknown))}")
    begin = time.monotonic()
    keep = None if options.keep is None else options.keep.resolve()
    run = Run(options.seed, temporary_folder(), keep)
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(run.place / "torch")
    material.warm()
    gc.freeze()
    try:
        prepared = run.place / "material"
        prepared.mkdir()
        pid, pipe = forked(lambda out: material.make(prepared, run.seed, Guard()))
        with pipe:
            pipe.read()
        if os.waitpid(pid, 0)[1]:
            raise SystemExit("the material cannot be made")
        if options.case:
            kind, _, number = options.case.partition(":")
            chunk(run, kind, [int(number)])
        else:
            shown = begin
            for kind, numbers in plan(kinds, options.cases):
                chunk(run, kind, numbers)
                now = time.monotonic()
                if now - shown > 20:
                    shown = now
                    done = sum(one.cases for one in run.tallies.values())
                    print(
                        f"{done} cases, {len(run.failures)} kinds of failure, {now - begin:.0f} s",
                        flush=True,
                    )
                if options.seconds and now - begin > options.seconds:
                    break
    finally:
        shutil.rmtree(run.place, ignore_errors=True)
    print(table(run))
    for (kind, what, where), (number, _, times) in sorted(run.failures.items()):
        print(
            f"{what}, {times} times: {where}\n"
            f"    python scripts/soak_fuzz.py --seed {run.seed} --case {kind}:{number}"
        )
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
