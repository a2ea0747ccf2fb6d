"""Which code of the user's own may run although only a store names it.

A store may come from anybody, together with the files that it names. So the names in a manifest
are looked up in our own tables, and a file or a module of the user's runs only if this user named
it before, in a search or another call, when it had the very same content. Records of that are kept
in the user's state folder, never beside a store, as direnv keeps those of the files that it runs.

A record holds for one file at one place, with what it imports from its own folder: these modules
are found by reading the import statements, so that nothing runs before the answer is known.
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

__all__ = ["Source", "state_folder"]

REMEDY = "read it, then say --trust (trust=True in Python), or search with it again yourself"


def state_folder() -> Path | None:
    """Where the records are kept; ``None`` where the user has no home.

    ``$NASTURTIUM_STATE``, else ``$XDG_STATE_HOME/nasturtium``, else
    ``~/.local/state/nasturtium``.
    """
    if own := os.environ.get("NASTURTIUM_STATE"):
        return Path(own)
    base = Path(os.environ.get("XDG_STATE_HOME") or "")
    if base.is_absolute():  # the standard says that a relative path is ignored
        return base / "nasturtium"
    try:
        return Path.home() / ".local" / "state" / "nasturtium"
    except RuntimeError:
        return None


@final
@dataclass(frozen=True)
class Source:
    """A file or a module of the user's, as it would run; nothing of it is run to know that.

    Attributes:
        named: what the user calls it.
        path: the file; ``None`` where there is none.
        files: the SHA-256 of each file that would run: its own, the packages that it lies in, and
            what it imports from its folder.
    """

    named: str
    path: Path | None
    files: Mapping[str, str]

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """The source that a path names."""
        path = Path(os.path.realpath(path))
        only = path.stem if path.parent in _installed() else None
        return cls(str(path), path, _closure([path], path.parent, only))

    @classmethod
    def of_module(cls, name: str) -> Self:
        """The source that a module's name stands for."""
        files = _files_of_module(name)
        if not files:
            return cls(f"the module {name}", None, {})
        files = [Path(os.path.realpath(path)) for path in files]
        top, first = name.partition(".")[0], files[0]
        root = first.parents[1] if first.stem == "__init__" else first.parent
        only = top if root in _installed() else None
        return cls(f"the module {name} ({files[-1]})", files[-1], _closure(files, root, only))

    def remember(self) -> None:
        """Record that the user ran it as it is.

        Where the state folder cannot be written nothing is recorded, and the user is asked again.
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
        """Why it may not run at a store's word, in one line; ``None`` where it may."""
        if self.path is None:
            return f"the study names {self.named}, of which no file can be looked at; {REMEDY}"
        if not self.files:
            return f"the study names {self.named}, which is not there or cannot be read"
        folder = state_folder()
        trusted = None if folder is None else folder / "trusted"
        if trusted is None or not _is_file(trusted / self._name(self._digest())):
            earlier = [] if trusted is None else sorted(trusted.glob(self._name("*")))
            if not earlier:
                return f"the study names {self.named}, which you have not searched with; {REMEDY}"
            return f"{self._changed(earlier)} since you searched with it; {REMEDY}"
        return None

    def _changed(self, earlier: list[Path]) -> str:
        """Which file is another than in the records of this path."""
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


# -- what would run ------------------------------------------------------------------------------


def _closure(files: list[Path], root: Path, only: str | None) -> dict[str, str]:
    """The digests of files, and of all that they import from a folder.

    Empty where one of the files cannot be read.

    Args:
        files: what is run itself.
        root: where absolute imports are looked up.
        only: the one package of the folder that is followed, where others are installed beside it.
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
    """Files in a folder that a source's import statements name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # it cannot run either
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
    """The packages that a module lies in, and its file; empty where there is none.

    The finders of ``sys.meta_path`` are asked, which run nothing of what they find, as
    ``importlib.util.find_spec`` would do with the packages.
    """
    files: list[Path] = []
    spec: ModuleSpec | None = None
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        try:
            within = None if spec is None else list(spec.submodule_search_locations or ())
            spec = _spec(".".join(parts[:end]), within)
        except Exception:  # a finder may be of any package
            return []
        if spec is None:
            return []
        if spec.has_location and spec.origin is not None:
            files.append(Path(spec.origin))
    return files if spec is not None and spec.has_location else []


def _spec(name: str, within: list[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        spec = finder.find_spec(name, within)
        if spec is not None:
            return spec
    return None


def _installed() -> set[Path]:
    """The folders of Python's own modules and of installed ones."""
    kinds = ("stdlib", "platstdlib", "purelib", "platlib")
    places = [sysconfig.get_path(kind) for kind in kinds]
    places += [entry for entry in sys.path if entry.endswith("-packages")]
    return {Path(os.path.realpath(place)) for place in places}
