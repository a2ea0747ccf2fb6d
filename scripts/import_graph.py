"""The imports of a package, read from its source: late imports and those for types included.

Used by ``check_structure.py`` and ``draw_architecture.py``. Nothing is imported or run. Imports
count wherever they stand: at the top of a file, in functions, for type checking, and as
``import_module("a.name")``. A face is an ``__init__.py`` that loads its names when they are first
used (it has a ``__getattr__``); its own imports are left out, since it stands above what it names.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

__all__ = ["Import", "Module", "circles", "imports_of", "modules_of"]


class Module(NamedTuple):
    """A source file of a package."""

    name: str
    file: Path
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        return self.file.name == "__init__.py"

    @property
    def is_face(self) -> bool:
        functions = [node.name for node in self.tree.body if isinstance(node, ast.FunctionDef)]
        return self.is_package and "__getattr__" in functions


class Import(NamedTuple):
    """One import statement's arrow from a module to a module."""

    importer: str
    imported: str
    file: Path
    line: int


def modules_of(folder: Path) -> dict[str, Module]:
    """Read the modules of the package in a folder, by their full names."""
    found = {}
    for file in sorted(folder.rglob("*.py")):
        parts = [folder.name, *file.relative_to(folder).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
        name = ".".join(parts)
        found[name] = Module(name, file, ast.parse(file.read_text(encoding="utf-8"), str(file)))
    return found


def imports_of(modules: Mapping[str, Module]) -> list[Import]:
    """List the imports between the modules of a package, faces left out as importers."""
    found = []
    for module in modules.values():
        if module.is_face:
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, (ast.Import, ast.ImportFrom, ast.Call)):
                for target in dict.fromkeys(_targets(node, module, modules)):
                    if target != module.name:
                        found.append(Import(module.name, target, module.file, node.lineno))
    return found


def _targets(
    node: ast.Import | ast.ImportFrom | ast.Call, module: Module, modules: Mapping[str, Module]
) -> Iterator[str]:
    """Yield the modules of the package that a statement, or a call of import_module, names."""
    if isinstance(node, ast.Call):
        if ast.unparse(node.func).endswith("import_module") and node.args:
            name = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
            if isinstance(name, str) and name in modules:
                yield name
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in modules)
        return
    source = node.module or ""
    if node.level:
        parts = module.name.split(".")
        kept = len(parts) - node.level + (1 if module.is_package else 0)
        source = ".".join([*parts[:kept], *([source] if source else [])])
    for alias in node.names:
        name = f"{source}.{alias.name}"
        if name in modules:
            yield name
        elif source in modules:
            yield source


def circles(arrows: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return the circles of a graph: its strongly connected components of two nodes or more.

    This is Tarjan's algorithm, without recursion.
    """
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []
    for root in sorted(arrows):
        if root in order:
            continue
        order[root] = low[root] = len(order)
        stack.append(root)
        work = [(root, iter(sorted(arrows[root])))]
        while work:
            node, rest = work[-1]
            for other in rest:
                if other not in order:
                    order[other] = low[other] = len(order)
                    stack.append(other)
                    work.append((other, iter(sorted(arrows.get(other, ())))))
                    break
                if other in stack:
                    low[node] = min(low[node], order[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == order[node]:
                    place = stack.index(node)
                    if len(stack) - place > 1:
                        found.append(sorted(stack[place:]))
                    del stack[place:]
    return sorted(found)
