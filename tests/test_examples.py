"""Every example, and every Python block of README.md and CONTRIBUTING.md, runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("[0-9][0-9]_*.py"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PART = re.compile(r"# (examples/\S+\.py), in part\n")
BLOCK = re.compile(r"^```python\n(.*?)^```", flags=re.M | re.S)


def _run(words: list[str], folder: Path) -> str:
    environment = {**os.environ, "NASTURTIUM_SMOKE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_there_are_examples() -> None:
    numbers = [path.name[:2] for path in EXAMPLES]
    assert numbers == [f"{number:02}" for number in range(1, len(EXAMPLES) + 1)]
    assert len(EXAMPLES) >= 4


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path: Path, tmp_path: Path) -> None:
    assert _run([str(path)], tmp_path).strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    blocks = [block for block in BLOCK.findall(page.read_text()) if not PART.match(block)]
    code = "\n".join(blocks)
    # The same with one trial of one epoch: that it runs is what is tested here.
    code = re.sub(r"trials=\d+", "trials=1, executor='here', numerics='threads=1', control=0", code)
    code = re.sub(r"epochs=\d+", "epochs=1", code)
    code = code.replace(
        "collect_evidence(study)", "collect_evidence(study, top=1, seeds=1, spread=0)"
    )
    (tmp_path / "page.py").write_text(code)
    _run(["page.py"], tmp_path)


def test_files_that_pages_show_are_the_files() -> None:
    """Check that a block that opens with an example's name is part of it, word for word."""
    for page in PAGES:
        for block in BLOCK.findall(page.read_text()):
            if found := PART.match(block):
                text = (ROOT / found[1]).read_text()
                assert block[found.end() :].strip() in text, f"{page.name}: {found[1]} differs"
