"""Disturb searches and all that follows hundreds of times, and count what was lost: nothing, or 1.

    python scripts/soak_kill.py --kills 200 --seed 0 [--cases here,two,search1,search2]

``here`` and ``two`` are the programs of ``tests/run/test_run_kill.py`` with one and two workers.
``search1`` and ``search2`` use the command line: a search of small networks on the digits with one
and two workers, and then ``finish``, ``evidence``, ``export`` and ``report`` of what it found. At
random moments the driver gets SIGKILL or SIGINT, it or a worker gets SIGSTOP and SIGCONT, a worker
gets SIGKILL, or the driver gets SIGKILL while a worker is stopped. Each command is then given
again, until it ends.

In the end the log, the exported network and the kept files equal those of a study that nobody
disturbed; nothing is left half-written, and no process is left over. The exit code is 1 if not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "run"))

import driven  # noqa: E402
import killing  # noqa: E402

import nasturtium as nas  # noqa: E402

# The longest life of a driver after it is ready, and the lag of its study.
PROGRAMS = {"here": (0.3, 1), "two": (0.6, 4)}
COMMANDS = {"search1": "here", "search2": "processes(workers=2)"}
MARK = "NASTURTIUM_SOAK"  # environment variable that marks all processes of one life
STAGES = ("search", "finish", "evidence", "export", "report")
MOST = {"search": 5}  # disturbances of a stage in one study; 2 of the others
ACTIONS = ("kill", "interrupt", "stop", "stop", "stop and kill")
ENDED = {"kill": (-9,), "interrupt": (130, -2, 1), "stop and kill": (-9,)}
LIMIT = 600.0  # seconds after which a command hangs


class Wrong(Exception):
    """Something was lost, repeated or left over."""


def words(stage: str, executor: str) -> list[str]:
    """Return the command line of a stage, for the folder of its study."""
    search = "search digits --space mlp --recipe epochs=1 --trials 6 --strategy random"
    given = {
        "search": [*search.split(), "--executor", executor, "--numerics", "threads=1"],
        "finish": ["finish", "s.db:s", "--recipe", "epochs=2"],
        "evidence": ["evidence", "s.db:s", "--top", "2", "--seeds", "2", "--spread", "3"],
        "export": ["export", "s.db:s", "net.onnx"],
        "report": ["report", "s.db:s", "--out", "page.html"],
    }[stage]
    if stage == "search":
        given += ["--store", "s.db", "--name", "s"]
    if stage == "evidence":
        given += ["--recipe", "epochs=1", "--no-references"]
    return [sys.executable, "-m", "nasturtium", *given]


def marked(mark: str) -> list[int]:
    """Return all processes of a run, also those whose parents have ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{MARK}={mark}\0".encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@dataclass
class Tally:
    """Counts of runs and of errors."""

    wanted: int
    done: Counter[str] = field(default_factory=Counter)
    studies: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @property
    def left(self) -> int:
        return self.wanted - sum(self.done.values())


# -- the programs of the tests --------------------------------------------------------------------


def run_program(case: str, place: Path, seed: int, quiet: list[object], tally: Tally) -> None:
    """Run one study of a test's program, killed up to forty times."""
    try:
        store, kills = killing.kill_until_done(
            case,
            place,
            seed,
            kills=min(40, tally.left),
            longest=PROGRAMS[case][0],
            workers_too=seed % 4 == 3,
        )
    finally:
        killing.end_all()
    tally.done[f"{case}: kill"] += kills
    if killing.text(store) != quiet:
        raise Wrong("its log is another")


# -- the command line -----------------------------------------------------------------------------


class Life:
    """One command, which may be disturbed."""

    def __init__(self, command: list[str], place: Path, mark: str) -> None:
        self.mark = mark
        self.output = place / "output.txt"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                command,
                cwd=place,
                env={**os.environ, "OMP_NUM_THREADS": "1", MARK: mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def disturb(self, rng: Random, action: str) -> bool:
        """Do something to the command; whether that ends it."""
        driver = self.process.pid
        workers = [pid for pid in marked(self.mark) if pid != driver]
        if action == "kill":
            os.kill(driver, signal.SIGKILL)
        elif action == "interrupt":
            os.killpg(driver, signal.SIGINT)
        elif action == "worker":
            if workers:
                _signal(rng.choice(workers), signal.SIGKILL)
            return False
        else:
            victim = (
                rng.choice([driver, *workers])
                if action == "stop"
                else rng.choice(workers or [driver])
            )
            _signal(victim, signal.SIGSTOP)
            time.sleep(rng.uniform(0.0, 1.0))
            if action == "stop":
                _signal(victim, signal.SIGCONT)
                return False
            os.kill(driver, signal.SIGKILL)
        return True

    def end(self, timeout: float) -> int | None:
        """Return the exit code, or ``None`` if the command still runs after ``timeout`` seconds."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def clear(self) -> list[int]:
        """End what is left of the command, and return it."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if killing.gone(found := marked(self.mark), constraints=10.0):
            return []
        left = [pid for pid in found if killing.state(pid) not in (None, "Z")]
        for pid in left:
            _signal(pid, signal.SIGKILL)
        return left


def _signal(pid: int, number: int) -> None:
    """Send a signal to a process that may have ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def run_commands(
    case: str, place: Path, seed: int, lengths: dict[str, float], tally: Tally
) -> None:
    """Run one study from search to report, each command disturbed at random moments."""
    rng, workers_killed = Random(seed), 0
    for stage in STAGES:
        left = min(rng.randint(1, MOST.get(stage, 2)), tally.left)
        for number in range(100):
            life = Life(
                words(stage, COMMANDS[case]), place, f"{seed}-{stage}-{number}-{os.getpid()}"
            )
            ended_by, code = "", None
            try:
                while left > 0 and not ended_by and code is None:
                    code = life.end(rng.uniform(0.0, 1.1) * lengths[stage])
                    if code is None:
                        action = rng.choice(ACTIONS)
                        if case == "search2" and stage == "search" and not workers_killed:
                            action, workers_killed = "worker", 1  # a second one may fail its trial
                        left -= 1
                        tally.done[f"{stage}: {action}"] += 1
                        ended_by = action if life.disturb(rng, action) else ""
                code = life.end(LIMIT) if code is None else code
            finally:
                orphans = life.clear()
            if code is None:
                raise Wrong(f"{stage} hangs: {life.output.read_text()[-300:]}")
            if orphans:
                raise Wrong(f"{stage}: processes {orphans} are left over")
            if code == 0:
                break
            if code not in ENDED.get(ended_by, ()):
                raise Wrong(f"{stage} ended with {code}: {life.output.read_text()[-500:]}")
        else:
            raise Wrong(f"{stage} does not come to an end")


def outcome(place: Path) -> dict[str, object]:
    """Return the log of a study without measurements, and digests of its files."""
    store = place / "s.db"
    with sqlite3.connect(store) as connection:
        (integrity,) = connection.execute("PRAGMA integrity_check").fetchone()
    if integrity != "ok":
        raise Wrong(f"the store is damaged: {integrity}")
    log = []
    for _, kind, body in killing.text(store):
        data = json.loads(body)
        if kind == "note" and "power" in data:
            continue  # one of each life
        data.pop("commit", None)
        log.append((kind, json.dumps(data, sort_keys=True)))
    told = Counter(json.loads(body)["n"] for kind, body in log if kind in ("told", "failed"))
    if told and max(told.values()) > 1:
        raise Wrong(f"trials are reported twice: {told}")
    # Evidence notes its trainings as they end, so that their order is of no account.
    notes = sorted(body for kind, body in log if kind == "note")
    files = {}
    for path in sorted((place / "s.db.files").rglob("*")):
        if path.is_file():
            name = str(path.relative_to(place))
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            if len(path.name) == 64 and path.name != digest:
                raise Wrong(f"{name} is half-written")
            if any(part in ("results", "checkpoints", "temporary") for part in path.parts):
                raise Wrong(f"{name} is left over")
            files[name] = digest
    odd = [path.name for path in place.iterdir() if path.name.startswith((".", "tmp"))]
    if odd:
        raise Wrong(f"{odd} are left over")
    if not (place / "page.html").read_text().rstrip().endswith("</html>"):
        raise Wrong("the page is half-written")
    network = hashlib.sha256((place / "net.onnx").read_bytes()).hexdigest()
    log = [event for event in log if event[0] != "note"]
    return {"log": log, "notes": notes, "files": files, "network": network}


def different(found: dict[str, object], wanted: dict[str, object]) -> str:
    """Return how two outcomes differ; empty where they are equal."""
    for name, value in wanted.items():
        if found[name] != value:
            pairs = zip(list(found[name]), list(value), strict=False)  # type: ignore[call-overload]
            first = next(((a, b) for a, b in pairs if a != b), ("its length", ""))
            return f"its {name} is another: {str(first)[:600]}"
    return ""


def undisturbed(case: str, place: Path) -> tuple[dict[str, object], dict[str, float]]:
    """Run a study undisturbed; return its outcome, and the seconds of each command."""
    lengths = {}
    for stage in STAGES:
        begin = time.monotonic()
        life = Life(words(stage, COMMANDS[case]), place, f"quiet-{stage}-{os.getpid()}")
        if life.end(LIMIT) != 0:
            raise SystemExit(f"{stage} does not work: {life.output.read_text()}")
        life.clear()
        lengths[stage] = time.monotonic() - begin
    return outcome(place), lengths


# -- all together ---------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="disturbances, in all")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--cases", default="here,two,search1,search2", help="separated by commas")
    options = parser.parse_args()
    cases = options.cases.split(",")
    if unknown := set(cases) - {*PROGRAMS, *COMMANDS}:
        parser.error(f"unknown cases: {', '.join(unknown)}")
    begin, tally = time.monotonic(), Tally(options.kills)
    with tempfile.TemporaryDirectory(prefix="nasturtium-soak-") as folder:
        quiet, lengths = {}, {}
        for case in cases:
            place = Path(folder) / f"quiet-{case}"
            place.mkdir()
            if case in PROGRAMS:
                store = place / "s.db"
                driven.quick(
                    str(store), f"{store}.txt", "", nas.Here(), PROGRAMS[case][1], pause=0.0
                )
                quiet[case] = killing.text(store)
            else:
                quiet[case], lengths[case] = undisturbed(case, place)
        number = 0
        while tally.left > 0:
            case = cases[number % len(cases)]
            place = Path(folder) / str(number)
            place.mkdir()
            seed = 1000 * options.seed + number
            try:
                if case in PROGRAMS:
                    run_program(case, place, seed, quiet[case], tally)
                else:
                    run_commands(case, place, seed, lengths[case], tally)
                    if difference := different(outcome(place), quiet[case]):
                        raise Wrong(difference)
            except (Wrong, AssertionError) as error:
                tally.wrong.append(f"study {number} ({case}): {error}")
                print(tally.wrong[-1], flush=True)
            tally.studies[case] += 1
            done = sum(tally.done.values())
            took = time.monotonic() - begin
            print(
                f"study {number}: {case}; {done} of {options.kills} disturbances, "
                f"{len(tally.wrong)} studies wrong, {took:.0f} s",
                flush=True,
            )
            number += 1
    for what, times in sorted(tally.done.items()):
        print(f"{what}: {times}")
    studies = ", ".join(f"{times} of {case}" for case, times in tally.studies.items())
    print(
        f"{sum(tally.done.values())} disturbances of {sum(tally.studies.values())} studies "
        f"({studies}) in {time.monotonic() - begin:.0f} s: {len(tally.wrong)} studies went wrong"
    )
    print("\n".join(tally.wrong))
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
