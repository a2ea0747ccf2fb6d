"""Listing the files of a folder of images, class by class."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nasturtium.display.printable import escape_unprintable
from nasturtium.errors import TaskError
from nasturtium.task.decode_image import SUFFIXES
from nasturtium.task.wording import reason

__all__ = ["FolderListing", "list_image_folder"]

_NAMES = {"train": ("train",), "valid": ("valid", "val", "validation"), "test": ("test",)}


@dataclass(frozen=True, eq=False)
class FolderListing:
    """The files of a folder of images.

    Attributes:
        classes: for each split, the files of each class.
        notes: the files and folders that were left out.
    """

    classes: dict[str, dict[str, list[Path]]]
    notes: tuple[str, ...] = ()

    @property
    def files(self) -> list[Path]:
        """All files, in order."""
        return [
            path
            for classes in self.classes.values()
            for files in classes.values()
            for path in files
        ]


def list_image_folder(folder: Path) -> FolderListing:
    """List ``folder/<class>/*``, or ``folder/train/<class>/*``, ``valid`` and ``test`` optional.

    Raises:
        TaskError: there are no classes, a class is empty, or a folder cannot be read.
    """
    others: Counter[str] = Counter()
    try:
        roots = _find_splits(folder)
        classes = {part: _list_classes(root, others) for part, root in roots.items()}
        extra = []
        if "train" in roots and roots["train"] != folder:
            extra = [p.name for p in _folders(folder) if p not in roots.values()]
    except OSError as error:
        raise TaskError(
            f"the folder {escape_unprintable(str(error.filename or folder))} cannot be read "
            f"({reason(error)}); change its permissions, or leave it out"
        ) from error
    notes = []
    if others:
        kinds = ", ".join(f"{kind} ({count})" for kind, count in others.most_common(5))
        notes.append(f"{others.total()} files were left out: {kinds}")
    if extra:
        notes.append(
            f"folders beside train were left out: {', '.join(map(escape_unprintable, extra[:5]))}"
        )
    return FolderListing(classes, tuple(notes))


def _find_splits(folder: Path) -> dict[str, Path]:
    """Return the folder of each split; without ``train``, all examples are training examples."""
    train = folder / "train"
    if not (train.is_dir() and any(_folders(train))):
        return {"train": folder}
    roots = {}
    for part, names in _NAMES.items():
        for name in names:
            if part not in roots and (folder / name).is_dir():
                roots[part] = folder / name
    return roots


def _folders(folder: Path) -> Iterator[Path]:
    return (p for p in sorted(folder.iterdir()) if p.is_dir() and not p.name.startswith("."))


def _list_classes(root: Path, others: Counter[str]) -> dict[str, list[Path]]:
    classes: dict[str, list[Path]] = {}
    for folder in _folders(root):
        name = escape_unprintable(folder.name)
        if root.resolve().is_relative_to(folder.resolve()):
            raise TaskError(
                f"{escape_unprintable(str(folder))} is a link to a folder that holds it; remove "
                "the link"
            )
        if name in classes:
            raise TaskError(f"{escape_unprintable(str(root))} has two folders {name!r}; rename one")
        classes[name] = sorted(_images(folder, others))
        if not classes[name]:
            raise TaskError(
                f"{escape_unprintable(str(folder))} has no images; expected {', '.join(SUFFIXES)} "
                f"files of the class {name!r}: add some or remove the folder"
            )
    if not classes:
        name = escape_unprintable(root.name)
        raise TaskError(
            f"{escape_unprintable(str(root))} has no classes; expected one folder of images per "
            f"class, such as {name}/cat/1.png and {name}/dog/1.png"
        )
    if beside := sum(_is_image(path) for path in root.iterdir() if not path.is_dir()):
        others["images outside the folders of the classes"] += beside
    return classes


def _images(folder: Path, others: Counter[str]) -> Iterator[Path]:
    """Walk a folder for images; ignore hidden files and folders, count other files."""
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
