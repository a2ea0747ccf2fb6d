"""The files at the root: hooks and workflow run what is there, and versions agree."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
yaml = pytest.importorskip("yaml")


def _read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_hooks_run_what_is_there() -> None:
    hooks = _read(".pre-commit-config.yaml")["repos"][0]["hooks"]
    assert len({hook["id"] for hook in hooks}) == len(hooks)
    for hook in hooks:
        program, *words = hook["entry"].split()
        assert program.startswith(".venv/bin/")
        assert all((ROOT / word).exists() for word in words if word.startswith("scripts/"))


def test_the_workflow_runs_the_scripts() -> None:
    jobs = _read(".github/workflows/test.yml")["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    scripts = [command for command in commands if command.startswith("scripts/")]
    assert scripts == ["scripts/test", "scripts/demo"]
    assert all(os.access(ROOT / script, os.X_OK) for script in scripts)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for row in jobs["test"]["strategy"]["matrix"]["include"]:
        assert f"Programming Language :: Python :: {row['python']}" in project["classifiers"]


def test_the_citation_is_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = _read("CITATION.cff")
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    assert citation["repository-code"] == project["urls"]["Repository"]


@pytest.mark.parametrize(
    "document", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]), ids=lambda path: path.name
)
def test_links_lead_to_files(document: Path) -> None:
    text = re.sub(r"(?ms)^```.*?^```|`[^`\n]*`", "", document.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^()\s]+)\)", text):
        if not link.startswith(("http", "#", "mailto:")):
            assert (document.parent / link.partition("#")[0]).exists(), link
