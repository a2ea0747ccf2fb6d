"""The scripts: they parse, say what they are, and refuse what is not there. Running is CI's."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = [
    "scripts/setup",
    "scripts/test",
    "scripts/demo",
    "scripts/bench",
    "scripts/reproduce/run",
]


def _bash(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("name", [*SCRIPTS, ".ci/run"])
def test_a_script_can_be_run_and_parses(name: str) -> None:
    path = ROOT / name
    assert os.access(path, os.X_OK)
    lines = path.read_text().splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert lines[1].startswith("# ")
    assert "set -euo pipefail" in lines
    assert _bash("-n", name).returncode == 0


def test_ci_runs_the_tests_and_nothing_else() -> None:
    lines = (ROOT / ".ci/run").read_text().splitlines()
    assert lines[-1] == "exec scripts/test"


def test_setup_does_nothing_where_it_is_done(tmp_path: Path) -> None:
    wanted = _bash("-c", "cat pyproject.toml constraints.txt | cksum").stdout
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    (tmp_path / ".installed-onnx,test").write_text(wanted)
    for extras in ("onnx", "onnx,test"):
        done = _bash("scripts/setup", extras, VENV=str(tmp_path))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_setup_says_what_is_missing(tmp_path: Path) -> None:
    done = _bash("scripts/setup", VENV=str(tmp_path / "none"), PYTHON="no-python-here")
    assert done.returncode == 1
    assert done.stderr.startswith("error: no Python 3.11 to 3.13")
    assert not (tmp_path / "none").exists()


def test_bench_names_what_there_is() -> None:
    done = _bash("scripts/bench", "nothing")
    assert done.returncode == 2
    assert "there is no benchmark 'nothing'; there are: " in done.stderr
    assert "overhead" in done.stderr
