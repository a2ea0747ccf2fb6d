"""What a search shows, from Python and in its panel."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
import rich.console
from sklearn.datasets import load_iris
from torch import nn

import nasturtium as nas
from nasturtium.run import progress_panel
from nasturtium.run.progress import choose_view
from nasturtium.run.progress_lines import Lines
from nasturtium.run.progress_panel import Panel
from nasturtium.run.progress_text import STAGES
from nasturtium.run.stages import Stage, call_both
from nasturtium.status.search_progress import measure_progress


@nas.space
def net(choose: Any, *, inputs: Any, classes: int) -> Any:
    width = choose("width", (4, 6, 8, 10, 12, 14, 16))
    return lambda: nn.Sequential(nn.Linear(inputs[0], width), nn.ReLU(), nn.Linear(width, classes))


SETTINGS: dict[str, Any] = {
    "space": net,
    "recipe": "epochs=2",
    "executor": "here",
    "numerics": "threads=1",
    "trials": 2,
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminal]:
    """Make the error stream a terminal, from within a test (pytest sets it before each)."""

    def made() -> Terminal:
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", "xterm")
        return stream

    return made


def searched(**settings: Any) -> nas.Study:
    study: nas.Study = nas.search("iris", **{**SETTINGS, "store": None, **settings})
    return study


def test_a_call_on_a_terminal_shows_a_panel_once_and_takes_it_away(
    on_terminal: Callable[[], Terminal],
) -> None:
    terminal = on_terminal()
    study = searched()
    nas.retrain(study, recipe="epochs=1")
    shown = terminal.getvalue()
    assert shown.count(f"{study.name}: 1 x 1 threads, fp32") == 1
    assert "epoch 1 of 1, loss" in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 2  # the cursor comes back


def test_the_panel_tells_budget_and_epochs_before_the_first_trial_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress_panel, "OFTEN", -1.0)
    panel = Panel(rich.console.Console(file=io.StringIO(), width=100), 2)
    drawn: list[str] = []

    def watch(study: nas.Study, stage: Stage, trial: nas.Trial | None) -> None:
        panel(study, stage, trial)
        with panel.console.capture() as text:
            panel.console.print(panel._render())
        drawn.append(text.get())

    searched(watch=watch, trials=2, confirm=2)
    first = next(text for text in drawn if "epoch 1" in text)
    assert "searching" in first and "0 of 4 (2 + 2 to confirm)" in first
    assert first.splitlines()[-1].split() == ["running", "0", "(epoch", "1", "of", "2)"]
    last = next(text for text in reversed(drawn) if "best" in text)
    assert "4 of 4" in last and "epoch" not in last.splitlines()[-1]


def test_away_from_a_terminal_the_logger_is_told_if_anyone_listens(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    searched(trials=1)
    assert not caplog.records
    with caplog.at_level(logging.INFO, logger="nasturtium"):
        searched(space="mlp", store=tmp_path / "study.db")
        heard = len(caplog.messages)
        assert caplog.messages[0] == STAGES["check"] and "best so far" in caplog.text
        assert not nas.resume(tmp_path / "study.db", trials=3, progress=False).history.pending
        assert len(caplog.messages) == heard
        study = nas.resume(tmp_path / "study.db", trials=4)
        assert len(caplog.messages) > heard
        caplog.clear()
        nas.retrain(study, recipe="epochs=1")
        assert [text.partition(",")[0] for text in caplog.messages] == ["epoch 1 of 1"]
        caplog.clear()
        nas.collect_evidence(study, top=1, seeds=1, spread=0, references=False, recipe="epochs=1")
        assert any(text.startswith("trained 2 of 2: trial ") for text in caplog.messages)
    assert not any(capsys.readouterr())


def test_progress_and_watch_are_told_alike_and_progress_may_be_asked_for(
    capsys: pytest.CaptureFixture[str], on_terminal: Callable[[], Terminal]
) -> None:
    terminal = on_terminal()
    seen: list[tuple[str, int | None]] = []

    def watch(study: nas.Study, stage: Stage, trial: nas.Trial | None) -> None:
        seen.append((stage, None if trial is None else len(trial.curve)))

    searched(watch=watch)
    assert not terminal.getvalue()
    first, seen[:] = list(seen), []
    searched(watch=watch, progress=True)
    assert terminal.getvalue()
    assert seen == first
    assert {stage for stage, _ in seen} <= set(get_args(Stage))
    told = dict.fromkeys(stage for stage, _ in seen)
    assert list(told) == ["check", "search", "epoch", "done"]
    assert [points for stage, points in seen if stage == "epoch"] == [1, 2] * 2
    assert [points for stage, points in seen if stage == "search" and points] == [2, 2]


def test_every_stage_has_words_and_is_documented() -> None:
    assert set(STAGES) == set(get_args(Stage))
    told = (nas.search.__doc__ or "").partition("watch: called")[2].partition("Returns:")[0]
    assert all(f"``{stage}``" in told for stage in get_args(Stage))


@pytest.mark.parametrize("progress", [None, True, False])
def test_where_it_is_shown(progress: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    def kind(watched: bool) -> object:
        show = choose_view(progress, watched)
        return None if show is None else (type(show), getattr(show, "console", 1) is None)

    pipe = None if progress is not True else (Lines, False)
    assert kind(False) == kind(True) == pipe
    monkeypatch.setenv("FORCE_COLOR", "1")  # some builds set it, and are no terminal
    assert kind(False) == pipe
    monkeypatch.setattr(sys, "stderr", Terminal())
    panel = None if progress is False else (Panel, False)
    assert kind(False) == panel and kind(True) == (panel if progress else None)
    monkeypatch.setattr(rich.console, "_is_jupyter", lambda: True)
    assert kind(False) == (None if progress is False else (Lines, False))
    monkeypatch.setattr(rich.console, "_is_jupyter", lambda: False)
    monkeypatch.setattr(sys, "stderr", None)  # a program without a console
    assert kind(False) == pipe


def test_what_is_printed_to_a_file_stays_there(
    capsys: pytest.CaptureFixture[str], on_terminal: Callable[[], Terminal]
) -> None:
    class Talks(nas.Estimator):
        metrics = ("accuracy",)

        def estimate(self, job: nas.Job) -> dict[str, float]:
            print("from the estimate")
            return {"accuracy": 0.5}

    terminal = on_terminal()
    searched(estimator=Talks(), trials=1, control=0)
    assert terminal.getvalue()
    assert capsys.readouterr().out == "from the estimate\n"


def test_what_is_not_true_or_false_is_refused() -> None:
    with pytest.raises(
        nas.StrategyError, match="search: progress='yes'; expected True or False or None"
    ):
        searched(progress="yes")


def test_the_classifier_is_silent_unless_it_is_told(on_terminal: Callable[[], Terminal]) -> None:
    terminal = on_terminal()
    examples, labels = load_iris(return_X_y=True)
    settings: dict[str, Any] = {"trials": 1, "executor": "here", "recipe": "epochs=1"}
    nas.NasturtiumClassifier(**settings).fit(examples, labels)
    assert not terminal.getvalue()
    nas.NasturtiumClassifier(**settings, verbose=True).fit(examples, labels)
    assert terminal.getvalue()


def test_the_budget_counts_control_and_confirmations_from_the_beginning() -> None:
    totals: list[tuple[int, ...]] = []

    def watch(study: nas.Study, stage: str, trial: nas.Trial | None) -> None:
        if stage != "search":
            return
        now = measure_progress(study, 6, None, 1.0)
        totals.append((now.total, now.control, now.confirm, now.done))

    study = searched(trials=6, strategy="random", control=0.5, confirm=2, watch=watch)
    assert len(study.history.where(arm="confirm")) == 2
    assert totals[0] == (11, 3, 2, 0)
    assert totals[-1] == (8, 0, 2, 8)  # the strategy's own uniform draws are control enough
    assert all(more >= less for less, more in pairwise(row[3] for row in totals))
    words = measure_progress(study, 6, None, 1.0).budget()
    assert words == "8 of 8 (6 + 2 to confirm)"


def test_both_are_told_in_turn() -> None:
    told: list[int] = []
    call_both(told.append, lambda number: told.append(-number))(3)
    assert told == [3, -3]
    assert call_both(print, None) is print


def test_no_sign_in_a_message_steers_the_terminal() -> None:
    out = io.StringIO()
    lines = Lines(rich.console.Console(file=out, force_terminal=True), trials=1)
    lines.say("trial 0 failed: \x1b[2J\x1b]0;title\x07 caf\udce9")
    assert out.getvalue().count("\x1b") == 0 and "\\x1b[2J" in out.getvalue()
