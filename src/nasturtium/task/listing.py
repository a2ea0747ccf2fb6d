"""Which files a folder of images holds, class by class."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nasturtium.display.printable import escape_unprintable
from nasturtium.errors import TaskError
from nasturtium.task.picture import SUFFIXES
from nasturtium.task.wording import reason

__all__ = ["Listing", "list_folder"]

_NAMES = {"train": ("train",), "valid": ("valid", "val", "validation"), "test": ("test",)}


@dataclass(frozen=True, eq=False)
class Listing:
    """The files of a folder of images.

    Attributes:
        classes: for each split, the files of each class.
        notes: what was left out.
    """

    classes: dict[str, dict[str, list[Path]]]
    notes: tuple[str, ...] = ()

    @property
    def files(self) -> list[Path]:
        """All files, in order."""
        return [
            path for found in self.classes.values() for files in found.values() for path in files
        ]


def list_folder(folder: Path) -> Listing:
    """List ``folder/<class>/*``, or ``folder/train/<class>/*`` with ``valid`` and ``test`` or not.

    Raises:
        TaskError: if there are no classes, a class is empty, or a folder cannot be read.
    """
    others: Counter[str] = Counter()
    try:
        roots = _roots(folder)
        classes = {part: _list_classes(root, others) for part, root in roots.items()}
        extra = []
        if "train" in roots and roots["train"] != folder:
            extra = [p.name for p in _folders(folder) if p not in roots.values()]
    except OSError as error:
        raise TaskError(
            f"the folder {escape_unprintable(str(error.filename or folder))} cannot be read "
            f"({reason(error)}); give yourself the right to read it, or leave it out"
        ) from error
    notes = []
    if others:
        kinds = ", ".join(f"{kind} ({count})" for kind, count in others.most_common(5))
        notes.append(f"{others.total()} files were left out: {kinds}")
    if extra:
        notes.append(
            f"folders beside train were left out: {', '.join(map(escape_unprintable, extra[:5]))}"
        )
    return Listing(classes, tuple(notes))


def _roots(folder: Path) -> dict[str, Path]:
    """Find the folder of each split; a folder without ``train`` is all training examples."""
    train = folder / "train"
    if not (train.is_dir() and any(_folders(train))):
        return {"train": folder}
    found = {}
    for part, names in _NAMES.items():
        for name in names:
            if part not in found and (folder / name).is_dir():
                found[part] = folder / name
    return found


def _folders(folder: Path) -> Iterator[Path]:
    return (p for p in sorted(folder.iterdir()) if p.is_dir() and not p.name.startswith("."))


def _list_classes(root: Path, others: Counter[str]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for folder in _folders(root):
        name = escape_unprintable(folder.name)
        if root.resolve().is_relative_to(folder.resolve()):
            raise TaskError(
                f"{escape_unprintable(str(folder))} is a link to a folder that holds it; remove "
                "the link"
            )
        if name in found:
            raise TaskError(f"{escape_unprintable(str(root))} has two folders {name!r}; rename one")
        found[name] = sorted(_images(folder, others))
        if not found[name]:
            raise TaskError(
                f"{escape_unprintable(str(folder))} has no images; expected {', '.join(SUFFIXES)} "
                f"files of the class {name!r}: add some or remove the folder"
            )
    if not found:
        name = escape_unprintable(root.name)
        raise TaskError(
            f"{escape_unprintable(str(root))} has no classes; expected one folder of images per "
            f"class, such as {name}/cat/1.png and {name}/dog/1.png"
        )
    if beside := sum(_is_image(path) for path in root.iterdir() if not path.is_dir()):
        others["images outside the folders of the classes"] += beside
    return found


def _images(folder: Path, others: Counter[str]) -> Iterator[Path]:
    """Walk a folder for images; hidden files and folders are left alone, others are counted."""
    with os.scandir(folder) as entries:
        listed = [entry for entry in entries if not entry.name.startswith(".")]
    for entry in listed:
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _images(path, others)
        elif entry.is_dir():
            others["links to folders"] += 1
        elif not _is_image(path) or (os.path.exists(path) and not entry.is_file()):
            others[escape_unprintable(path.suffix.lower()) or "no suffix"] += 1
        else:
            yield path


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
