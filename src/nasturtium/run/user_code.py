"""Files and modules of the user, and the record of those that the user has run.

A store may come from anybody, together with the files that it names. Therefore a file or a module
that a store names runs only if this user named it before, in a search or another call, when it had
the same content. Records of that are kept in the user's state folder, never beside a store.

A record holds for one file at one path, with the modules that it imports from its own folder. These
modules are found by reading the import statements, so that nothing runs before it is trusted.
"""

from __future__ import annotations

import ast
import json
import os
import sys
import sysconfig
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Self, final

from nasturtium.atomic_write import replace_file

__all__ = ["UserCode", "state_folder"]

REMEDY = "read it, then give --trust (trust=True in Python), or search with it again yourself"


def state_folder() -> Path | None:
    """Return the folder of the records; ``None`` if the user has no home folder.

    ``$NASTURTIUM_STATE``, else ``$XDG_STATE_HOME/nasturtium``, else
    ``~/.local/state/nasturtium``.
    """
    if own := os.environ.get("NASTURTIUM_STATE"):
        return Path(own)
    base = Path(os.environ.get("XDG_STATE_HOME") or "")
    if base.is_absolute():  # the XDG standard ignores a relative path
        return base / "nasturtium"
    try:
        return Path.home() / ".local" / "state" / "nasturtium"
    except RuntimeError:
        return None


@final
@dataclass(frozen=True)
class UserCode:
    """A file or a module of the user, identified by its content without running it.

    Attributes:
        named: its name in messages.
        path: the file; ``None`` if there is none.
        files: the SHA-256 of each file that would run: its own, those of the packages around it,
            and those that it imports from its folder.
    """

    named: str
    path: Path | None
    files: Mapping[str, str]

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """Return the code in a file."""
        path = Path(os.path.realpath(path))
        only = path.stem if path.parent in _installed() else None
        return cls(str(path), path, _closure([path], path.parent, only))

    @classmethod
    def of_module(cls, name: str) -> Self:
        """Return the code of a module, which is not imported."""
        files = _files_of_module(name)
        if not files:
            return cls(f"the module {name}", None, {})
        files = [Path(os.path.realpath(path)) for path in files]
        top, first = name.partition(".")[0], files[0]
        root = first.parents[1] if first.stem == "__init__" else first.parent
        only = top if root in _installed() else None
        return cls(f"the module {name} ({files[-1]})", files[-1], _closure(files, root, only))

    def remember(self) -> None:
        """Record that the user ran it with this content.

        If the state folder cannot be written, nothing is recorded, and the user is asked again.
        """
        folder = state_folder()
        if folder is None or not self.files:
            return
        record = folder / "trusted" / self._name(self._digest())
        try:
            if not record.is_file():
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                text = json.dumps({"path": str(self.path), "files": self.files}, indent=1)
                replace_file(record, text.encode())
        except (OSError, ValueError):
            return

    def refusal(self) -> str | None:
        """Return why a store may not make it run, in one line; ``None`` if it may."""
        if self.path is None:
            return f"the study names {self.named}, which has no file to inspect; {REMEDY}"
        if not self.files:
            return f"the study names {self.named}, which does not exist or cannot be read"
        folder = state_folder()
        trusted = None if folder is None else folder / "trusted"
        if trusted is None or not _is_file(trusted / self._name(self._digest())):
            earlier = [] if trusted is None else sorted(trusted.glob(self._name("*")))
            if not earlier:
                return f"the study names {self.named}, which you have not searched with; {REMEDY}"
            return f"{self._changed(earlier)} since you searched with it; {REMEDY}"
        return None

    def _changed(self, earlier: list[Path]) -> str:
        """Return which file differs from the records of this path."""
        for record in earlier:
            try:
                files = dict(json.loads(record.read_text(encoding="utf-8"))["files"])
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                continue
            for name in sorted({*files, *self.files}):
                if name != str(self.path) and files.get(name) != self.files.get(name):
                    return f"{name}, which {self.path} imports, was changed"
        return f"{self.path} was changed"

    def _digest(self) -> str:
        return sha256(json.dumps(sorted(self.files.items())).encode()).hexdigest()

    def _name(self, digest: str) -> str:
        return f"{sha256(os.fsencode(str(self.path))).hexdigest()}-{digest}"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


# -- files that would run ------------------------------------------------------------------------


def _closure(files: list[Path], root: Path, only: str | None) -> dict[str, str]:
    """Return the digests of files and of the modules that they import from a folder.

    The result is empty if one of the files cannot be read.

    Args:
        files: those that run first.
        root: the folder in which absolute imports are found.
        only: the package that is followed, if others are installed in the same folder.
    """
    found: dict[str, str] = {}
    waiting = list(files)
    while waiting:
        path = waiting.pop()
        if str(path) in found:
            continue
        try:
            content = path.read_bytes()
        except (OSError, ValueError):
            if path in files:
                return {}
            continue
        found[str(path)] = sha256(content).hexdigest()
        if path.suffix == ".py":
            waiting += _imports(content, path, root, only)
    return found


def _imports(content: bytes, path: Path, root: Path, only: str | None) -> Iterator[Path]:
    """Yield the files in a folder that the import statements of a file name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # a file that cannot be parsed cannot run either
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named = [(root, alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = root if node.level == 0 else path.parents[min(node.level, len(path.parts)) - 1]
            module = node.module.split(".") if node.module else []
            named = [(start, [*module, alias.name]) for alias in node.names]
        else:
            continue
        for start, parts in named:
            if start == root and (parts[0] == "nasturtium" or only not in (None, parts[0])):
                continue
            for end in range(1, len(parts) + 1):
                place = start.joinpath(*parts[:end])
                for file in (place / "__init__.py", place.with_name(place.name + ".py")):
                    if _is_file(file):
                        yield Path(os.path.realpath(file))


def _files_of_module(name: str) -> list[Path]:
    """Return the files of the packages around a module, and its own; empty if there is none.

    The finders of ``sys.meta_path`` are called directly, because ``importlib.util.find_spec`` would
    import the packages.
    """
    files: list[Path] = []
    spec: ModuleSpec | None = None
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        try:
            parents = None if spec is None else list(spec.submodule_search_locations or ())
            spec = _spec(".".join(parts[:end]), parents)
        except Exception:  # a finder may be of any package
            return []
        if spec is None:
            return []
        if spec.has_location and spec.origin is not None:
            files.append(Path(spec.origin))
    return files if spec is not None and spec.has_location else []


def _spec(name: str, parents: list[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        spec = finder.find_spec(name, parents)
        if spec is not None:
            return spec
    return None


def _installed() -> set[Path]:
    """Return the folders of Python's own modules and of installed ones."""
    kinds = ("stdlib", "platstdlib", "purelib", "platlib")
    places = [sysconfig.get_path(kind) for kind in kinds]
    places += [entry for entry in sys.path if entry.endswith("-packages")]
    return {Path(os.path.realpath(place)) for place in places}
