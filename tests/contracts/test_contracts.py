"""Every part of the package satisfies its contract, and violations are detected."""

from __future__ import annotations

import itertools
import os
import random

import numpy as np
import pytest
import torch
from torch import nn

import nasturtium as nas
from nasturtium.contracts.assertions import alike
from nasturtium.contracts.benchmarks import check_benchmark
from nasturtium.contracts.estimators import check_estimator
from nasturtium.contracts.spaces import check_space
from nasturtium.contracts.stores import check_store
from nasturtium.contracts.strategies import check_strategy
from nasturtium.estimate.hardware import Hardware
from nasturtium.predict.mlp import MLPEnsemble
from nasturtium.run.names import NAMES, build_part
from nasturtium.space.zoo import SPACES
from nasturtium.study.context import StudyContext
from nasturtium.study.event import encode
from nasturtium.study.fidelity import FULL
from nasturtium.study.job import Job
from nasturtium.study.memo import Memo
from nasturtium.study.stores.memory import MemoryStore
from nasturtium.study.stores.sql import SqlStore
from nasturtium.study.trial import Proposal

# -- what is shipped ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPACES)
def test_spaces(name):
    check_space(getattr(nas.zoo, name), samples=10, builds=1)


BETWEEN_TWO = {"lemonade"}  # strategies that need an expensive and a cheap objective


# With a surrogate: contracts do not depend on how long it is trained, so it is trained briefly.
LEARNING = {
    "bananas": nas.BANANAS(mutants=10, predictor=MLPEnsemble(members=2, epochs=3)),
    "bayes": nas.BayesianOptimization(mutants=10, fresh=5),
    "npenas": nas.NPENAS(mutants=10, predictor=MLPEnsemble(members=2, epochs=3)),
    "optuna": nas.Optuna(),
    "portfolio": nas.Portfolio(mutants=10, fresh=5),
}


@pytest.mark.parametrize("name", sorted(set(NAMES["strategy"]) - BETWEEN_TWO - set(LEARNING)))
def test_strategies(name):
    check_strategy(build_part("strategy", name))


@pytest.mark.parametrize("name", sorted(set(NAMES["strategy"]) - set(LEARNING)))
def test_strategies_with_two_objectives(name):
    check_strategy(build_part("strategy", name), objectives=("accuracy", "min:latency"), cuts=3)


@pytest.mark.parametrize("name", LEARNING)
def test_strategies_with_a_surrogate(name):
    check_strategy(LEARNING[name], trials=28, cuts=3)


@pytest.mark.parametrize("name", LEARNING)
def test_strategies_with_a_surrogate_and_two_objectives(name):
    objectives = ("accuracy", "min:latency")
    check_strategy(LEARNING[name], objectives=objectives, trials=24, cuts=2)


@pytest.mark.parametrize(
    ("make", "durable"),
    [
        (lambda folder: SqlStore(folder / "study.db"), True),
        (lambda folder: MemoryStore(), False),
    ],
    ids=["SqlStore", "MemoryStore"],
)
def test_stores(make, durable):
    check_store(make, durable=durable)


@pytest.mark.parametrize(
    "estimator",
    [nas.Tabular(lambda architecture: {"accuracy": len(architecture) / 10}), Hardware(("params",))],
    ids=lambda estimator: type(estimator).__name__,
)
def test_estimators(estimator):
    check_estimator(estimator, nas.zoo.nasbench201.bind(cells=1, inputs=(3, 8, 8), classes=2))


def test_an_estimator_on_a_given_job():
    space = nas.zoo.nasbench201.bind(cells=1, inputs=(3, 8, 8), classes=2)
    job = Job(5, Proposal(space.sample(random.Random(0))), StudyContext("mine", 0, space))
    check_estimator(nas.Tabular(lambda architecture: {"accuracy": 0.5}), job)


# -- violations of contracts -----------------------------------------------------------------------


class Sound(nas.Strategy):
    def __init__(self, size=3):
        self.size = size

    def propose(self, state, history, rng):
        return nas.Proposal(history.space.sample(rng))


class Remembering(Sound):
    def propose(self, state, history, rng):
        self.size += 1
        return super().propose(state, history, rng)


class Forgetful(Sound):
    def __init__(self, size=3):
        self.kept = size


class Changing(Sound):
    def __init__(self, size=3):
        self.size = size + 1


class Global(Sound):
    def propose(self, state, history, rng):
        return nas.Proposal(history.space.sample(random))


class Numpy(Sound):
    def propose(self, state, history, rng):
        np.random.rand()
        return super().propose(state, history, rng)


class Fickle(Sound):
    def propose(self, state, history, rng):
        return nas.Proposal(history.space.sample(random.Random(os.urandom(4))))


class Outside(Sound):
    def propose(self, state, history, rng):
        return nas.Proposal(nas.Architecture(history.space.name, {"width": 3}))


class Prophetic(Sound):
    def propose(self, state, history, rng):
        return nas.Proposal(history.space.sample(rng), parent=1000)


class Shy(Sound):
    def propose(self, state, history, rng):
        return None


LEFT = []


class Counting(Sound):
    """It writes to its state while it proposes."""

    def start(self):
        return {"proposals": 0}

    def propose(self, state, history, rng):
        state["proposals"] += 1
        return super().propose(state, history, rng)


class Peeking(Sound):
    """It writes to its state while it is asked whether to stop."""

    def start(self):
        return np.zeros(3)

    def stops(self, state, history, trial):
        state += 1
        return False


class Elsewhere(Sound):
    """What it knows is not in the log: a memo that a resumed study begins with empty."""

    def start(self):
        return Memo()

    def propose(self, state, history, rng):
        memory = state.get("proposals", lambda: [0])
        memory[0] += 1
        child = history.space.sample(rng)
        return nas.Proposal(child if memory[0] % 7 else history.space.mutate(child, rng))


class Clocked(Sound):
    """Its state depends on how often update was called in this process."""

    def start(self):
        return []

    def update(self, state, history, trial):
        return [*state, next(CALLS)]


CALLS = itertools.count()


class Hiding(nas.Strategy):
    def __init__(self, start=3):
        self.start = start

    def propose(self, state, history, rng):
        return nas.Proposal(history.space.sample(rng))


class Shared(Sound):
    """Its state is one object for all of its studies."""

    def start(self):
        LEFT.clear()
        return LEFT

    def update(self, state, history, trial):
        state.append(trial.number)
        return state

    def propose(self, state, history, rng):
        child = history.space.sample(rng)
        return nas.Proposal(history.space.mutate(child, rng) if len(state) % 2 else child)


class Promoting(Sound):
    def propose(self, state, history, rng):
        resume = history[0].number if len(history) else None
        return nas.Proposal(history.space.sample(rng), resume=resume)


class Gullible(Sound):
    """It takes the values of trainings that were stopped for results."""

    def propose(self, state, history, rng):
        if not history.ended:
            return super().propose(state, history, rng)
        best = max(history.ended, key=history.score)
        return nas.Proposal(history.space.mutate(best.architecture, rng))


class Inheriting(Sound):
    def propose(self, state, history, rng):
        parent = history.stopped[-1].number if history.stopped else None
        return nas.Proposal(history.space.sample(rng), parent=parent)


class Hasty(Sound):
    def stops(self, state, history, trial):
        return len(history.finished) % 5 == 4


def test_a_sound_strategy():
    check_strategy(Sound(7))


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        (Remembering(), "keeps something on the instance: its attribute 'size' changed from 3"),
        (Hiding(), "has an argument 'start', which hides the method start()"),
        (Forgetful(), "does not keep its argument 'size' under its name"),
        (Changing(), "made of its attributes differs from itself"),
        (Global(), "draws from the global generator of random"),
        (Numpy(), "draws from the global generator of numpy"),
        (Fickle(), "the same seed gave another study"),
        (Outside(), "which is outside it"),
        (Prophetic(), "gave parent=1000 to trial 0; expected the number of an earlier trial"),
        (Shy(), "proposes nothing after 0 trials, of which none is pending and none has finished"),
        (Gullible(), "proposals depend on the metrics of trials that were stopped early"),
        (Inheriting(), "which was stopped early; a stopped trial is not a result"),
        (Counting(), "propose changes its state: 'proposals' was 0 and is 1; learn from events in"),
        (Peeking(), "Peeking.stops changes its state; learn from events in update"),
        (Elsewhere(), "resumed from its log, the study continued differently"),
        (Clocked(), "resumed from its log, the study came to another state"),
        (Shared(), "one instance in two studies at once does not do what it does in one"),
        (Hasty(), "Hasty.stops answers otherwise about trial"),
        (Promoting(), "expected a finished one of the same architecture"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nas.Strategy) else "",
)
def test_a_strategy_that_violates_its_contract(strategy, message):
    with pytest.raises(AssertionError) as raised:
        check_strategy(strategy)
    assert message in str(raised.value)


class Broken(nas.Space):
    """A space that is sound but for one method."""

    name = "broken"

    def __init__(self, **replaced):
        self.replaced = replaced

    def sample(self, rng):
        return self._or("sample", lambda rng: nas.Architecture("broken", {"w": rng.randrange(9)}))(
            rng
        )

    def mutate(self, parent, rng):
        other = (parent["w"] + rng.randrange(1, 9)) % 9
        return self._or("mutate", lambda parent, rng: nas.Architecture("broken", {"w": other}))(
            parent, rng
        )

    def cross(self, mother, father, rng):
        return self._or("cross", lambda mother, father, rng: rng.choice((mother, father)))(
            mother, father, rng
        )

    def build(self, architecture, *, seed=None):
        return self._or("build", _build)(architecture, seed)

    def canonical(self, architecture):
        return self._or("canonical", lambda architecture: architecture.key)(architecture)

    def bind(self, **arguments):
        return self

    def describe(self):
        return self._or("describe", lambda: {"name": "broken"})()

    def _or(self, name, method):
        return self.replaced.get(name, method)


def _build(architecture, seed):
    if architecture.space != "broken":
        raise nas.SpaceError("not mine")
    with torch.random.fork_rng():
        torch.manual_seed(0 if seed is None else seed)
        return nn.Linear(2, 1 + architecture["w"])


def _same(architecture, seed):
    _build(architecture, seed)
    return nn.Identity() if architecture.space == "broken" else None


ONE = nn.Linear(1, 1)
SPACE_VIOLATIONS = [
    ({"sample": lambda rng: nas.Architecture("broken", {"w": np.random.randint(2**30)})}, "sample"),
    (
        {"sample": lambda rng: nas.Architecture("other", {"w": 1})},
        "which is not one of its architectures",
    ),
    ({"mutate": lambda parent, rng: parent}, "mutate() gave its parent back"),
    (
        {"mutate": lambda p, rng: nas.Architecture("broken", {"w": p["w"] + random.random() + 1})},
        "mutate() gave another architecture for the same seed",
    ),
    (
        {"cross": lambda m, f, rng: nas.Architecture("broken", {"w": 100})},
        "crossing Architecture(broken: w=",
    ),
    ({"canonical": lambda architecture: [1]}, "canonical() is not hashable"),
    ({"canonical": lambda architecture: id(architecture)}, "differs between equal architectures"),
    ({"describe": lambda: {"names": {1}}}, "describe() is not plain JSON"),
    ({"describe": lambda: {"number": random.getrandbits(60)}}, "differs from call to call"),
    ({"build": lambda architecture, seed: ONE}, "gave the same module twice"),
    ({"build": lambda architecture, seed: nn.Linear(2, 1)}, "other weights for the same seed"),
    ({"build": lambda a, seed: _build(a, 1)}, "gave the same weights for other seeds"),
    ({"build": lambda a, seed: "net"}, "expected an nn.Module"),
    (
        {
            "build": lambda a, seed: nn.Sequential(
                _build(nas.Architecture("broken", {"w": 1}), seed)
            )
        },
        "built Architecture(another space: no such decision=1)",
    ),
]


@pytest.mark.parametrize(
    ("replaced", "message"), SPACE_VIOLATIONS, ids=[case[1] for case in SPACE_VIOLATIONS]
)
def test_a_space_that_violates_its_contract(replaced, message, monkeypatch):
    space = Broken(**replaced)
    # Lambdas cannot be pickled; what pickling is for is checked below.
    monkeypatch.setattr("nasturtium.contracts.spaces._check_pickling", lambda *_: None)
    with pytest.raises(AssertionError) as raised:
        check_space(space)
    assert message in str(raised.value)


def test_spaces_that_are_sound_or_cannot_be_sent():
    check_space(Broken())
    with pytest.raises(AssertionError, match="cannot be sent to a worker process"):
        check_space(Broken(canonical=lambda architecture: architecture.key))


class Estimate(nas.Estimator):
    metrics = ("accuracy",)

    def __init__(self, found=lambda job: {"accuracy": 0.5}):
        self.found = found
        self.calls = 0

    def estimate(self, job):
        return self.found(job)


class Counting(Estimate):
    def estimate(self, job):
        self.calls += 1
        return {"accuracy": 0.5}


class Preparing(Estimate):
    def prepare(self, preparation):
        path = preparation.context.files.temporary()
        path.write_text("made again")
        preparation.keep(path)


class Nameless(Estimate):
    metrics = ()


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (Nameless(), "metrics is (); expected a tuple of different names"),
        (Estimate(lambda job: None), "expected a mapping"),
        (Estimate(lambda job: {"top1": 0.5}), "gave ['top1'], and its metrics are ['accuracy']"),
        (Estimate(lambda job: {"accuracy": np.float32(0.5)}), "expected a plain number"),
        (Estimate(lambda job: {"accuracy": random.random()}), "global generator of random"),
        (
            Estimate(lambda job: {"accuracy": int(os.urandom(8).hex(), 16) / 2**64}),
            "a second time, for the same job",
        ),
        (Counting(), "keeps something on the instance: its attribute 'calls'"),
        (Preparing(), "prepare worked again although its file exists"),
    ],
)
def test_an_estimator_that_violates_its_contract(estimator, message):
    with pytest.raises(AssertionError) as raised:
        check_estimator(estimator, Broken())
    assert message in str(raised.value)


def test_what_is_measured_may_differ():
    timed = Estimate(lambda job: {"accuracy": int(os.urandom(8).hex(), 16) / 2**64})
    check_estimator(timed, Broken(), measured=("accuracy",))


class Leaky(nas.Store):
    """A store in memory that is sound but for what is replaced."""

    def __init__(self, **replaced):
        self.folder = None
        self.inner = MemoryStore()
        self.replaced = replaced

    def append(self, study, events):
        for event in events:
            encode(event)
        return self.replaced.get("append", self.inner.append)(study, events)

    def read(self, study, after=0):
        return self.replaced.get("read", lambda inner, *args: inner.read(*args))(
            self.inner, study, after
        )

    def studies(self):
        return self.replaced.get("studies", self.inner.studies)()

    def lease(self, study):
        return self.replaced.get("lease", self.inner.lease)(study)

    def close(self):
        self.inner.close()


class Free:
    def beat(self):
        return None

    def release(self):
        return None


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({}, None),
        ({"append": lambda study, events: 0}, "append() of two events to an empty log returned 0"),
        (
            {"read": lambda inner, study, after: inner.read("s", after)},
            "a study has events of another study",
        ),
        (
            {"read": lambda inner, study, after: inner.read(study)},
            "was appended and Event(kind='man",
        ),
        (
            {"read": lambda inner, study, after: [e._replace(kind="x") for e in inner.read(study)]},
            "was appended and",
        ),
        ({"studies": lambda: ("s",)}, "a new store has studies"),
        ({"lease": lambda study: Free()}, "a study's lease was given twice"),
    ],
)
def test_a_store_that_violates_its_contract(replaced, message):
    if message is None:
        check_store(lambda folder: Leaky(**replaced), durable=False)
        return
    with pytest.raises(AssertionError) as raised:
        check_store(lambda folder: Leaky(**replaced), durable=False)
    assert message in str(raised.value)


def test_a_store_that_forgets_is_not_durable():
    with pytest.raises(AssertionError, match="an event that is not plain data was accepted"):
        check_store(lambda folder: MemoryStore())
    with pytest.raises(AssertionError, match="does not read the appended events"):
        check_store(lambda folder: SqlStore(folder / f"{len(list(folder.iterdir()))}.db"))


# -- likeness -------------------------------------------------------------------------------------


def test_alike():
    assert alike([1, (2.0, {"a": np.ones(2)})], [1, (2.0, {"a": np.ones(2)})])
    assert alike(Sound(3), Sound(3)) and not alike(Sound(3), Sound(4))
    assert alike(float("nan"), float("nan")) and not alike(1, 1.0) and not alike(1, True)
    assert not alike({"a": 1}, {"b": 1}) and not alike([1], [1, 2])
    assert alike(torch.ones(2), torch.ones(2)) and not alike(torch.ones(2), torch.zeros(2))
    assert not alike(np.ones(2), np.ones((1, 2)))
    assert alike(random.Random(1), random.Random(1))
    assert not alike(random.Random(1), random.Random(2))
    assert alike(Sound().propose, Sound().propose) and not alike(Sound().propose, Sound().start)
    one, two = Sound(), Sound()
    one.size, two.size = one, two  # cycles end
    assert alike(one, two)


def test_a_best_that_no_architecture_reaches_is_found() -> None:
    @nas.space
    def pair(choose):
        choose("a", (1, 2))
        choose("b", (1, 2, 3))
        return lambda: None

    class Table(nas.Benchmark):
        def __init__(self, best):
            self.name, self.space, self.metrics, self.best = "pair", pair, ("accuracy",), best

        def query(self, architecture, *, fidelity=FULL, run=None):
            self.level(fidelity)
            return {"accuracy": self.truth(architecture)}

        def truth(self, architecture):
            return architecture["a"] * architecture["b"] / 10

    check_benchmark(Table(0.6))
    with pytest.raises(AssertionError, match=r"best is 0\.7, and the highest truth of its 6"):
        check_benchmark(Table(0.7))
