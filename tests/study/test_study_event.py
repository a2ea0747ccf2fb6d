"""Events and their text: what is encoded is decoded, and nothing measured is in the body."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasturtium.architecture import Architecture
from nasturtium.errors import StoreError
from nasturtium.study.event import Event, decode, encode
from nasturtium.study.fidelity import FULL, Fidelity
from nasturtium.study.trial import Outcome, Proposal, Trial

texts = st.text(max_size=8)  # all of Unicode but lone surrogates
numbers = st.integers(0, 10**6)
floats = st.floats(allow_nan=False)
scalars = st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(scalars, lambda part: st.lists(part, max_size=3).map(tuple), max_leaves=4)
architectures = st.builds(Architecture, texts, st.dictionaries(texts, values, max_size=4))
fractions = st.sampled_from((0.1, 1 / 3, 1.0))
fidelities = st.just(FULL) | st.builds(
    Fidelity, fractions, fractions, fractions, st.sampled_from(("complete", "prefix"))
)
maybe = st.none() | numbers
proposals = st.builds(Proposal, architectures, fidelities, maybe, maybe, st.booleans())
arms = st.sampled_from(("search", "control", "reference", "final"))
metrics = st.dictionaries(texts, floats | numbers, max_size=3)
seconds = st.integers(0, 10**12).map(lambda microseconds: microseconds / 1e6)
curves = st.lists(metrics, max_size=3).map(tuple)
files = st.dictionaries(texts, texts, max_size=2)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | floats | texts,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(texts, part, max_size=3),
    max_leaves=6,
)
notes = st.dictionaries(texts.filter(lambda name: name != "measured"), plain, max_size=3)

epochs = st.none() | st.integers(1, 100) | st.floats(0.5, 100)
# Spelled out, since builds(Trial, ...) would fill the fields with defaults by their types.
trials = st.builds(lambda *parts: Trial(*parts), numbers, arms, proposals)
outcomes = st.builds(lambda *parts: Outcome(*parts), numbers, metrics)

events = st.one_of(
    st.builds(lambda trial: Event("asked", trial), trials),
    st.builds(
        lambda trial, planned, trained: Event(
            "asked", trial._replace(planned=planned, trained=trained)
        ),
        *(trials, epochs, st.none() | st.just(Fidelity(0.1, 0.5))),
    ),
    st.builds(
        lambda trial, found, why: Event(
            "rejected", trial._replace(state="rejected", metrics=found, error=why)
        ),
        trials,
        metrics,
        texts,
    ),
    st.builds(
        lambda *parts: Event("told", Outcome(*parts)),
        *(numbers, metrics, curves, files, st.none(), seconds, seconds, epochs, st.booleans()),
    ),
    st.builds(
        lambda *parts: Event("failed", Outcome(*parts)),
        *(numbers, metrics, curves, files, texts, seconds, seconds, epochs),
    ),
    st.builds(Event, st.sampled_from(("manifest", "note")), notes),
    st.builds(
        lambda note, part, digest: Event("prepared", {**note, "part": part, "digest": digest}),
        *(notes, texts, texts),
    ),
    st.builds(
        lambda kind, note, measured: Event(kind, {**note, "measured": measured}),
        *(st.just("note"), notes, st.lists(seconds, min_size=1, max_size=2)),
    ),
    st.builds(
        lambda kind, note, measured: Event(kind, {**note, "measured": measured}),
        *(st.sampled_from(("manifest", "note")), notes, st.dictionaries(texts, texts | seconds)),
    ),
)


@given(events)
def test_decoding_undoes_encoding(event):
    body, measured = encode(event)
    again = decode(event.kind, body, measured)
    assert again == event
    assert type(again.data) is type(event.data)
    assert encode(again) == (body, measured)


@given(outcomes, seconds, seconds)
def test_what_is_measured_stays_out_of_the_body(outcome, wall, cpu):
    timed = outcome._replace(seconds=wall, cpu_seconds=cpu)
    assert encode(Event("told", timed))[0] == encode(Event("told", outcome))[0]


def test_the_order_of_names_does_not_show():
    one = Event("note", {"a": 1, "b": {"c": 2, "d": 3}})
    two = Event("note", {"b": {"d": 3, "c": 2}, "a": 1})
    assert encode(one) == encode(two)


def test_tuples_of_decisions_come_back_as_tuples():
    architecture = Architecture("s", {"inputs": (0, (1, "é")), "flag": True, "rate": 0.1})
    event = Event("asked", Trial(0, "search", Proposal(architecture)))
    again = decode("asked", *encode(event)).data
    assert isinstance(again, Trial)
    assert again.architecture["inputs"] == (0, (1, "é"))
    assert again.architecture["flag"] is True


def test_not_a_number_survives():
    outcome = Outcome(0, {"accuracy": 0.5, "other": float("nan")}, ({"loss": float("inf")},))
    again = decode("told", *encode(Event("told", outcome))).data
    assert isinstance(again, Outcome)
    assert again.metrics["other"] != again.metrics["other"]
    assert again.curve == outcome.curve


@pytest.mark.parametrize(
    ("kind", "body", "measured"),
    [
        ("asked", "{", ""),
        ("asked", "{}", ""),
        ("asked", "[]", ""),
        ("asked", '{"n":0,"proposal":{"architecture":{"space":"s","decisions":{"a":{}}}}}', ""),
        ("asked", '{"n":0,"proposal":{"architecture":{"space":"s","decisions":7}}}', ""),
        ("told", '{"metrics":{}}', ""),
        ("told", '{"n":0}', "[1.0,2.0"),
        ("told", '{"n":0}', "[1.0,2.0,3.0]"),
        ("note", "nothing", ""),
        ("note", "[1]", ""),
        ("note", "[1]", "2"),
        ("note", "{}", "2"),
        ("note", "{}", "[]"),
        ("note", "{}", "[1e300]"),
        ("manifest", "{}", "[1.0]"),
        ("told", '{"n":0}', "[1e300,1.0]"),
        ("prepared", '{"part":"strategy"}', ""),
        ("manifest", '{"chance":{"accuracy":2.0}}', ""),
        ("manifest", '{"duplicates":{"test":"x"}}', ""),
        ("manifest", '{"space":{"name":"s","arguments":3}}', ""),
        ("manifest", '{"estimator":{"name":"s","metrics":3}}', ""),
        ("note", '{"trained":{"recipe":{}}}', ""),
    ],
)
def test_a_damaged_event_is_an_error_that_says_so(kind, body, measured):
    with pytest.raises(StoreError) as raised:
        decode(kind, body, measured)
    message = str(raised.value)
    assert message.startswith(f"an event of kind {kind!r} cannot be read (")
    assert repr(body) in message
    assert message.endswith("the store was written by another version, or is damaged")


def test_the_text_is_plain_json():
    trial = Trial(3, "control", Proposal(Architecture("s", {"a": "ü"}), uniform=True))
    body, measured = encode(Event("asked", trial))
    assert json.loads(body) == {
        "n": 3,
        "arm": "control",
        "proposal": {
            "architecture": {"space": "s", "decisions": {"a": "ü"}},
            "uniform": True,
        },
    }
    assert measured == ""
