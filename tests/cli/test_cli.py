"""The command line: every command, one to one with the functions, and what bad input gets."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image

from nasturtium.cli import app, main
from nasturtium.cli import search as search_command
from nasturtium.run import search as run_search
from nasturtium.study.stores.failure import explain_failure
from nasturtium.study.stores.sql import SqlStore

Run = Callable[..., "Answer"]

COUNTED = ("--estimator", "hardware", "--objective", "params", "--executor", "here", "-q")

LINEAR = """
import nasturtium as nas
from torch import nn

@nas.space
def net(choose, *, inputs, classes):
    width = choose("width", (4, 8))
    return lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(inputs[0], width), nn.ReLU(), nn.Linear(width, classes))
"""


class Answer:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs the command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        shown = capsys.readouterr()
        code = ended.value.code
        return Answer(code if isinstance(code, int) else 0, shown.out, shown.err)

    return call


@pytest.fixture
def linear(tmp_path: Path) -> str:
    (tmp_path / "mine.py").write_text(LINEAR)
    return "mine.py:net"


def refused(answer: Answer, *parts: str) -> None:
    """One line, exit code 2, and the words that help."""
    assert answer.code == 2, answer.err
    assert answer.out == ""
    lines = answer.err.strip().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1, answer.err
    assert lines[-1] == errors[0]
    for part in parts:
        assert part in errors[0], errors[0]


# -- one to one with the functions --------------------------------------------------------------


def test_options_of_search_are_the_parameters_of_the_function() -> None:
    function = inspect.signature(run_search.search).parameters
    command = inspect.signature(search_command).parameters
    own = {"as_json", "quiet"}
    assert set(command) - own == set(function) - {"progress", "watch"}
    for name, parameter in command.items():
        if name in own:
            continue
        default = function[name].default
        given = parameter.default
        assert (tuple(given) if isinstance(given, list) else given) == default, name


def test_help_of_search_says_what_the_docstring_says() -> None:
    text = inspect.getdoc(run_search.search)
    assert text is not None
    listed = text.partition("Args:\n")[2].partition("\nReturns:")[0]
    said = dict(re.findall(r"^    (\w+): (.*(?:\n        .*)*)", listed, flags=re.M))
    for name, parameter in inspect.signature(search_command, eval_str=True).parameters.items():
        if name not in said:
            continue
        (option,) = parameter.annotation.__metadata__
        words = set(re.findall(r"\w{4,}", said[name].replace("``", "")))
        known = set(re.findall(r"\w{4,}", option.help))
        assert len(words & known) >= 0.5 * min(len(words), len(known)), (name, said[name])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("search", "digits", "--within", "params<1M"), "`--within` is now `--constraint`"),
        (("race", "random", "--objectives=accuracy"), "`--objectives` is now `--objective`"),
        (("evidence", "study.db", "--recall"), "`--recall` is now `--saved`"),
        (("describe", "study.db:s", "--replay"), "`--replay` is now `--command`"),
    ],
)
def test_a_renamed_option_names_the_new_one(run: Run, words: Any, message: str) -> None:
    refused(run(*words), message)


def test_tables_are_not_wrapped_where_the_output_is_no_terminal(run: Run) -> None:
    lines = run("spaces").out.splitlines()
    assert lines[0].split() == ["space", "architectures", "what", "it", "is"]
    assert max(map(len, lines)) > 100
    assert all(line == line.rstrip() and line.isprintable() for line in lines)


def test_flags_are_shown_without_a_type() -> None:
    commands = typer.main.get_command(app).commands.values()  # type: ignore[attr-defined]
    flags = [one for command in commands for one in command.params if getattr(one, "is_flag", 0)]
    assert {"quiet", "as_json", "whole", "ordered", "trust", "int8"} <= {one.name for one in flags}
    assert [one.name for one in flags if one.metavar != ""] == []


def test_a_space_strategy_and_estimator_complete() -> None:
    from nasturtium.cli.options import complete_names

    assert "mobilenet" in complete_names("space")("mob")
    assert complete_names("strategy")("evo")[0] == "evolution"
    assert complete_names("estimator")("nothing") == []


def test_help_and_version_import_nothing_heavy() -> None:
    code = (
        "import sys; from nasturtium.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: print('torch' in sys.modules, 'sklearn' in sys.modules)"
    )
    for word in ("--help", "--version"):
        done = subprocess.run(
            [sys.executable, "-c", code, word], capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines()[-1] == "False False"


# -- the way of a user --------------------------------------------------------------------------


def test_search_status_best_finish_export(run: Run, linear: str, tmp_path: Path) -> None:
    words = ("search", "iris", "--space", linear, "--executor", "here", "--trials", 3)
    words = (*words, "--recipe", "epochs=2", "--strategy", "random", "--name", "a")
    answer = run(*words)
    assert answer.code == 0, answer.err
    assert "3 searched" in answer.out
    assert "next: nasturtium finish study.db:a --export iris.onnx" in answer.out
    assert re.search(r"trial 0: accuracy \d", answer.err)

    again = run(*words, "--json", "-q")
    assert again.err == ""
    assert again.json["trials"] == {
        "search": 3,
        "control": 0,
        "confirm": 0,
        "failed": 0,
        "stopped": 0,
        "rejected": 0,
        "pending": 0,
    }

    more = run("resume", "study.db", "--trials", 4, "--json")
    assert more.json["trials"]["search"] == 4
    assert run("status", "study.db", "--json").json[0]["best"] == more.json["best"]
    assert "4 searched" in run("status", "study.db:a").out
    assert "width" in run("best", "study.db:a", "--top", 2).out
    assert run("best", "study.db", "--json").json["trial"] == more.json["best"]["trial"]

    done = run("finish", "study.db", "--recipe", "epochs=3", "--export", "net.pt2", "--json")
    assert done.code == 0, done.err
    assert done.json["recipe"]["epochs"] == 3
    assert not done.json["reused"]
    assert (tmp_path / "net.pt2").stat().st_size == done.json["files"][0]["bytes"]
    loaded = run("finish", "study.db", "--recipe", "epochs=3", "--json", "-q").json
    assert loaded["reused"]
    assert loaded["metrics"] == done.json["metrics"]
    assert run("export", "study.db", "again.pt2").code == 0
    assert (tmp_path / "again.pt2").exists()
    assert "finished" in run("status", "study.db").out


def test_the_command_is_one_that_makes_the_same_study(run: Run) -> None:
    words = ("search", "iris", "--space", "mlp", "--trials", 5, "--constraint", "params<100k")
    assert run(*words, *COUNTED, "--seed", 3).code == 0
    command = run("describe", "study.db", "--command").out
    given = shlex.split(command)
    assert given[:3] == ["nasturtium", "search", "iris"]
    assert run(*given[1:], "--store", "other.db", "-q").code == 0
    first, second = (SqlStore(name) for name in ("study.db", "other.db"))
    (name,) = first.studies()
    assert [row[2] for row in first.text(name)][1:] == [row[2] for row in second.text(name)][1:]
    first.close()
    second.close()
    told = run("describe", "study.db").out
    assert "params<100000" in told
    assert "seed" in told


def test_spaces_and_describe(run: Run, linear: str) -> None:
    told = run("describe", "nasbench201")
    assert "15,625" in told.out
    assert "edge0_1" in told.out
    mine = run("describe", linear, "--json")
    assert mine.json["size"] == "2"


def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(tmp_path: Path, linear: str) -> None:
    words = ["search", "iris", "--space", linear, "--executor", "here", "--trials", "100000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "nasturtium", *words, "--recipe", "epochs=1"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    end = time.monotonic() + 60
    while "trial" not in process.stderr.readline():
        assert time.monotonic() < end
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    assert "nasturtium search iris --space mine.py:net" in err.splitlines()[-1]
    log = SqlStore(tmp_path / "study.db")
    log.lease(log.studies()[0]).release()  # it was given back
    log.close()


# -- bad input ----------------------------------------------------------------------------------


def _picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(path)


def _no_classes(folder: Path) -> None:
    _picture(folder / "a.png")


def _one_class(folder: Path) -> None:
    for index in range(9):
        _picture(folder / "cat" / f"{index}.png")


def _unreadable(folder: Path) -> None:
    for name in ("cat", "dog"):
        for index in range(9):
            _picture(folder / name / f"{index}.png")
    (folder / "dog" / "3.png").write_bytes(b"no picture")


@pytest.mark.parametrize(
    ("fill", "parts"),
    [
        (_no_classes, ("has no classes", "pictures/cat/1.png")),
        (_one_class, ("cat", "two")),
        (_unreadable, ("1 of the images", "dog/3.png")),
    ],
)
def test_bad_folders(
    run: Run, tmp_path: Path, fill: Callable[[Path], None], parts: tuple[str, ...]
) -> None:
    (tmp_path / "pictures").mkdir()
    fill(tmp_path / "pictures")
    refused(run("search", "pictures", "--trials", 1), *parts)
    assert not (tmp_path / "study.db").exists()


@pytest.mark.parametrize(
    ("arrays", "parts"),
    [
        ({"X": np.zeros((30, 8, 8)), "y": np.arange(29) % 3}, ("29", "30")),
        ({"X": np.full((30, 4), np.nan), "y": np.arange(30) % 3}, ("NaN",)),
        ({"X": np.zeros((30, 4))}, ("x_train",)),
    ],
)
def test_bad_arrays(
    run: Run, tmp_path: Path, arrays: dict[str, Any], parts: tuple[str, ...]
) -> None:
    np.savez(tmp_path / "data.npz", **arrays)
    refused(run("search", "data.npz", "--trials", 1), *parts)


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("search", "digitz"), ("did you mean 'digits'?",)),
        (("search", "iris", "--space", "mobilnet"), ("did you mean 'mobilenet'?",)),
        (("search", "iris", "--strategy", "evolutoin"), ("did you mean 'evolution'?",)),
        (("search", "iris", "--estimator", "trian"), ("did you mean 'train'?",)),
        (
            ("search", "iris", "--space", "mlp", "--objective", "acuracy"),
            ("did you mean 'accuracy'?",),
        ),
        (("search", "iris", "--space", "mlp", "--recipe", "epoch=3"), ("epoch", "epochs")),
        (("search", "iris", "--space", "mlp", "--constraint", "params"), ("params", "<")),
        (("search", "iris", "--space", "mlp", "--trials", "0"), ("trials=0",)),
        (
            ("search", "iris", "--strategy", "evolution(population=50)", "--trials", "10"),
            ("a population of 50", "the budget is 10 trials", "give a smaller population="),
        ),
        (("search", "iris", "--space", "mlp", "--numerics", "quick"), ("threads=1",)),
        (("search", "iris", "--space", "no.py:net"), ("there is no file 'no.py'",)),
        (("search", "iris", "--space", "mobilenet"), ("mobilenet", "image")),
        (("search", "iris", "--space", "mlp", "--store", "."), ("is a folder",)),
        (("search", "iris", "--space", "mlp", "--store", "no/x.db"), ("'no'",)),
        (("status", "absent.db"), ("there is no store 'absent.db'",)),
        (("describe", "mobilnet"), ("did you mean 'mobilenet'?",)),
    ],
)
def test_what_cannot_be(run: Run, words: tuple[str, ...], parts: tuple[str, ...]) -> None:
    refused(run(*words), *(part.replace("'no'", "no") for part in parts))


def test_bounds_that_nothing_meets_take_seconds(run: Run) -> None:
    begun = time.monotonic()
    answer = run("search", "iris", "--space", "mlp", *COUNTED, "--constraint", "params<10")
    refused(answer, "params<10", "the nearest had params")
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (("--space", "mlp(widths=(4,8))"), ("another space", "now one of (4, 8)")),
        (("--seed", "1"), ("another seed",)),
        (("--recipe", "epochs=7"), ("another recipe (recipe.epochs: 10, now 7)",)),
    ],
)
def test_a_study_is_not_gone_on_with_under_other_settings(
    run: Run, tmp_path: Path, change: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    words = ("search", "iris", "--space", "mlp", *COUNTED, "--trials", 2, "--name", "a")
    assert run(*words).code == 0
    log = SqlStore(tmp_path / "study.db")
    before = log.text("a")
    refused(run(*words, *change), *parts, "give another name")
    assert log.text("a") == before
    log.close()


def test_other_data_under_the_same_name(run: Run) -> None:
    words = ("--space", "mlp", *COUNTED, "--trials", 2, "--name", "a")
    assert run("search", "iris", *words).code == 0
    refused(run("search", "wine", *words), "another data")


def test_a_store_of_another_kind_is_left_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "study.db").write_text("a diary, and not a database at all\n" * 100)
    refused(run("search", "iris", "--space", "mlp", *COUNTED), "not a database", "nothing was")
    assert (tmp_path / "study.db").read_text().startswith("a diary")
    refused(run("status", "study.db"), "not a database")


def test_a_read_only_store_says_so() -> None:
    said = explain_failure("study.db", "written", OSError("attempt to write a readonly database"))
    assert "read-only; give one that can be written" in said


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("def net(choose:\n", ("SyntaxError", "mine.py")),
        (
            LINEAR.replace("    return", '    choose("width", (1, 2))\n    return'),
            ("'width'", "(4, 8)", "(1, 2)"),
        ),
        (LINEAR.replace("nn.Linear(inputs[0],", "nn.Linear(5,"), ("'net'", "(4,)", "3 classes")),
        (LINEAR.replace("classes))", "classes + 1))"), ("(2, 4)", "(2, 3)")),
        (LINEAR.replace("def net", "def other"), ("'net'",)),
        (LINEAR.replace("return lambda: ", "return "), ("has to return a function",)),
    ],
)
def test_bad_spaces_of_users(run: Run, tmp_path: Path, code: str, parts: tuple[str, ...]) -> None:
    (tmp_path / "mine.py").write_text(code)
    begun = time.monotonic()
    answer = run("search", "iris", "--space", "mine.py:net", "-q", "--executor", "here")
    refused(answer, *parts)
    assert time.monotonic() - begun < 20


def test_what_onnx_cannot_say_is_named_and_nothing_is_written(run: Run, tmp_path: Path) -> None:
    strange = """
class Strange(nn.Module):
    def forward(self, x):
        return x + torch.special.bessel_j0(x.detach())
"""
    code = "import torch\n" + LINEAR.replace("@nas", strange + "\n@nas")
    (tmp_path / "mine.py").write_text(code.replace("nn.ReLU()", "Strange()"))
    words = ("--space", "mine.py:net", "--executor", "here", "--trials", 1, "--recipe", "epochs=1")
    assert run("search", "iris", *words, "--control", 0, "-q").code == 0
    answer = run("finish", "study.db", "--recipe", "epochs=1", "--export", "net.onnx", "-q")
    refused(answer, "bessel_j0", "no ONNX counterpart")
    assert not list(tmp_path.glob("*.onnx*"))
    refused(run("export", "study.db", "net.txt"), ".onnx")


def test_unknown_options_are_refused(run: Run) -> None:
    answer = run("search", "iris", "--trails", "3")
    assert answer.code == 2
    assert "--trails" in answer.err


def test_debug_shows_where_an_error_arose(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from nasturtium.errors import StoreError

    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError):
        main(["status", "absent.db", "--debug"])
