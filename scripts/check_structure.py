#!/usr/bin/env python3
"""Check the rules that keep the source readable; print each violation and what to do.

    scripts/check_structure.py                          all of src/nasturtium
    scripts/check_structure.py src/nasturtium/study     only what lies in these folders or files

=========  ==============================================================================
rule       what is checked
=========  ==============================================================================
circle     modules, and folders, do not import each other in a circle; imports within
           functions and those for type checking count
face       no module imports the package itself (``import nasturtium``), which names them all
function   a function has at most 60 lines, its docstring not counted
file       a file has at most 400 lines
example    each name of the package's ``__all__`` has an example (``>>>``) in its docstring;
           pytest runs it (``--doctest-modules``)
=========  ==============================================================================

That imports only point down is checked by import-linter, and that every function is fully typed by
``mypy --strict``.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from import_graph import Import, Module, circles, imports_of, modules_of

ROOT = Path(__file__).resolve().parent.parent
FUNCTION_LINES, FILE_LINES = 60, 400
FOLLOWED = 4  # imports of a circle that are shown


class Violation(NamedTuple):
    """A rule that a line of a file breaks."""

    file: Path
    line: int
    rule: str
    text: str


def check_circles(modules: Mapping[str, Module], imports: Sequence[Import]) -> Iterator[Violation]:
    """Yield the circles between the parts of each package: its modules and its folders."""
    for package in [name for name, module in modules.items() if module.is_package]:
        between: dict[tuple[str, str], Import] = {}
        for one in imports:
            start, end = part_of(one.importer, package), part_of(one.imported, package)
            if start and end and start != end:
                between.setdefault((start, end), one)
        arrows: dict[str, set[str]] = {}
        for importer, imported in between:
            arrows.setdefault(importer, set()).add(imported)
            arrows.setdefault(imported, set())
        for circle in circles(arrows):
            within = [one for ends, one in between.items() if {*ends} <= {*circle}]
            first = within[0]
            shown = "; ".join(
                f"{one.file.name}:{one.line} imports {one.imported}" for one in within[:FOLLOWED]
            )
            more = f"; and {len(within) - FOLLOWED} more" if len(within) > FOLLOWED else ""
            yield Violation(
                first.file,
                first.line,
                "circle",
                f"{', '.join(circle)} import each other ({shown}{more}); move what both need "
                "below them, or let one depend on a protocol",
            )


def part_of(module: str, package: str) -> str | None:
    """Return the part of a package that a module belongs to, ``None`` where it lies outside."""
    if module == package:
        return f"{package}.__init__"
    if not module.startswith(f"{package}."):
        return None
    return f"{package}.{module[len(package) + 1 :].partition('.')[0]}"


def check_face(modules: Mapping[str, Module], imports: Sequence[Import]) -> Iterator[Violation]:
    """Yield the imports of the package's face by its modules."""
    for one in imports:
        if "." not in one.imported and modules[one.imported].is_face:
            yield Violation(
                one.file,
                one.line,
                "face",
                f"{one.importer} imports {one.imported}, which names everything; import from the "
                "module that defines the name",
            )


def check_sizes(modules: Mapping[str, Module]) -> Iterator[Violation]:
    """Yield files and functions that are too long."""
    for module in modules.values():
        lines = len(module.file.read_text(encoding="utf-8").splitlines())
        if lines > FILE_LINES:
            yield Violation(
                module.file,
                1,
                "file",
                f"{lines} lines, at most {FILE_LINES}; move one of its subjects to another file",
            )
        for node in ast.walk(module.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = length_of(node)
                if length > FUNCTION_LINES:
                    yield Violation(
                        module.file,
                        node.lineno,
                        "function",
                        f"{node.name} has {length} lines, at most {FUNCTION_LINES} without the "
                        "docstring; name its steps as functions",
                    )


def length_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the number of lines of a function, from ``def``, its docstring not counted."""
    length = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function, clean=False) is not None:
        text = function.body[0]
        length -= (text.end_lineno or text.lineno) - text.lineno + 1
    return length


def check_examples(folder: Path) -> Iterator[Violation]:
    """Yield the public names whose docstring has no example. This imports the package."""
    sys.path.insert(0, str(folder.parent))
    package = importlib.import_module(folder.name)
    for name in getattr(package, "__all__", ()):
        value = getattr(package, name)
        own = vars(value).get("__doc__") if isinstance(value, type) else value.__doc__
        if ">>>" not in (own or ""):
            file, line = place_of(value, folder / "__init__.py")
            yield Violation(
                file,
                line,
                "example",
                f"{folder.name}.{name} is public and has no example; add one (>>>) to its "
                "docstring",
            )


def place_of(value: Any, default: Path) -> tuple[Path, int]:
    """Return where a public object is defined; for a decorated one, where its function is."""
    value = inspect.unwrap(getattr(value, "builder", value))
    try:
        file = inspect.getsourcefile(value)
        line = 1 if inspect.ismodule(value) else inspect.getsourcelines(value)[1]
    except (TypeError, OSError):
        return default, 1
    return (Path(file) if file else default), max(1, line)


def violations_in(folder: Path) -> list[Violation]:
    """Return the violations of a package, in the order of its files."""
    modules = modules_of(folder)
    imports = imports_of(modules)
    return sorted(
        [
            *check_circles(modules, imports),
            *check_face(modules, imports),
            *check_sizes(modules),
            *check_examples(folder),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the violations, and how many there are by rule; 1 if there are any."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="*", type=Path, help="only what lies in these")
    parser.add_argument("--package", type=Path, default=ROOT / "src" / "nasturtium")
    given = parser.parse_args(arguments)
    found = violations_in(given.package.resolve())
    if given.paths:
        chosen = [path.resolve() for path in given.paths]
        found = [one for one in found if any(one.file.is_relative_to(path) for path in chosen)]
    for one in found:
        file = one.file.relative_to(Path.cwd()) if one.file.is_relative_to(Path.cwd()) else one.file
        print(f"{file}:{one.line}: {one.rule}: {one.text}")
    counts = Counter(one.rule for one in found)
    if found:
        print("violations: " + ", ".join(f"{rule} {count}" for rule, count in counts.items()))
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
