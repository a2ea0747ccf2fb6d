"""Worker processes that die, hang, fail and are started again; their jobs need no torch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import nasturtium as nas
from nasturtium.execute import processes
from nasturtium.execute.base import count_cores
from nasturtium.study.context import StudyContext
from nasturtium.study.files import Files
from nasturtium.study.trial import Outcome


@nas.space
def little(choose: Any) -> Any:
    """A space that needs no torch."""
    choose("a", tuple(range(9)))
    return lambda: None


def estimating(what: Callable[[nas.Job], Any]) -> nas.Estimator:
    """An estimator of this function; local, so that it travels by value."""

    class Does(nas.Estimator):
        metrics = ("score",)

        def estimate(self, job: nas.Job) -> Mapping[str, float]:
            found: Mapping[str, float] = what(job)
            return found

    return Does()


def job(number: int, context: StudyContext) -> nas.Job:
    return nas.Job(number, nas.Proposal(nas.Architecture("s", {"a": number})), context)


@pytest.fixture
def crew() -> Iterator[nas.Processes]:
    executor = nas.Processes(2)
    yield executor
    executor.stop()


def answers(executor: nas.Executor, wanted: int, seconds: float = 60.0) -> dict[int, Outcome]:
    found: dict[int, Outcome] = {}
    end = time.monotonic() + seconds
    while len(found) < wanted and time.monotonic() < end:
        for outcome in executor.wait(0.1):
            assert outcome.number not in found
            found[outcome.number] = outcome
    assert len(found) == wanted
    return found


def run(
    executor: nas.Executor,
    what: Callable[[nas.Job], Any],
    jobs: int,
    context: StudyContext,
    **more: Any,
) -> dict[int, Outcome]:
    executor.start(context, estimating(what), **more)
    for number in range(jobs):
        executor.submit(job(number, context))
    return answers(executor, jobs)


def plain(**options: Any) -> StudyContext:
    return StudyContext("s", 0, little, **options)


def test_here_and_processes_give_the_same(crew: nas.Processes) -> None:
    factor = 3.0

    def what(job: nas.Job) -> dict[str, float]:
        if job.number == 2:
            raise ValueError("no luck")
        job.report({"step": 1.0})
        return {"score": factor * job.number, "seed": float(job.seed("x"))}

    there = run(crew, what, 5, plain())
    here = run(nas.Here(), what, 5, plain())
    for number in range(5):
        assert there[number]._replace(seconds=0, cpu_seconds=0) == here[number]._replace(
            seconds=0, cpu_seconds=0
        )
    assert here[1].metrics["score"] == factor


def test_what_is_reported_is_heard_and_answered(crew: nas.Processes) -> None:
    def what(job: nas.Job) -> dict[str, float]:
        steps = 0
        while steps < 9 and job.report({"step": float(steps)}):
            steps += 1
        return {"score": float(steps)}

    heard: list[tuple[int, float]] = []

    def listen(number: int, curve: Sequence[Mapping[str, float]]) -> bool:
        assert [point["step"] for point in curve] == list(range(len(curve)))
        heard.append((number, curve[-1]["step"]))
        return curve[-1]["step"] < number

    for executor in (nas.Here(), crew):
        heard.clear()
        outcomes = run(executor, what, 4, plain(), listen=listen)
        assert [outcomes[n].metrics["score"] for n in range(4)] == [0.0, 1.0, 2.0, 3.0]
        assert sorted(heard) == [(n, float(s)) for n in range(4) for s in range(n + 1)]


def test_a_job_that_kills_two_workers_fails_and_the_others_do_not(crew: nas.Processes) -> None:
    def what(job: nas.Job) -> dict[str, float]:
        if job.number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if job.number == 3:
            os._exit(7)
        return {"score": 1.0}

    outcomes = run(crew, what, 5, plain())
    assert outcomes[1].error == (
        "its worker process died 2 times (SIGKILL); the system may be out of memory"
    )
    assert outcomes[3].error == "its worker process died 2 times (exit code 7)"
    assert [outcomes[n].error for n in (0, 2, 4)] == [None] * 3
    crew.stop()
    assert not crew._deaths


def test_a_result_that_was_left_is_not_estimated_again(crew: nas.Processes, tmp_path: Path) -> None:
    def what(job: nas.Job) -> dict[str, float]:
        with (tmp_path / f"{job.number}").open("a") as file:
            file.write("x")
        if job.number == 1:
            real = job.files.leave_result

            def leave(study: str, number: int, outcome: Any) -> None:
                real(study, number, outcome)
                os.kill(os.getpid(), signal.SIGKILL)

            job.files.leave_result = leave  # type: ignore[method-assign]
        return {"score": float(job.number)}

    outcomes = run(crew, what, 3, plain(files=Files(tmp_path / "files")))
    assert [outcomes[n].metrics for n in range(3)] == [{"score": float(n)} for n in range(3)]
    assert [(tmp_path / str(n)).read_text() for n in range(3)] == ["x"] * 3


def test_a_job_that_hangs_is_ended(crew: nas.Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    def what(job: nas.Job) -> dict[str, float]:
        if job.number == 1:
            time.sleep(600)
        return {"score": 1.0}

    monkeypatch.setattr(processes, "GRACE", 1.5)
    outcomes = run(crew, what, 4, plain(time_limit=0.5))
    assert outcomes.pop(1).error == "did not end within its time limit of 0.5 s"
    assert all(outcome.error is None for outcome in outcomes.values())


def once(path: Path) -> bool:
    """Whether this is the first time in all processes."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def test_a_worker_that_is_stopped_is_replaced_at_any_moment(
    crew: nas.Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ballast = bytes(3_000_000)  # more than a pipe takes

    def what(job: nas.Job) -> dict[str, float]:
        if job.number == 1 or (job.number == 2 and once(tmp_path / "2")):
            os.kill(os.getpid(), signal.SIGSTOP)
        return {"score": float(len(ballast))}

    monkeypatch.setattr(processes, "STOPPED", 0.3)
    crew.start(plain(time_limit=0.01), estimating(what))
    os.kill(crew._workers[0].process.pid, signal.SIGSTOP)  # just started
    for number in range(4):
        crew.submit(job(number, plain()))
    outcomes = answers(crew, 4)
    assert outcomes.pop(1).error == "its worker process died 2 times (it was stopped for 0.3 s)"
    assert [outcome.metrics for outcome in outcomes.values()] == [{"score": 3e6}] * 3
    os.kill(crew._workers[0].process.pid, signal.SIGSTOP)  # idle
    for number in range(4, 6):
        crew.submit(job(number, plain()))
    assert [outcome.error for outcome in answers(crew, 2).values()] == [None] * 2


def sleep() -> object:
    time.sleep(600)
    return None


class Slow(nas.Estimator):
    def __reduce__(self) -> tuple[Any, ...]:
        return sleep, ()

    def estimate(self, job: nas.Job) -> Mapping[str, float]:
        return {}


def test_workers_that_never_start_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(nas.EstimateError, match="start_limit=0; expected seconds, more than 0"):
        nas.Processes(1, start_limit=0)
    monkeypatch.setattr(processes, "STARTS", 2)
    crew = nas.Processes(1, start_limit=0.2)
    try:
        crew.start(plain(), Slow())
        crew.submit(job(0, plain()))
        message = r"do not start: 2 in a row .*the last: it was not ready for a job after 0.2 s\)"
        with pytest.raises(nas.EstimateError, match=message):
            answers(crew, 1)
    finally:
        crew.stop()


def test_time_in_which_the_driver_itself_is_stopped_does_not_count(crew: nas.Processes) -> None:
    run(crew, lambda job: {"score": 1.0}, 1, plain())
    before = crew._now
    crew._watched -= 3600.0
    crew.wait(0.0)
    assert crew._now - before <= 1.0


def test_a_job_that_runs_again_reports_a_curve_of_its_own(
    crew: nas.Processes, tmp_path: Path
) -> None:
    def what(job: nas.Job) -> dict[str, float]:
        if sys.platform == "linux":  # the kernel ends a worker before the driver
            assert Path("/proc/self/oom_score_adj").read_text() == "500\n"
        for step in range(5):
            job.report({"step": step})
            if step == 2 and once(tmp_path / "died"):
                os.kill(os.getpid(), signal.SIGKILL)
        return {"score": 1.0}

    heard = []

    def listen(number: int, curve: Sequence[Mapping[str, float]]) -> bool:
        heard.append([point["step"] for point in curve])
        return True

    outcome = run(crew, what, 1, plain(), listen=listen)[0]
    assert [len(steps) for steps in heard] == [1, 2, 3, 1, 2, 3, 4, 5]
    assert heard[-1] == [point["step"] for point in outcome.curve] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_hostile_results_travel_as_failures(crew: nas.Processes) -> None:
    def what(job: nas.Job) -> Any:
        if job.number == 0:
            sys.exit(3)
        if job.number == 1:
            raise ValueError(threading.Lock(), "caf\udce9")
        if job.number == 2:
            return {"score": threading.Lock()}
        os.closerange(0, 4096)  # its end of the pipe among them
        return {"score": 1.0}

    outcomes = run(crew, what, 4, plain())
    errors = [str(outcomes[number].error) for number in range(4)]
    assert errors[0].startswith("SystemExit: 3 (in what")
    assert errors[1].startswith("ValueError: (<unlocked _thread.lock object at")
    assert errors[2].startswith("Does.estimate: score is <unlocked _th")
    assert errors[3].startswith("its worker process died 2 times (")


def test_what_cannot_be_sent_is_said(crew: nas.Processes) -> None:
    class Holds(nas.Estimator):
        def __init__(self) -> None:
            self.lock = threading.Lock()

        def estimate(self, job: nas.Job) -> Mapping[str, float]:
            return {}

    message = "the space or the estimator cannot be sent to worker processes .*lock.*'here'"
    with pytest.raises(nas.EstimateError, match=message):
        crew.start(plain(), Holds())


def refuse() -> object:
    raise ImportError("no module of that name here")


class Unwelcome(nas.Estimator):
    def __reduce__(self) -> tuple[Any, ...]:
        return refuse, ()

    def estimate(self, job: nas.Job) -> Mapping[str, float]:
        return {}


def test_what_cannot_be_unpacked_by_a_worker_is_said(crew: nas.Processes) -> None:
    crew.start(plain(), Unwelcome())
    crew.submit(job(0, plain()))
    with pytest.raises(nas.EstimateError, match=r"a worker process failed: .*no module of that"):
        answers(crew, 1)


def test_calls_that_fail_leave_the_crew_in_order(crew: nas.Processes) -> None:
    def fails_first(context: StudyContext, path: str) -> int:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            time.sleep(0.2)  # answers when the other has failed
            return 1
        raise ValueError("one is enough")

    def dies(context: StudyContext) -> int:
        os._exit(3)

    def number(context: StudyContext, plus: int) -> int:
        return 40 + plus

    crew.start(plain(), estimating(lambda job: {"score": 1.0}))
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"nasturtium-{os.getpid()}-{time.time_ns()}"
    with pytest.raises(nas.EstimateError, match="failed: ValueError: one is enough"):
        crew.call(fails_first, 2, str(folder))
    folder.unlink()
    assert crew.call(number, 2, 2) == [42, 42]  # and not what a slow one said before
    with pytest.raises(nas.EstimateError, match=r"failed: it died \(exit code 3\)"):
        crew.call(dies, 1)
    assert crew.call(number, 2, 3) == [43, 43]
    crew.submit(job(0, plain()))
    assert answers(crew, 1)[0].metrics == {"score": 1.0}


def test_started_again_with_another_setting_and_fewer_workers(crew: nas.Processes) -> None:
    pids = lambda job: {"score": float(os.getpid())}  # noqa: E731
    first = {outcome.metrics["score"] for outcome in run(crew, pids, 8, plain()).values()}
    crew.workers = 1
    seeds = run(crew, lambda job: {"score": job.context.seed}, 1, StudyContext("s", 9, None))  # type: ignore[arg-type]
    assert seeds[0].metrics == {"score": 9.0}
    second = {outcome.metrics["score"] for outcome in run(crew, pids, 4, plain()).values()}
    assert len(second) == 1
    assert second <= first or len(first) == 1  # the process that was there goes on
    crew.stop()
    crew.stop()
    assert run(crew, pids, 1, plain())[0].error is None


def test_no_workers_are_no_executor() -> None:
    with pytest.raises(nas.EstimateError, match="workers=0; expected 1 or more"):
        nas.Processes(0)
    assert nas.Processes().workers == count_cores() >= 1


MAIN = """
import sys
from random import Random
import nasturtium as nas
from nasturtium.execute import processes
from nasturtium.execute.base import count_cores
from beside import Twice
from nasturtium.run.names import build_part
from nasturtium.study.context import StudyContext

@nas.space
def net(choose):
    choose("a", (1, 2, 3))
    return lambda: None

class Mine(nas.Estimator):
    def __init__(self, *others):
        self.others = others
    def estimate(self, job):
        assert job.space.sample(Random(0)) == job.architecture
        return {"score": sum(other.estimate(job)["score"] for other in self.others)}

def closure(bonus):
    class Inner(nas.Estimator):
        def estimate(self, job):
            return {"score": bonus}
    return Inner()

for space in (net, build_part("space", "own/file.py:other")):
    crew = nas.Processes(1)
    setting = StudyContext("s", 0, space)
    crew.start(setting, Mine(Twice(), closure(5)))
    crew.submit(nas.Job(0, nas.Proposal(space.sample(Random(0))), setting))
    outcomes = []
    while not outcomes:
        outcomes = crew.wait(60)
    (outcome,) = outcomes
    print(outcome.error, outcome.metrics["score"])
    crew.stop()
assert "torch" not in sys.modules
"""

BESIDE = """
import nasturtium as nas
from nasturtium.execute import processes
from nasturtium.execute.base import count_cores

class Twice(nas.Estimator):
    def estimate(self, job):
        return {"score": 2 * job.architecture["a"]}
"""

OWN = """
import nasturtium as nas
from nasturtium.execute import processes
from nasturtium.execute.base import count_cores
from its_neighbour import options

@nas.space
def other(choose):
    choose("a", options)
    return lambda: None
"""


@pytest.mark.parametrize("read", [False, True], ids=["file", "input"])
def test_parts_of_the_main_program_and_of_files_travel(tmp_path: Path, read: bool) -> None:
    """The program has no ``if __name__ == "__main__"``, and runs in another folder.

    Or it is read from the input, and has no file at all.
    """
    program = tmp_path / ("here" if read else "program")
    (tmp_path / "here" / "own").mkdir(parents=True)
    program.mkdir(exist_ok=True)
    (program / "main.py").write_text(MAIN)
    (program / "beside.py").write_text(BESIDE)
    (tmp_path / "here" / "own" / "file.py").write_text(OWN)
    (tmp_path / "here" / "own" / "its_neighbour.py").write_text("options = (7, 8)\n")
    done = subprocess.run(
        [sys.executable, "-" if read else str(program / "main.py")],
        input=MAIN if read else None,
        cwd=tmp_path / "here",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["None", "None"]
    assert float(lines[0].split()[1]) in (7.0, 9.0, 11.0)
    assert float(lines[1].split()[1]) in (19.0, 21.0)
