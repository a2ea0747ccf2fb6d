#!/usr/bin/env python3
"""Check spelling and style of documents, docstrings, comments and messages.

    scripts/check_prose.py                            everything
    scripts/check_prose.py README.md src/nasturtium   these files and folders
    scripts/check_prose.py --counts                   only how many there are in each file

Four checks: codespell (``[tool.codespell]`` in ``pyproject.toml``), proselint without its checks of
typography, the project's list of idioms (``scripts/idioms.txt``), and the first words of
docstrings: those of functions are imperative ("Return ..."), those of classes, modules and
properties name a thing. A line that has to break a rule ends with ``prose: ignore``.
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from prose import CODE, prose_of
from proselint.checks import __register__
from proselint.config import Config
from proselint.registry import CheckRegistry
from proselint.tools import LintFile

ROOT = Path(__file__).resolve().parent.parent
IDIOMS = ROOT / "scripts" / "idioms.txt"
CHECKED = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "docs",
    "src",
    "examples",
    "benchmarks",
    "scripts",
)
SUFFIXES = (".md", ".py")
IGNORE = "prose: ignore"
# proselint's checks that do not judge typography or citations.
PROSELINT = (
    "archaism",
    "cliches",
    "malapropisms",
    "mixed_metaphors",
    "mondegreens",
    "needless_variants",
    "nonwords",
    "oxymorons",
    "redundancy",
    "spelling",
    "uncomparables",
)
CLAUSES = ("what", "how", "who", "whose", "where", "when", "whether", "that", "which")
ARTICLES = ("the", "a", "an", "one", "two", "each", "every", "all", "some", "no", "none", "nothing")
PRONOUNS = ("those", "these", "this", "it", "its")
PREPOSITIONS = ("as", "with", "without", "for", "in", "on", "of", "from", "at", "by", "if")
NO_VERBS = (*CLAUSES, *ARTICLES, *PRONOUNS, *PREPOSITIONS)


class Finding(NamedTuple):
    """A place in a file, and what to change there."""

    file: Path
    line: int
    rule: str
    text: str


def idioms_in(file: Path) -> list[tuple[re.Pattern[str], str]]:
    """Read the list of idioms: expressions, and the advice for each."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            pattern, _, advice = line.partition(" -> ")
            found.append((re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE), advice))
    return found


def check_idioms(
    file: Path, prose: str, idioms: Sequence[tuple[re.Pattern[str], str]]
) -> Iterator[Finding]:
    """Yield the idioms in a file's prose, at each place the longest."""
    flat, places = flattened(prose)
    found: dict[int, tuple[str, str]] = {}
    for pattern, advice in idioms:
        for match in pattern.finditer(flat):
            if len(match[0]) > len(found.get(match.start(), ("", ""))[0]):
                found[match.start()] = match[0], advice
    for start, (words, advice) in found.items():
        line = prose.count("\n", 0, places[start]) + 1
        yield Finding(file, line, "idiom", f"{words.replace(CODE, '.')!r}: {advice}")


def flattened(prose: str) -> tuple[str, list[int]]:
    """Return prose with its lines joined, paragraphs as lines, and the place of each character."""
    parts: list[str] = []
    places: list[int] = []
    for match in re.finditer(r"\S+|\s+", prose):
        space = match[0].isspace()
        part = ("\n" if match[0].count("\n") > 1 else " ") if space else match[0]
        parts.append(part)
        places += range(match.start(), match.start() + len(part))
    return "".join(parts), places


def check_docstrings(file: Path) -> Iterator[Finding]:
    """Yield the docstrings of a Python file that begin in another way than they should."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        words = re.findall(r"[\w']+", ast.get_docstring(node) or "")
        if not words:
            continue
        first, line = words[0].lower(), node.body[0].lineno
        if isinstance(node, (ast.Module, ast.ClassDef)) or is_attribute(node):
            allowed = "whether" if isinstance(node, ast.FunctionDef) else ""
            if first in CLAUSES and first != allowed:
                advice = "start with a noun: name the thing"
                yield Finding(file, line, "docstring", f"{words[0]!r}: {advice}")
        elif first in NO_VERBS:
            advice = 'start with a verb, e.g. "Return", "Check that", "Draw"'
            yield Finding(file, line, "docstring", f"{words[0]!r}: {advice}")


def is_attribute(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether a function is read as an attribute: a property of some kind."""
    return any("property" in ast.unparse(one) for one in node.decorator_list)


def check_spelling(files: Sequence[Path]) -> Iterator[Finding]:
    """Yield what codespell finds; it reads whole files, code included."""
    command = [sys.executable, "-m", "codespell_lib", "--toml", str(ROOT / "pyproject.toml")]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 65):
        raise SystemExit(f"error: codespell did not run; scripts/setup onnx,test\n{done.stderr}")
    for line in done.stdout.splitlines():
        file, number, text = re.fullmatch(r"(.*?):(\d+): (.*)", line).groups()  # type: ignore
        yield Finding(Path(file), int(number), "spelling", text)


def check_style(file: Path, prose: str) -> Iterator[Finding]:
    """Yield what the chosen checks of proselint find in a file's prose."""
    config = Config(max_errors=1000, checks=dict.fromkeys(PROSELINT, True))
    text = "\n".join(line.strip() for line in prose.replace(CODE, " ").splitlines())
    if not text.strip():
        return
    for result, (line, _) in LintFile(str(file), text).lint(config):
        yield Finding(file, line, "style", f"{result.check_path}: {result.message}")


def findings_in(files: Sequence[Path]) -> list[Finding]:
    """Return what all checks find in some files, ignored lines left out, in order."""
    idioms = idioms_in(IDIOMS)
    if not CheckRegistry().checks:
        CheckRegistry().register_many(__register__)
    found = list(check_spelling(files)) if files else []
    for file in files:
        prose = prose_of(file)
        found += check_idioms(file, prose, idioms)
        found += check_style(file, prose)
        if file.suffix == ".py":
            found += check_docstrings(file)
    lines = {file: file.read_text(encoding="utf-8").splitlines() for file in files}
    return sorted(one for one in found if IGNORE not in lines[one.file][one.line - 1])


def files_of(paths: Sequence[Path]) -> list[Path]:
    """Return the files that are checked among some files and folders."""
    found = []
    for path in paths:
        if not path.exists():
            raise SystemExit(f"error: there is no {path}")
        files = path.rglob("*") if path.is_dir() else [path]
        found += [file for file in files if file.suffix in SUFFIXES and file.is_file()]
    return sorted(set(found))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what is found; 1 if there is anything."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="*", type=Path, help="files and folders; all if not given")
    parser.add_argument("--counts", action="store_true", help="print numbers by file only")
    given = parser.parse_args(arguments)
    paths = [path.resolve() for path in given.paths] or [ROOT / name for name in CHECKED]
    found = findings_in(files_of(paths))
    counts = Counter(one.file for one in found)
    for one in [] if given.counts else found:
        print(f"{shown(one.file)}:{one.line}: {one.rule}: {one.text}")
    if given.counts:
        for file, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            print(f"{count:5} {shown(file)}")
    if found:
        rules = Counter(one.rule for one in found)
        by_rule = ", ".join(f"{rule} {count}" for rule, count in sorted(rules.items()))
        print(f"{len(found)} in {len(counts)} files: {by_rule}")
    return 1 if found else 0


def shown(file: Path) -> Path:
    """Return a file's path as it is printed: from the current folder, where it lies in it."""
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file


if __name__ == "__main__":
    raise SystemExit(main())
