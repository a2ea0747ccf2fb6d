"""A driver that is there to be killed: run as a program, by :mod:`killing`.

``python driven.py CASE STORE SIDE [POINT[:N]]`` runs a small study in STORE until it is done. What
its estimator does is noted in the file SIDE. At the N-th passage of POINT the driver or the worker
that passes it is killed by itself, once (a file beside SIDE remembers).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from random import Random
from typing import Any, cast

import nasturtium as nas
from nasturtium.atomic_write import replace_file

PAUSE = 0.012  # seconds of each of a trial's three steps
TRIALS = 36
SHORT = 12


@nas.space
def little(choose: Any) -> Any:
    for name in "abcdef":
        choose(name, tuple(range(5)))
    return lambda: None


def note(side: str, *words: object) -> None:
    """Add a line to a file, in one piece whoever else does."""
    line = " ".join(map(str, words)) + "\n"
    descriptor = os.open(side, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


# -- points at which to die -----------------------------------------------------------------------


class Death:
    """Kills a process the N-th time that it passes, and only once in all lives."""

    def __init__(self, side: str, point: str) -> None:
        self.flag = f"{side}.{point}"
        self.point, _, nth = point.partition(":")
        self.left = int(nth or 1)

    def __call__(self, point: str, process: int) -> None:
        if point != self.point:
            return
        self.left -= 1
        if self.left == 0:
            try:
                os.close(os.open(self.flag, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return
            os.kill(process, signal.SIGKILL)
            time.sleep(0.3)  # where it is another process that has to die first


def around(owner: Any, name: str, before: Callable[..., None], after: Callable[..., None]) -> None:
    """Let something happen before and after a method."""
    method = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        before(*args)
        result = method(*args, **kwargs)
        after(*args)
        return result

    setattr(owner, name, wrapped)


def nothing(*args: object) -> None:
    return None


def arm_driver(death: Death) -> None:
    from nasturtium.study.files import Files
    from nasturtium.study.stores.log_writer import LogWriter
    from nasturtium.study.stores.sql import SqlStore

    own = os.getpid()
    around(SqlStore, "append", lambda *_: death("append", own), lambda *_: death("appended", own))
    around(Files, "clear", lambda *_: death("clear", own), lambda *_: death("cleared", own))
    around(Files, "put", nothing, lambda *_: death("kept", own))
    around(Files, "take_result", nothing, lambda *_: death("taken", own))
    original = LogWriter._append_sqlite

    def append_sqlite(writer: Any, rows: Any, snapshots: Any = ()) -> None:
        raw = writer.database.raw
        writer.database.raw = Uncommitted(raw, death)
        try:
            original(writer, rows, snapshots)
        finally:
            writer.database.raw = raw

    LogWriter._append_sqlite = append_sqlite  # type: ignore[method-assign]


class Uncommitted:
    """A connection that dies between what was inserted and its commit."""

    def __init__(self, raw: Any, death: Death) -> None:
        self.raw = raw
        self.death = death

    def execute(self, text: str) -> Any:
        if text == "COMMIT":
            self.death("commit", os.getpid())
        return self.raw.execute(text)

    def executemany(self, text: str, rows: Any) -> Any:
        return self.raw.executemany(text, rows)


ARMED: list[bool] = []  # whether this process is


def arm_worker(side: str, death: Death) -> None:
    """Note what is left, and die where asked; in a worker, and once in each."""
    if ARMED:
        return
    ARMED.append(True)
    from nasturtium.study.files import Files

    driver = os.getppid() if "NASTURTIUM_PIPE" in os.environ else os.getpid()

    def left(files: Any, study: str, number: int, outcome: Any) -> None:
        note(side, "left", number)
        death("left", driver)
        death("left-worker", os.getpid())

    around(Files, "leave_result", lambda *_: death("leave", driver), left)
    around(
        Files, "put", nothing, lambda *_: (death("put", driver), death("put-worker", os.getpid()))
    )


class Prepared(nas.Strategy):
    """Counts to five before its twin proposes anything, and keeps what it counted."""

    def __init__(self, side: str, death: Death) -> None:
        self._side = side
        self._death = death
        self._twin = nas.RegularizedEvolution(population=6, sample=3)

    def prepare(self, preparation: Any) -> None:
        if preparation.prepared is not None:
            assert preparation.prepared.read_text() == "5"
            return
        assert preparation.checkpoint is not None
        done = int(preparation.checkpoint.read_text()) if preparation.checkpoint.exists() else 0
        while done < 5:
            done += 1
            note(self._side, "prepare", done)
            replace_file(preparation.checkpoint, str(done).encode())
            self._death("prepare", os.getpid())
        path = preparation.context.files.temporary()
        path.write_text(str(done))
        preparation.keep(path)
        assert not preparation.checkpoint.exists()

    def propose(self, state: Any, history: Any, rng: Any) -> nas.Proposal:
        return self._twin.propose(state, history, rng)


# -- the study ------------------------------------------------------------------------------------


class Counted(nas.Estimator):
    """A number of the architecture and of the parent's file; some trials fail."""

    metrics = ("score",)

    def __init__(self, side: str, pause: float, death: Death) -> None:
        self._side = side
        self._pause = pause
        self._death = death

    def estimate(self, job: nas.Job) -> Mapping[str, float]:
        arm_worker(self._side, self._death)
        note(self._side, "start", job.number, os.getpid())
        value = 1.0
        for step in range(3):
            time.sleep(self._pause * Random(os.urandom(4)).random() * 2)
            self._death("step-worker", os.getpid())
            value /= 2.0
            job.report({"step": step, "value": value})
        if job.number % 11 == 5:
            raise ValueError("this one has no luck")
        if job.number % 11 == 7:
            return {"score": float("nan")}
        if job.number % 11 == 9:
            try:
                raise MemoryError
            except MemoryError:
                self._death("memory", os.getppid())
                raise
        content = (
            b"" if job.parent_weights is None else job.files.get(job.parent_weights).read_bytes()
        )
        content += repr(sorted(job.architecture.items())).encode()
        path = job.files.temporary()
        path.write_bytes(sha256(content).digest())
        job.keep("weights", path)
        note(self._side, "end", job.number)
        return {"score": job.seed("score") % 997 / 997 + sum(job.architecture.values())}


class Deadly(Counted):
    """Trial 4 kills its process, whichever runs it."""

    def estimate(self, job: nas.Job) -> Mapping[str, float]:
        if job.number == 4:
            note(self._side, "start", job.number, os.getpid())
            os.kill(os.getpid(), signal.SIGKILL)
        return super().estimate(job)


class Littering(nas.Estimator):
    """Leaves child processes; its own process is stopped in trial 1."""

    metrics = ("score",)

    def __init__(self, side: str, pause: float, death: Death) -> None:
        self._side = side

    def estimate(self, job: nas.Job) -> Mapping[str, float]:
        child = os.fork()
        if child == 0:
            time.sleep(600.0)
        note(self._side, "child", child)
        note(self._side, "start", job.number, os.getpid())
        if job.number == 1:
            os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(600.0)
        return {"score": 1.0}


def quick(store: str, side: str, point: str, executor: nas.Executor, lag: int, **more: Any) -> Any:
    """A study without torch: the loop of a search, with all that may be killed in it."""
    from nasturtium.run.loop import SearchLoop
    from nasturtium.run.plan import SearchPlan
    from nasturtium.run.stages import announcer
    from nasturtium.study.context import StudyContext
    from nasturtium.study.preparation import Preparation
    from nasturtium.study.stores.base import Lease
    from nasturtium.study.stores.open_store import open_store

    death = Death(side, point)
    if point and __name__ == "__main__":
        arm_driver(death)
    log = open_store(store)
    lease: Lease = log.lease("s")
    try:
        policy = Prepared(side, death)
        study = nas.Study(little, policy, objectives=("score",), store=log, name="s", seed=3)
        assert study.files is not None
        known = {trial.number for trial in study.history.pending}
        study.files.tidy("s", known if study.manifest else None)
        if not study.manifest:
            study.log("manifest", {"name": "s"})
        context = StudyContext("s", 3, little, None, study.files, prepared=study.prepared)
        policy.prepare(Preparation(context, "strategy", lambda data: study.log("prepared", data)))
        estimator = more.pop("estimator", Counted)(side, more.pop("pause", PAUSE), death)
        plan = SearchPlan(
            name="s",
            task=cast(Any, None),  # what only other estimators use
            space=little,
            strategy=policy,
            estimator=estimator,
            recipe=cast(Any, None),
            objectives=study.history.objectives,
            trials=more.pop("trials", TRIALS),
            control=0.25,
            ordered=more.pop("ordered", True),
        )
        announce = announcer(study, None)
        loop = SearchLoop(plan, study, context, executor, lease, announce, lag=lag)
        print("ready", flush=True)
        loop.run()
        return study
    finally:
        executor.stop()
        lease.release()


CASES: dict[str, Callable[[str, str, str], Any]] = {
    "here": lambda *a: quick(*a, nas.Here(), 1),
    "two": lambda *a: quick(*a, nas.Processes(2), 4),
    "unordered": lambda *a: quick(*a, nas.Processes(2), 4, ordered=False),
    "short": lambda *a: quick(*a, nas.Processes(2), 4, trials=SHORT),
    "deadly": lambda *a: quick(*a, nas.Here(), 1, trials=SHORT, pause=0.0, estimator=Deadly),
    "littering": lambda *a: quick(*a, nas.Processes(2), 4, estimator=Littering),
    "still": lambda *a: quick(*a, nas.Processes(2), 4, pause=30.0),
}

if __name__ == "__main__":
    words = [*sys.argv[1:], ""]
    CASES[words[0]](words[1], words[2], words[3])
    print("done", flush=True)
