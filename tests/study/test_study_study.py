"""Studies: ask and tell, interruption at every event, and resumption with the same result."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import nasturtium as nas
from nasturtium.errors import StoreError, StrategyError
from nasturtium.study.event import Event
from nasturtium.study.proposer import mix_seed
from nasturtium.study.stores.memory import MemoryStore
from nasturtium.study.stores.sql import SqlStore
from nasturtium.study.trial import Outcome


@nas.space
def toy(choose):
    """A space with a condition, whose decisions are not asked in alphabetical order."""
    width = choose("width", tuple(range(8)))
    if width > 3:
        choose.subset("parts", ("a", "b", "c"), least=1)
    choose.range("rate", 0.001, 1.0, log=True)
    return lambda: None


class Bandit(nas.Strategy):
    """Learns which width pays by updates: its state is a table of sums, and changes in place."""

    def start(self):
        return {"folded": [], "sums": {}}

    def update(self, state, history, trial):
        assert trial in history
        state["folded"].append((trial.number, trial.state))
        if trial.state == "finished":
            width = trial.architecture["width"]
            total, count = state["sums"].get(width, (0.0, 0))
            state["sums"][width] = (total + trial.metrics["accuracy"], count + 1)
        return state

    def propose(self, state, history, rng):
        sums = state["sums"]
        if not sums or rng.random() < 0.3:
            return nas.Proposal(history.space.sample(rng))
        best = max(sums, key=lambda width: (sums[width][0] / sums[width][1], width))
        return nas.Proposal(history.space.repair({"width": best}, rng))


class Waiting(nas.Strategy):
    """Proposes in rounds: waits until all of the last one are answered."""

    def propose(self, state, history, rng):
        if len(history) % 3 == 0 and history.pending:
            return None
        return nas.Proposal(history.space.sample(rng))


STRATEGIES = [
    nas.RandomSearch(),
    nas.RegularizedEvolution(population=4, sample=2),
    Bandit(),
    Waiting(),
]
by_name = pytest.mark.parametrize(
    "strategy", STRATEGIES, ids=[type(strategy).__name__ for strategy in STRATEGIES]
)
BOUNDED = {"constraints": ("size<9",), "screen": lambda a: {"size": float(a["width"] + len(a))}}


def value(architecture):
    """Something like an accuracy."""
    return round(1 / (1 + abs(architecture["width"] - 5) + architecture["rate"]), 6)


def answer(study, trial):
    """Tell, or fail, by the trial's number and architecture alone."""
    architecture = trial.architecture
    if trial.number % 7 == 5:
        study.fail(trial, "a worker died")
    elif trial.number % 11 == 3:
        study.tell(trial, {"accuracy": math.nan, "size": 1.0})
    else:
        metrics = {"accuracy": value(architecture), "size": float(architecture["width"])}
        study.tell(trial, metrics, curve=({"epoch": 1, "loss": 0.5},), seconds=0.1)


def drive(study, events):
    """Ask and tell, one trial at a time, until the log has so many events or more."""
    while (done := study.store.append(study.name, [])) < events:
        if study.history.pending and not study.interrupted:
            answer(study, study.history.pending[0])
        else:
            trial = study.ask("control" if len(study.history) % 6 == 4 else "search")
            if study.interrupted or study.store.append(study.name, []) == done:
                answer(study, trial)


@by_name
@pytest.mark.parametrize("options", [{}, BOUNDED], ids=["free", "bounded"])
def test_interrupted_anywhere_it_goes_on_to_the_same_log(strategy, options, tmp_path):
    events = 40

    def reopened(store):
        return nas.Study(toy, strategy, store=store, name="s", seed=3, **options)

    whole = SqlStore(tmp_path / "whole.db")
    drive(reopened(whole), events)
    wanted = whole.text("s")[:events]
    assert {"asked", "told", "failed"} <= {kind for _, kind, _ in wanted}
    assert ("rejected" in {kind for _, kind, _ in wanted}) == bool(options)

    log = list(whole.read("s"))[:events]
    parts = SqlStore(tmp_path / "parts.db")
    for cut in range(events):
        # The study is dropped after `cut` events, and its file opened again. Rejections are
        # appended together with what follows them, all or none.
        if cut and log[cut - 1].kind == "rejected":
            continue
        parts.database.create_tables()
        parts.database.raw.execute("DELETE FROM event")
        parts._writer.forget()
        if cut:
            parts.append("s", log[:cut])
        study = reopened(parts)
        drive(study, events)
        assert parts.text("s")[:events] == wanted, cut
    again = reopened(SqlStore(tmp_path / "parts.db"))
    assert list(again.history) == list(study.history)
    assert again.history.finished == study.history.finished


@by_name
def test_dropped_after_every_step_it_goes_on_to_the_same_log(strategy, tmp_path):
    """The same from outside: a new store and a new study for each event, never closed."""
    paths = tmp_path / "whole.db", tmp_path / "parts.db"
    drive(nas.Study(toy, strategy, store=paths[0]), 30)
    for events in range(1, 31):
        drive(nas.Study(toy, strategy, store=paths[1]), events)
    assert SqlStore(paths[1]).text("study") == SqlStore(paths[0]).text("study")


@by_name
def test_one_instance_in_two_studies_at_once(strategy):
    together = [nas.Study(toy, strategy, seed=seed) for seed in (1, 2)]
    for events in range(1, 60):
        for study in together:
            drive(study, events)
    for seed, study in enumerate(together, 1):
        alone = nas.Study(toy, type(strategy)(**vars(strategy)), seed=seed)
        drive(alone, 59)
        assert list(study.history) == list(alone.history)
    assert list(together[0].history) != list(together[1].history)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(STRATEGIES))
def test_pending_trials_reported_in_any_order(seed, strategy):
    """With several workers the log decides: folded again, it gives the same study."""
    rng, store = Random(seed), MemoryStore()
    study = nas.Study(toy, strategy, store=store, seed=seed, **BOUNDED)
    out = []
    for _ in range(40):
        trial = study.ask() if len(out) < 4 and rng.random() < 0.6 else None
        if trial is not None:
            out.append(trial)
        elif out:
            answer(study, out.pop(rng.randrange(len(out))))
    again = nas.Study(toy, strategy, store=store, seed=seed, **BOUNDED)
    assert list(again.history) == list(study.history)
    assert again.history.finished == study.history.finished
    assert again.state == study.state
    assert again.interrupted == len(out) == len(study.history.pending)
    for what in ("searched", "uniform", "refused"):
        assert again.count(what) == study.count(what)
    assert [again.ask() for _ in out] == list(study.history.pending)
    assert again.ask() == study.ask()


def test_a_strategy_is_updated_with_every_event_of_the_search():
    study = nas.Study(toy, Bandit(), **BOUNDED)
    trials = [study.ask() for _ in range(3)]
    control, reference = study.ask("control"), study.add(toy.sample(Random(0)), "reference")
    for trial in (trials[2], control, trials[0], reference, trials[1]):
        if trial is trials[0]:
            study.fail(trial, "why")
        else:
            study.tell(trial, {"accuracy": 0.5, "size": 1.0})
    rejected = study.ask()
    study.fail(rejected, "too slow", metrics={"size": 100.0})
    assert study.state["folded"] == [
        *((trial.number, "pending") for trial in trials),
        (trials[2].number, "finished"),
        (trials[0].number, "failed"),
        (trials[1].number, "finished"),
        (rejected.number, "pending"),
        (rejected.number, "rejected"),
    ]
    assert study.history.trial(rejected.number).state == "rejected"
    assert study.count("refused") == 1 and study.count("searched") == 3


def test_strategies_see_the_search_arm_only():
    seen = []

    class Watching(nas.Strategy):
        def propose(self, state, history, rng):
            seen.append([trial.arm for trial in history])
            return nas.Proposal(history.space.sample(rng))

    study = nas.Study(toy, Watching())
    study.tell(study.ask("control"), {"accuracy": 1.0})
    study.tell(study.ask(), {"accuracy": 0.5})
    study.add(toy.sample(Random(0)), "reference")
    study.ask()
    assert seen == [[], ["search"]]


def test_the_best_is_of_the_search_or_its_control():
    study = nas.Study(toy, nas.RandomSearch(), objectives=("accuracy", "min:cost"))
    for arm, accuracy in (("search", 0.5), ("control", 0.6)):
        study.tell(study.ask(arm), {"accuracy": accuracy, "cost": accuracy})
    for arm in ("reference", "final"):
        trial = study.add(toy.sample(Random(7)), arm)
        study.tell(trial, {"accuracy": 0.99, "cost": 0.0})
    assert study.best.arm == "control"
    assert [trial.arm for trial in study.front] == ["control", "search"]


# -- what is refused ------------------------------------------------------------------------------


def test_a_screen_rejects_before_it_becomes_work():
    study = nas.Study(toy, nas.RandomSearch(), **BOUNDED)
    asked = [study.ask() for _ in range(30)]
    assert all(trial.architecture["width"] + len(trial.architecture) <= 9 for trial in asked)
    rejected = study.history.where(state="rejected")
    assert 0 < len(rejected) < len(study.history)
    assert [trial.number for trial in study.history] == list(range(len(study.history)))
    for trial in rejected:
        size = trial.metrics["size"]
        assert size > 9 and trial.error == f"size = {size:g}, bound size<9"
    assert study.history.finished == [] and len(study.history.pending) == 30


def test_bounds_that_nothing_meets(tmp_path, monkeypatch):
    monkeypatch.setattr("nasturtium.study.study.REJECTIONS", 2_000)
    options = {"constraints": ("size<0.5", "size>0.1"), "screen": lambda a: {"size": 7.0}}
    study = nas.Study(toy, nas.RandomSearch(), store=tmp_path / "study.db", **options)
    with pytest.raises(StrategyError) as raised:
        study.ask()
    assert str(raised.value) == (
        "2,000 proposals in a row violate the constraints size<0.5, size>0.1 (the last: size = 7, "
        "bound size<0.5); loosen a constraint or restrict the space"
    )
    assert len(study.history) == 2_000 and study.history.pending == ()
    looser = nas.Study(toy, nas.RandomSearch(), store=tmp_path / "study.db")
    assert looser.ask().number == 2_000


@pytest.mark.parametrize(
    ("metrics", "reason"),
    [
        ({"accuracy": math.nan}, "accuracy is nan, which is not a finite number"),
        ({"accuracy": -math.inf}, "accuracy is -inf, which is not a finite number"),
        ({"accuracy": "good"}, "accuracy is 'good', which is not a number"),
        ({"accuracy": 0.5, "note": None}, "note is None, which is not a number"),
        ({"accuracy": np.array([1.0, 2.0])}, "accuracy is array([1., 2.]), which is not a number"),
        ({"top1": 0.5, "loss": 1.0}, "the estimate has no metric 'accuracy'; it gave loss, top1"),
        ({}, "the estimate has no metric 'accuracy'; it gave none"),
        ({"accuracy": 0.5, 3: 1.0}, "a metric has the name 3; names of metrics are printable text"),
        (
            {"accuracy": 0.5, "a\udcff": 1.0},
            "a metric has the name 'a\\udcff'; names of metrics are printable text",
        ),
        ({"accuracy": 0.5}, "the estimate has no metric 'size'; it gave accuracy"),
    ],
)
def test_an_answer_that_is_none_is_a_failed_trial(metrics, reason):
    study = nas.Study(toy, nas.RandomSearch(), constraints=("size<9",))
    study.tell(study.ask(), metrics, seconds=2.0)
    (trial,) = study.history
    assert (trial.state, trial.error, trial.metrics) == ("failed", reason, {})
    assert trial.seconds == 2.0
    assert study.ask().number == 1


@pytest.mark.parametrize("store", [None, "study.db"])
def test_texts_and_curves_of_any_kind_can_be_logged(store, tmp_path):
    study = nas.Study(toy, nas.RandomSearch(), store=store and tmp_path / store)
    study.fail(study.ask(), "no file caf\udce9.png\n\0" + "x" * 9999, curve=[{"loss": object()}])
    study.tell(study.ask(), {"accuracy": 0.5}, curve=[{"loss": "high"}])
    study.tell(study.ask(), {"accuracy": 0.5}, curve=[{2: 0.5}])
    study.tell(study.ask(), {"accuracy": 0.5}, curve=[0.5])
    study.tell(study.ask(), {"accuracy": 0.5}, curve=[{"loss": np.float32(0.5)}])
    first, *others, last = study.history
    assert first.error.startswith("no file caf\\xe9.png \\x00xxx") and len(first.error) < 2010
    assert [trial.error for trial in others] == [
        "curve: loss is 'high', which is not a number",
        "curve: a metric has the name 2; names of metrics are printable text",
        "curve gave 0.5; expected a mapping of numbers by name, e.g. {'accuracy': 0.9}",
    ]
    assert list(last.curve) == [{"loss": 0.5}]
    assert list(nas.Study(toy, nas.RandomSearch(), store=study.store).history)[-1] == last


@pytest.mark.parametrize("number", [np.float32(0.5), np.array(0.5), torch.tensor(0.5), np.int64(1)])
def test_scalars_are_numbers(number, tmp_path):
    store = SqlStore(tmp_path / "study.db")
    study = nas.Study(toy, nas.RandomSearch(), store=store)
    study.tell(study.ask(), {"accuracy": number, "other": 3})
    assert type(study.best.metrics["accuracy"]) in (float, int)
    assert list(nas.Study(toy, nas.RandomSearch(), store=store).history) == list(study.history)


def test_scalars_of_a_refusal_are_numbers(tmp_path):
    study = nas.Study(toy, nas.RandomSearch(), store=tmp_path / "study.db")
    study.fail(study.ask(), "too slow", metrics={"latency": np.float32(7.0)})
    assert study.history[0].state == "rejected"
    assert study.history[0].metrics == {"latency": 7.0}


def test_a_constrained_metric_that_is_not_reported_is_taken_from_the_screen():
    study = nas.Study(toy, nas.RandomSearch(), **BOUNDED)
    trial = study.ask()
    study.tell(trial, {"accuracy": 0.5})
    architecture = trial.architecture
    size = float(architecture["width"] + len(architecture))
    assert study.best.metrics == {"accuracy": 0.5, "size": size}


def test_a_trial_is_reported_once():
    study = nas.Study(toy, nas.RandomSearch(), name="digits")
    trial = study.ask()
    study.tell(trial, {"accuracy": 0.5})
    for tell in (lambda: study.tell(trial, {"accuracy": 0.6}), lambda: study.fail(trial, "late")):
        with pytest.raises(StrategyError) as raised:
            tell()
        assert str(raised.value) == (
            "trial 0 of study 'digits' is not pending; report the result of a trial once, after "
            "ask() returned it"
        )
    assert study.best.metrics == {"accuracy": 0.5}


def test_what_the_store_refuses_has_not_happened(tmp_path):
    store = SqlStore(tmp_path / "study.db")
    study = nas.Study(toy, nas.RandomSearch(), store=store, **BOUNDED)
    for _ in range(5):
        study.tell(study.ask(), {"accuracy": 0.5})
    wanted = nas.Study(toy, nas.RandomSearch(), store=store, **BOUNDED).ask()
    store.database.raw.execute("DELETE FROM event WHERE number = (SELECT max(number) FROM event)")
    while store.text("study")[-1][1] == "rejected":
        store.database.raw.execute(
            "DELETE FROM event WHERE number = (SELECT max(number) FROM event)"
        )
    store.database.raw.execute("PRAGMA query_only=1")
    before = list(study.history)
    for attempt in (study.ask, lambda: study.add(toy.sample(Random(0)), "reference")):
        with pytest.raises(StoreError, match="cannot be written"):
            attempt()
        assert list(study.history) == before and study.history.pending == ()
    store.database.raw.execute("PRAGMA query_only=0")
    trial = study.ask()
    assert trial == wanted
    store.database.raw.execute("PRAGMA query_only=1")
    with pytest.raises(StoreError, match="cannot be written"):
        study.tell(trial, {"accuracy": 0.5})
    assert study.history.pending == (trial,)
    store.database.raw.execute("PRAGMA query_only=0")
    study.tell(trial, {"accuracy": 0.5})
    again = nas.Study(toy, nas.RandomSearch(), store=store, **BOUNDED)
    assert list(again.history) == list(study.history)


def test_a_proposal_is_a_proposal():
    class Careless(nas.Strategy):
        def propose(self, state, history, rng):
            return history.space.sample(rng)

    with pytest.raises(StrategyError, match=r"Careless\.propose gave Architecture\(toy: .*; exp"):
        nas.Study(toy, Careless()).ask()


def test_an_error_of_the_strategy_leaves_the_study_as_it_was():
    class Fragile(nas.Strategy):
        def propose(self, state, history, rng):
            if len(history) == 3:
                raise ValueError("three is too many")
            return nas.Proposal(history.space.sample(rng))

    study = nas.Study(toy, Fragile(), constraints=("size<0",), screen=lambda a: {"size": 1.0})
    with pytest.raises(ValueError, match="three is too many"):
        study.ask()
    assert len(study.history) == 0 and list(study.store.read("study")) == []


@pytest.mark.parametrize("arm", ["serch", "reference", "final"])
def test_what_can_be_asked_for(arm):
    with pytest.raises(StrategyError, match="expected 'search' or 'control'"):
        nas.Study(toy, nas.RandomSearch()).ask(arm)


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "back\\slash", "x" * 201])
def test_a_name_is_part_of_file_names(name):
    with pytest.raises(StrategyError, match="a study cannot be named"):
        nas.Study(toy, nas.RandomSearch(), name=name)


def test_a_study_needs_an_objective():
    with pytest.raises(StrategyError, match="at least one objective"):
        nas.Study(toy, nas.RandomSearch(), objectives=())


def test_nothing_finished_yet():
    study = nas.Study(toy, nas.RandomSearch(), name="digits")
    study.fail(study.ask(), "why")
    study.ask()
    with pytest.raises(StrategyError) as raised:
        _ = study.best
    assert str(raised.value) == (
        "study 'digits' has no finished trial yet (2 asked for, 1 failed); run or resume it first"
    )
    assert repr(study) == "<study digits: 0 of 2 trials finished>"


def test_a_log_that_reports_a_trial_that_was_never_asked_for():
    store = MemoryStore()
    store.append("study", [Event("told", Outcome(0, {"accuracy": 1.0}))])
    with pytest.raises(StoreError, match=r"event 1 of .* reports trial 0, which is not pending"):
        nas.Study(toy, nas.RandomSearch(), store=store)


# -- the rest of the log --------------------------------------------------------------------------


def test_what_is_not_a_trial_is_logged_and_read_again(tmp_path):
    for reopened in (False, True):
        study = nas.Study(toy, nas.RandomSearch(), store=tmp_path / "study.db")
        if not reopened:
            study.log("manifest", {"version": "1", "measured": {"host": "here"}})
            study.log("prepared", {"part": "estimator", "digest": "abc"})
            study.log("note", {"tried": 3})
        assert study.manifest == {"version": "1", "measured": {"host": "here"}}
        assert study.prepared == {"estimator": "abc"}
        assert study.notes == [{"tried": 3}]


def test_a_trial_that_was_reported_meanwhile_is_not_handed_out():
    store = MemoryStore()
    first = nas.Study(toy, nas.RandomSearch(), store=store)
    trials = [first.ask(), first.ask()]
    again = nas.Study(toy, nas.RandomSearch(), store=store)
    again.tell(trials[0], {"accuracy": 0.5})
    assert again.ask() == trials[1]


def test_seeds_differ_by_every_part():
    keys = {mix_seed(s, n, p) for s in range(-3, 20) for n in range(50) for p in (1, 2)}
    assert len(keys) == 23 * 50 * 2
    assert all(0 <= key < 2**64 for key in keys)


class Lossy(MemoryStore):
    """A store whose next append can be made to fail."""

    fails = False

    def append(self, study, events):
        if self.fails:
            raise nas.StoreError("no room")
        return super().append(study, events)


def test_a_state_forgets_rejected_proposals_that_could_not_be_logged():
    store = Lossy()
    screen = {"screen": lambda architecture: {"free": float(architecture["width"])}}
    study = nas.Study(toy, Bandit(), store=store, constraints=("free<3",), **screen)
    while not any(trial.state == "rejected" for trial in study.history):
        study.tell(study.ask(), {"accuracy": 0.5, "free": 1.0})
    for _ in range(20):
        store.fails = True
        with pytest.raises(nas.StoreError, match="no room"):
            study.ask()
        store.fails = False
        again = nas.Study(toy, Bandit(), store=store, constraints=("free<3",), **screen)
        assert study.state == again.state
        trial = study.ask()
        study.tell(trial, {"accuracy": 0.5, "free": 1.0})
    assert len(study.state["folded"]) == 2 * len(study.history.finished) + len(
        study.history.where(state="rejected")
    )
