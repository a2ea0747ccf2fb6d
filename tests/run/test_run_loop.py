"""The loop of a search, with estimators that take no time and executors that answer as told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, cast, final

import pytest

import nasturtium as nas
from nasturtium.execute.run_job import run_job
from nasturtium.run.loop import SearchLoop
from nasturtium.run.plan import SearchPlan
from nasturtium.run.stages import Stage
from nasturtium.study.confirmation import confirmed
from nasturtium.study.context import StudyContext
from nasturtium.study.event import decode, encode
from nasturtium.study.trial import Outcome


@nas.space
def little(choose: Any) -> Any:
    for name in "abcd":
        choose(name, tuple(range(4)))
    return lambda: None


class Look(nas.Estimator):
    metrics = ("score", "latency")

    def __init__(self, look: Callable[[nas.Job], Any]) -> None:
        self.look = look

    def estimate(self, job: nas.Job) -> Mapping[str, float]:
        found: Mapping[str, float] = self.look(job)
        return found


def total(job: nas.Job) -> dict[str, float]:
    return {"score": float(sum(job.architecture.values()))}  # type: ignore[arg-type]


@final
class Shuffled(nas.Executor):
    """Workers that finish in an order of their own."""

    def __init__(self, workers: int, seed: int) -> None:
        self.workers = workers
        self.rng = Random(seed)
        self.jobs: list[nas.Job] = []
        self.most = 0

    def start(self, context: Any, estimator: nas.Estimator, listen: Any = None) -> None:
        self.estimator = estimator
        self.listen = listen

    def submit(self, job: nas.Job) -> None:
        self.jobs.append(job)
        self.most = max(self.most, len(self.jobs))

    def wait(self, timeout: float) -> list[Any]:
        running = min(self.workers, len(self.jobs))
        job = self.jobs.pop(self.rng.randrange(running))
        job.listen = self.listen
        return [run_job(self.estimator, job)]

    def stop(self) -> None:
        self.jobs.clear()


@final
class Interleaved(nas.Executor):
    """Workers that report point by point, each at a pace of its own."""

    def __init__(self, workers: int, seed: int) -> None:
        self.workers = workers
        self.rng = Random(seed)
        self.jobs: list[nas.Job] = []

    def start(self, context: Any, estimator: nas.Estimator, listen: Any = None) -> None:
        self.listen = listen

    def submit(self, job: nas.Job) -> None:
        job.listen = self.listen
        self.jobs.append(job)

    def wait(self, timeout: float) -> list[Outcome]:
        job = self.rng.choice(self.jobs[: self.workers])
        value = Random(job.number).random() * (len(job.curve) + 1)
        if job.report({"score": value}) and len(job.curve) < 4:
            return []
        self.jobs.remove(job)
        stopped = job.stopped()
        return [Outcome(job.number, {"score": value}, tuple(job.curve), stopped=stopped)]

    def stop(self) -> None:
        self.jobs.clear()


def drive(
    executor: nas.Executor | None = None,
    look: Callable[[nas.Job], Any] = total,
    strategy: nas.Strategy | None = None,
    constraints: Sequence[str] = (),
    store: nas.Store | None = None,
    lag: int = 1,
    **more: Any,
) -> nas.Study:
    study = nas.Study(
        little,
        strategy or nas.RegularizedEvolution(population=5, sample=2),
        objectives=("score",),
        constraints=constraints,
        store=store,
        seed=1,
    )
    context = StudyContext("study", 1, little, constraints=study.history.constraints)
    runner = executor or nas.Here()
    plan = SearchPlan(
        name="study",
        task=cast(Any, None),  # what only other estimators use
        space=little,
        strategy=study.strategy,
        estimator=Look(look),
        recipe=cast(Any, None),
        objectives=study.history.objectives,
        **{"trials": 20, "control": 0.25, **more},
    )
    seen: list[Any] = []

    def announce(stage: Stage, trial: nas.Trial | None) -> None:
        if stage == "search":
            seen.append(trial)

    lease = study.store.lease("study")
    try:
        SearchLoop(plan, study, context, runner, lease, announce, lag=lag).run()
    finally:
        runner.stop()
        lease.release()
    done = [trial.number for trial in seen if trial is not None]
    assert len(set(done)) == len(done)  # nothing was told twice
    return study


def log(study: nas.Study) -> list[tuple[str, str]]:
    return [(event.kind, encode(event)[0]) for event in study.store.read("study")]


@pytest.mark.parametrize("lag", [2, 4, 7])
def test_the_log_depends_on_the_lag_and_not_on_workers_or_speed(lag: int) -> None:
    def sometimes(job: nas.Job) -> dict[str, float]:
        if job.number % 7 == 3:
            raise ValueError("no luck")
        return total(job)

    alone = log(drive(look=sometimes, lag=lag))
    for workers in (1, 2):
        for seed in range(4):
            executor = Shuffled(workers, seed)
            assert log(drive(executor, look=sometimes, lag=lag)) == alone
            assert executor.most <= lag
    assert log(drive(look=sometimes, lag=lag + 1)) != alone


@pytest.mark.parametrize("strategy", [nas.MedianStop(), nas.Portfolio()])
def test_what_is_stopped_does_not_depend_on_workers_or_speed(strategy: nas.Strategy) -> None:
    def stepping(job: nas.Job) -> dict[str, float]:
        score = total(job)["score"]
        for step in range(4):
            if not job.report({"score": score * (step + 1)}):
                break
        return {"score": score * (step + 1)}

    alone = drive(look=stepping, lag=3, trials=40, strategy=strategy)
    assert len(alone.history.stopped) > 5
    for seed in range(3):
        one = drive(Shuffled(3, seed), look=stepping, lag=3, trials=40, strategy=strategy)
        assert log(one) == log(alone) and one.cost == alone.cost


@pytest.mark.parametrize(
    "strategy",
    [
        nas.MedianStop(nas.RegularizedEvolution(population=5, sample=2), least=2),
        nas.ASHA(nas.MedianStop(least=2), least=1 / 3),
    ],
)
def test_what_is_stopped_does_not_depend_on_speed(strategy: nas.Strategy) -> None:
    logs = [
        log(drive(Interleaved(workers, seed), strategy=strategy, lag=4, control=0.0, trials=30))
        for workers, seed in ((1, 0), (2, 1), (2, 2), (4, 3))
    ]
    assert logs[1:] == logs[:1] * 3
    told = [decode(kind, body, "").data for kind, body in logs[0] if kind == "told"]
    lengths = {len(outcome.curve) for outcome in told}
    assert min(lengths) < 4 == max(lengths)


def test_a_trial_sees_the_results_up_to_the_lag_before_it() -> None:
    class Seeing(nas.Strategy):
        def propose(self, state: Any, history: nas.History, rng: Random) -> nas.Proposal:
            seen.append((len(history), sorted(t.number for t in history.finished)))
            return nas.Proposal(history.space.sample(rng))

    seen: list[tuple[int, list[int]]] = []
    drive(Shuffled(3, 0), strategy=Seeing(), lag=3, control=0.0)
    assert seen == [(n, list(range(max(0, n - 2)))) for n in range(20)]


def test_out_of_order_loses_nothing() -> None:
    study = drive(Shuffled(3, 2), lag=3, ordered=False)
    assert len(study.history) == len(study.history.finished) == 20
    told = [trial.number for trial in study.history.finished]
    assert sorted(told) == list(range(20))
    assert told != sorted(told)


@pytest.mark.parametrize(
    ("control", "population", "wanted"), [(0.0, 5, 0), (0.25, 5, 0), (0.3, 5, 1), (0.5, 2, 8)]
)
def test_uniform_draws_of_the_strategy_count_as_control(
    control: float, population: int, wanted: int
) -> None:
    strategy = nas.RegularizedEvolution(population=population, sample=2)
    for workers in (1, 3):
        study = drive(Shuffled(workers, 0), strategy=strategy, control=control, lag=workers)
        arms = [trial.arm for trial in study.history]
        uniform = sum(trial.proposal.uniform for trial in study.history)
        if workers == 1:
            assert arms == ["search"] * 20 + ["control"] * wanted
        assert arms.count("search") == 20
        assert uniform == max(round(20 * control), uniform)


class Few(nas.Strategy):
    """Proposes five times, waits for all, and then once more."""

    def propose(self, state: Any, history: nas.History, rng: Random) -> nas.Proposal | None:
        if len(history) < 5 or (len(history.finished) == 5 and len(history) == 5):
            return nas.Proposal(history.space.sample(rng))
        return None


def test_a_strategy_that_waits_and_ends() -> None:
    alone = drive(strategy=Few(), lag=3, control=0.5)
    assert [trial.arm for trial in alone.history] == ["search"] * 6 + ["control"] * 3
    for seed in range(3):
        assert log(drive(Shuffled(2, seed), strategy=Few(), lag=3, control=0.5)) == log(alone)


class Stop(Exception):
    """The driver ends here."""


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("strategy", [Few(), nas.RegularizedEvolution(5, 2)])
def test_interrupted_after_any_event_the_log_is_the_same(
    ordered: bool, strategy: nas.Strategy
) -> None:
    options: dict[str, Any] = {
        "strategy": strategy,
        "control": 0.5,
        "trials": 8,
        "lag": 3,
        "ordered": ordered,
    }
    whole = log(drive(**options))
    for length in range(len(whole)):
        store = nas.MemoryStore()
        append, left = store.append, [length]

        def dies(study: str, events: Any, append: Any = append, left: Any = left) -> int:
            if left[0] == 0:
                raise Stop
            left[0] -= 1
            last: int = append(study, events)
            return last

        store.append = dies  # type: ignore[method-assign]
        with pytest.raises(Stop):
            drive(store=store, **options)
        store.append = append  # type: ignore[method-assign]
        assert log(drive(store=store, **options)) == whole


def test_ten_failures_at_the_beginning_end_a_search() -> None:
    def never(job: nas.Job) -> Any:
        raise ValueError("broken estimator")

    store = nas.MemoryStore()
    message = "the first 10 trials of study 'study' all failed, 10 of them with: ValueError: broken"
    with pytest.raises(nas.EstimateError, match=message):
        drive(look=never, store=store)
    study = nas.Study(little, nas.RandomSearch(), objectives=("score",), store=store)
    assert [trial.state for trial in study.history] == ["failed"] * 10
    with pytest.raises(nas.EstimateError, match="the first 3 trials"):
        drive(look=never, trials=3)
    with pytest.raises(nas.EstimateError, match="the first 10 trials"):
        drive(look=never, store=store, trials=10, control=0.0)  # nothing is left to do, and yet


def test_later_failures_do_not_end_it() -> None:
    study = drive(look=lambda job: total(job) if job.number == 9 else 1 / 0)
    states = [trial.state for trial in study.history]
    assert states.count("finished") == 1
    assert len(states) == 20


def test_bounds_that_a_measurement_breaks_reject_and_are_not_counted() -> None:
    def slow(job: nas.Job) -> dict[str, float]:
        job.check({"latency": float(job.architecture["a"])})  # type: ignore[arg-type]
        return {**total(job), "latency": float(job.architecture["a"])}  # type: ignore[arg-type]

    study = drive(look=slow, constraints=("latency<1.5ms",), strategy=nas.RandomSearch())
    states = [trial.state for trial in study.history]
    assert states.count("finished") == 20
    assert states.count("rejected") > 5
    assert all(trial.architecture["a"] <= 1 for trial in study.history.finished)
    with pytest.raises(
        nas.StrategyError,
        match=r"201 trials violated a constraint \(latency<-1\) after they",
    ):
        drive(look=slow, constraints=("latency<-1ms",), strategy=nas.RandomSearch(), trials=1000)


def test_a_control_that_never_keeps_a_bound_is_given_up() -> None:
    class Good(nas.Strategy):
        def propose(self, state: Any, history: nas.History, rng: Random) -> nas.Proposal:
            return nas.Proposal(nas.Architecture("little", dict.fromkeys("abcd", 0)))

    def slow(job: nas.Job) -> dict[str, float]:
        latency = 0.0 if not job.proposal.uniform else 9.0
        job.check({"latency": latency})
        return {**total(job), "latency": latency}

    study = drive(look=slow, constraints=("latency<5ms",), strategy=Good(), trials=12)
    arms = [trial.arm for trial in study.history.finished]
    assert arms == ["search"] * 12
    assert len(study.history) == 12 + 20 * 12 + 1


def test_no_hours_are_no_trials() -> None:
    assert len(drive(hours=0.0).history) == 0


def test_the_strategy_stops_a_trial_by_what_it_reports() -> None:
    class Impatient(nas.Strategy):
        def propose(self, state: Any, history: nas.History, rng: Random) -> nas.Proposal:
            return nas.Proposal(history.space.sample(rng))

        def stops(self, state: Any, history: nas.History, trial: nas.Trial) -> bool:
            return len(trial.curve) == 2 and trial.curve[-1]["step"] == 1.0

    def stepping(job: nas.Job) -> dict[str, float]:
        steps = 0
        while steps < 5 and job.report({"step": steps}):
            steps += 1
        return {"score": float(steps)}

    study = drive(look=stepping, strategy=Impatient(), trials=3, control=0.3)
    searched, control = (study.history.where(arm=arm) for arm in ("search", "control"))
    assert [trial.metrics["score"] for trial in searched] == [1.0] * 3
    assert [len(trial.curve) for trial in searched] == [2] * 3
    # What the search is compared with is trained to the end.
    assert [trial.metrics["score"] for trial in control] == [5.0]


def test_the_best_candidates_are_estimated_once_more_at_the_end() -> None:
    def noisy(job: nas.Job) -> dict[str, float]:
        score = sum(map(int, job.architecture.values())) // 4  # type: ignore[call-overload]
        return {"score": score + Random(job.seed("noise")).random()}

    for workers in (1, 4):
        logs = []
        for seed in range(2):
            study = drive(Shuffled(workers, seed), noisy, confirm=3, lag=workers)
            again = [trial for trial in study.history if trial.arm == "confirm"]
            others = study.history.where(arm=("search", "control"))
            assert [trial.number for trial in again] == [t.number for t in study.history[-3:]]
            ranked = others.best(3)
            assert {t.architecture.key for t in again} == {t.architecture.key for t in ranked}
            assert study.best.number == confirmed(study.history)[0].trial.number
            assert study.count("searched") == 20
            logs.append(log(study))
        assert logs[0] == logs[1]
