"""What a REPL and a notebook show: short, and with every text escaped."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from torch import nn

import nasturtium as nas


@nas.space
def net(choose: Any, *, inputs: Any, classes: int) -> Any:
    mark = choose("mark", ("<img src=x>", "&"))
    width = choose("width", tuple(range(4, 30)))
    for place in range(9):
        with choose.scope(f"block{place}"):
            choose("kernel", (3, 5))
            choose("act", ("relu", "gelu"))

    def build() -> nn.Module:
        assert not mark or inputs
        return nn.Sequential(nn.Linear(inputs[0], width), nn.ReLU(), nn.Linear(width, classes))

    return build


class Odd(nas.Estimator):
    metrics = ("accuracy", "params")

    def estimate(self, job: nas.Job) -> dict[str, float]:
        if job.number % 3 == 1:
            raise nas.EstimateError("<script>alert(1)</script> " * 20)
        return {"accuracy": job.number / 100, "params": 1e6 + job.number}


@pytest.fixture(scope="module")
def study() -> nas.Study:
    settings: dict[str, Any] = {"strategy": "random", "trials": 30, "control": 0, "confirm": 0}
    made: nas.Study = nas.search(
        "iris", space=net, estimator=Odd(), store=None, name="<i>mine", **settings
    )
    return made


class Elements(HTMLParser):
    """Collects the elements and the text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert not attrs
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(thing: Any) -> str:
    """The text of what a notebook shows, with none but plain elements."""
    page = Elements()
    page.feed(thing._repr_html_())
    assert page.tags <= {"p", "b", "br", "table", "tr", "th", "td"}
    assert len(page.text) < 3000
    return page.text


def test_a_trial(study: nas.Study) -> None:
    best = study.best
    assert repr(best).startswith("<trial 29 (search, finished): macs ")
    assert repr(best).endswith(", accuracy 0.29, params 1.00003e+06>")
    head, space, *rest = str(best).splitlines()
    assert head == repr(best)[1:-1] and space == "net"
    assert len(rest) == 10 and rest[1].startswith("  block0: kernel=")
    assert "trial 29 (search, finished)" in shown(best) and "block8" in shown(best)
    failed = study.history.where(state="failed")[0]
    assert len(repr(failed)) < 300 and "<script>alert(1)</script>" in shown(failed)
    assert repr(failed).endswith("...>")
    assert repr(best._replace(metrics={}, state="pending")) == "<trial 29 (search, pending)>"


def test_an_architecture(study: nas.Study) -> None:
    architecture = study.best.architecture
    full = repr(architecture)  # the whole record, since messages are made of it
    assert full.startswith("Architecture(net: mark=") and full.count("=") >= len(architecture)
    assert str(architecture).splitlines()[0] == "net"
    assert "block3: kernel=" in shown(architecture)

    class Printer:
        text = staticmethod(lambda words: told.append(words))

    told: list[str] = []
    architecture._repr_pretty_(Printer(), False)
    assert told == [str(architecture)]
    marked = nas.Architecture("<u>", {"mark": "<img src=x>"})
    assert shown(marked) == "<u>mark=<img src=x>"


def test_a_history(study: nas.Study) -> None:
    lines = str(study.history).splitlines()
    assert lines[0] == "history of 30 trials, 20 finished"
    assert len(lines) == 11 and lines[1].strip() == repr(study.best)[1:-1]
    assert shown(study.history).startswith("history of 30 trials, 20 finishedtrialarmaccuracy")
    empty = study.history.where(arm="reference")
    assert str(empty) == shown(empty) == "history of 0 trials, 0 finished"


def test_a_study_a_finished_network_and_evidence(study: nas.Study) -> None:
    assert "<i>mine" in shown(study) and "trial 29" in shown(study)
    done = nas.retrain(study, recipe="epochs=1")
    words = "network of trial 29, 1 epochs, newly trained: accuracy "
    assert repr(done).startswith(f"<{words}") and str(done).startswith(words)
    assert len(str(done).splitlines()) == 12
    assert shown(done).startswith(words)
    evidence = nas.load_evidence(study)
    assert repr(evidence) == f"<evidence of study {study.name}: {evidence.verdict.answer}>"
    assert evidence.words[0] in shown(evidence)
