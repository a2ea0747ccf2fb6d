"""The page as text: what it says of ordinary, odd and empty studies, and where it refuses."""

from __future__ import annotations

import json
import os
import pickle
import re
from collections import Counter
from html import unescape
from html.parser import HTMLParser
from types import SimpleNamespace

import cloudpickle
import pytest
from markupsafe import escape

import nasturtium as nas
from nasturtium.errors import StoreError
from nasturtium.report import page as module
from nasturtium.report.page import render_page, report

SPACE = nas.zoo.nasbench201.bind(inputs=(1, 8, 8), cells=1, channels=4)


@pytest.fixture(autouse=True)
def _without_plotly(monkeypatch):
    """The script is 5 MB; what it does is the browser's test."""
    monkeypatch.setattr("plotly.offline.get_plotlyjs", lambda: "/* </script> plotly */")


def study(**options) -> nas.Study:
    return nas.Study(SPACE, nas.RandomSearch(), name=options.pop("name", "a study"), **options)


def ran(found: nas.Study, values=(0.5, 0.9, 0.7)) -> nas.Study:
    for index, value in enumerate(values):
        trial = found.ask("control" if index == 2 else "search")
        found.tell(trial, {"accuracy": value, "params": 1000.0 * (index + 1)}, seconds=2.0)
    return found


def data_of(text: str):
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.S).group(1))


def words_of(text: str) -> str:
    body = text.split("<script")[0].partition("</style>")[2]
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", body)))


def test_the_answer_comes_first_with_units():
    text = render_page(ran(study()))
    words = words_of(text)
    assert "The best network found is trial 1. The search estimated accuracy 90.00 %." in words
    assert words.index("The answer") < words.index("The study") < words.index("The evidence")
    assert "3 networks estimated: 2 of the search and 1 of the random control" in words
    assert "The work took 6 s" in words
    assert "It has not been retrained yet" in words
    data = data_of(text)
    assert data["best"] == 1 and data["front"] == [1]
    assert [m["values"] for m in data["metrics"]] == [[0.5, 0.9, 0.7], [1000, 2000, 3000]]
    assert '<svg class="network"' in text and "input 1×8×8" in text


def test_nothing_is_fetched_and_nothing_leaves_its_element():
    found = ran(study(name="<script>alert(1)"))
    found.fail(found.ask(), "</script><img src=x onerror=alert(1)>\u2028")
    text = render_page(found, command="nasturtium search '<b>'")
    assert "<img" not in text and "<script>alert" not in text and "<b>'" not in text
    assert text.count("</script>") == 3  # the data, plotly, the page's own
    assert data_of(text)["errors"] == ["</script><img src=x onerror=alert(1)> "]
    outside = re.findall(r'<[^>]*\s(?:src|href)="?([^"#\s>]+)', text.split("<script")[0])
    assert outside == ["data:,"]


EVIL = "\"'><img src=x onerror=alert(1)></script></pre></style><!--{{ 7 * 191 }}{% raw %}&lt;"


class Elements(HTMLParser):
    """Collects elements, attributes and comments of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.comments = 0

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attrs}

    def handle_comment(self, data):
        self.comments += 1


def elements(text: str) -> Elements:
    found = Elements()
    found.feed(text)
    found.close()
    return found


def hostile(text: str):
    """A study and options of which every text is ``text``."""

    def build(choose, *, inputs, classes):
        choose(f"name {text}", (text, f"{text}2"))
        return lambda: raising(ValueError(text))

    strategy = nas.RandomSearch()
    found = nas.Study(nas.space(build), strategy, name=text.replace("/", "")[:100] or "x")
    found.tell(found.ask(), {"accuracy": 0.5, f"metric {text}": 1.0})
    found.fail(found.ask(), text)
    strings = {"name": text, "notes": [text], "inputs": [text], "classes": text}
    found.manifest = {
        "data": {**strings, "examples": {text: 3}},
        "space": {"name": text, "arguments": {text: text}, "decisions": text},
        "strategy": {"name": text, text: text},
        "estimator": {"name": text, "parts": [{"name": text}], "recipe": {"optimizer": text}},
        "machine": {"device": text, "processor": text, "system": text, "cores": text},
        "numerics": {text: text},
        "tuning": {text: 1.0},
        "workers": text,
        "versions": {text: text},
        "commit": text,
        "seed": text,
        "measured": {"started": text},
        "call": {"data": text, "space": f"{text}.py:net", "executor": text},
    }
    row = {"name": text, "mean": 0.5, "breaks": [text]}
    evidence = {
        "verdict": {"answer": text, "sentence": text},
        "metric": {"name": text},
        "words": [text, f"{text}!"],
        "network": row,
        "references": [row],
        "checklist": [{"item": text, "answer": text, "state": text}],
        "curves": {text: {text: [text]}},
    }
    return found, {"evidence": evidence, "command": text}


def raising(error):
    raise error


def test_no_text_of_a_study_becomes_an_element_an_attribute_or_a_template():
    found, options = hostile(EVIL)
    text = render_page(found, **options)
    tame, tame_options = hostile("tame")
    shown, expected = elements(text), elements(render_page(tame, **tame_options))
    assert shown.tags == expected.tags and shown.tags["script"] == 3
    assert shown.attributes == expected.attributes and shown.comments == 0
    assert str(7 * 191) not in text
    body = text.split("<script")[0]
    assert body.count(escape(EVIL)) > 30 and "<img" not in body
    assert data_of(text)["decisions"][0]["name"] == f"name {EVIL}"


def test_without_evidence_it_says_how_to_collect_it_and_what_the_log_has():
    found = ran(nas.Study(SPACE, Greedy(), name="greedy"))
    text = render_page(found)
    words = words_of(text)
    assert "Undecided" in words and "no network was retrained for a comparison" in words
    assert "nasturtium evidence STORE:greedy" in words and "Checklist" in words
    assert data_of(text)["progress"]["search"]["best"] == [0.5, 0.9]
    found.log("note", {"trained": {"trial": 1}})
    assert "1 network finished retraining for the evidence, and this page" in words_of(
        render_page(found)
    )
    words = words_of(render_page(ran(study())))
    assert "so it is random search" in words  # all of it was drawn uniformly


class Greedy(nas.Strategy):
    def propose(self, state, history, rng):
        return nas.Proposal(history.space.sample(rng))


def test_the_page_says_that_the_control_was_switched_off():
    found = nas.Study(SPACE, Greedy())
    found.log("manifest", {"control": 0})
    found.tell(found.ask(), {"accuracy": 0.5})
    text = render_page(found)
    assert data_of(text)["progress"]["control"] is None
    assert "control" in words_of(text) and "off" in words_of(text)


def test_collected_evidence_is_shown_in_its_own_words():
    found = ran(study())
    verdict = {"answer": "no better", "sentence": "No better than chance.", "reason": "Few."}
    network = {"trial": 1, "mean": 0.8, "low": 0.7, "high": 0.9, "accuracies": [0.8, 0.8]}
    collected = {
        "verdict": verdict,
        "words": ["No better than chance.", "Tau is 0.5 < 1."],
        "network": {**network, "params": 12000, "macs": 3e6},
        "references": [{"name": "resnet", "mean": None}],
        "checklist": [{"item": "Seeds", "answer": "two", "state": "partly"}],
        "finished": [{"trial": 1}],
        "curves": {"search": {"best": [float("nan")]}, "control": None},
    }
    text = render_page(found, evidence=collected)
    words = words_of(text)
    assert 'class="lead verdict bad"' in text and words.count("No better than chance.") == 1
    assert "Tau is 0.5 < 1." in words and "70.00 % to 90.00 %" in words
    assert "reference: resnet not known one training only" in words
    assert "Seeds partly two" in words
    assert data_of(text)["progress"]["search"]["best"] == [None]


def test_a_retrained_network_is_found_in_the_notes_or_given():
    found = ran(study())
    note = {"finished": {"trial": 0}, "metrics": {"accuracy": 0.81}, "measured": [61.0]}
    found.log("note", note)
    words = words_of(render_page(found))
    assert "The retrained network is trial 0" in words
    assert "It was retrained for 1 min 1 s and measured once" in words
    assert "the search never saw: accuracy 81.00 %." in words
    assert "The search estimated accuracy 50.00 %." in words
    given = SimpleNamespace(trial=1, metrics={"accuracy": 0.95}, seconds=0.0)
    words = words_of(render_page(found, retrained=given))
    assert "The chosen network is trial 1" in words and "accuracy 95.00 %" in words


def test_several_objectives_and_bounds():
    found = ran(study(objectives=("accuracy", "params"), constraints=("accuracy>60%",)))
    words = words_of(render_page(found))
    assert "Objectives maximise accuracy and minimise parameters" in words
    assert "Constraints accuracy at least 60 %" in words
    assert "The Pareto front has 1 network: no other" in words
    broken = ran(study(constraints=("accuracy>95%",)))
    assert "It violates accuracy>0.95: no trial met every constraint" in words_of(
        render_page(broken)
    )


@pytest.mark.parametrize("empty", [True, False])
def test_a_study_without_an_answer_says_why_and_draws_no_blank_plot(empty):
    found = study()
    for step in range(0 if empty else 3):
        found.fail(found.ask(), f"loss is nan at step {step}")
    text = render_page(found)
    words = words_of(text)
    assert 'id="front-plot"' not in text and 'id="progress-plot"' not in text
    if empty:
        assert "There is no answer yet: the study has no trials" in words
    else:
        assert "all 3 trials that ran failed" in words
        assert "3 loss is nan at step 0 0, 1, 2" in words  # one reason, though its numbers differ
    pending = study()
    pending.ask()
    assert "of 1 trial, none has finished (pending: 1," in words_of(render_page(pending))


def test_an_older_manifest_may_lack_anything():
    whole = {
        "name": "a study",
        "data": {"name": "digits", "inputs": [1, 8, 8], "classes": 10, "examples": {"train": 9}},
        "space": {"name": "nasbench201", "arguments": {"cells": "1"}, "decisions": 6},
        "strategy": {"name": "RandomSearch"},
        "estimator": {
            "name": "Combined",
            "free": False,
            "parts": [{"name": "Train", "keep": True}],
        },
        "machine": {"processor": "a chip", "cores": 2},
        "numerics": {"threads": 1},
        "tuning": {"2 x 1 threads": 1234.5, "1 x 2 threads": 600.0},
        "workers": 2,
        "versions": {"torch": "2.13.0"},
        "commit": "0123456789abcdef+",
        "call": {"data": "digits", "trials": 3, "hours": None},
    }
    found = ran(study())
    found.manifest = whole
    words = words_of(render_page(found))
    for part in (
        "digits, examples of 1×8×8, 10 classes; 9 for training",
        "nasbench201 (cells=1), 6 decisions",
        "Estimator Train (keep=True)",
        "the fastest of 2 measured combinations: 1,234 images/s with 2 x 1 threads, 600 with",
        "commit 0123456789ab with uncommitted changes",
        "nas.search( 'digits', trials=3, numerics='threads=1', executor='processes(workers=2)', )",
    ):
        assert part in words
    for key in whole:
        for value in ({}, {key: None}):
            found.manifest = {k: v for k, v in whole.items() if k != key} | value
            assert "The best network found is trial 1" in words_of(render_page(found))
    found.manifest = {**whole, "call": {"data": "?"}}
    assert "made by a program with its own data" in words_of(render_page(found))


def test_a_network_that_cannot_be_built_is_not_drawn_with_the_reason():
    found = nas.Study(nas.space(unbuildable), nas.RandomSearch())
    found.tell(found.ask(), {"accuracy": 0.5})
    assert "is not drawn: building it raised ValueError: too wide" in words_of(render_page(found))


def unbuildable(choose, *, inputs, classes):
    choose("width", (1, 2))

    def build():
        raise ValueError("too wide")

    return build


def test_the_page_replaces_an_older_one_whole(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    assert report(ran(study()), path) == path
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert os.listdir(tmp_path) == ["report.html"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_mask()
    assert nas.Study is not None and module.report is report


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_path_that_cannot_be_written_is_refused_in_one_line(tmp_path, monkeypatch):
    found = ran(study())
    with pytest.raises(StoreError, match=r"is a folder; name a file in it"):
        report(found, tmp_path)
    with pytest.raises(StoreError, match=r"there is no folder '.*none'; make it"):
        report(found, tmp_path / "none" / "report.html")

    os.mkfifo(tmp_path / "pipe")
    for place in ("/dev/null", tmp_path / "pipe"):
        with pytest.raises(StoreError, match=r"is a device or a pipe, which would be replaced"):
            report(found, place)
    (tmp_path / "pipe").unlink()

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "replace_file", full)
    with pytest.raises(StoreError, match=r"cannot be written \(No space left on device\); give"):
        report(found, tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


def test_the_package_is_the_function_as_well(tmp_path):
    import nasturtium.report as package

    assert package(ran(study()), tmp_path / "a.html").is_file()


def test_tiles_say_which_examples_they_are_of() -> None:
    """Beside an estimate on validation examples stands the result on test examples."""
    study = nas.Study(nas.zoo.nasbench201, nas.RandomSearch())
    study.log("manifest", {"data": {"name": "digits"}})
    trial = study.ask()
    study.tell(trial, {"accuracy": 0.9965, "params": 10.0})
    assert ">validation accuracy<" in render_page(study)
    assert "test accuracy" not in render_page(study)
    identity = {"trial": trial.number, "seed": 0, "whole": True, "recipe": {"epochs": 4}}
    study.log("note", {"finished": identity, "metrics": {"accuracy": 0.9916}, "measured": [36.3]})
    text = render_page(study)
    assert "<b>99.16 %</b><span>test accuracy</span>" in text
    assert text.index(">test accuracy<") < text.index(">validation accuracy<")
    assert "has not been retrained" not in text
    assert "was retrained once, with seed 0" in text
    assert "retraining 0.0 s" not in text


def test_the_package_is_sent_to_workers_by_name() -> None:
    assert pickle.loads(cloudpickle.dumps(nas.report)) is nas.report
