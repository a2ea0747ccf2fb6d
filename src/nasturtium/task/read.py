"""Read whatever holds the data (a name, a path, arrays, tables, data sets) as arrays of splits."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nasturtium.display.printable import escape_unprintable
from nasturtium.errors import TaskError
from nasturtium.task.archive import read_archive
from nasturtium.task.dataset import class_names_of, is_dataset, read_dataset
from nasturtium.task.encoding import Encoding
from nasturtium.task.folder import read_folder
from nasturtium.task.frame import divided, is_frame
from nasturtium.task.listing import Listing, list_folder
from nasturtium.task.storage import Storage
from nasturtium.task.wording import reason

__all__ = ["BUNDLED", "Given", "Reader", "listed", "path_of", "titled"]

BUNDLED = ("breast_cancer", "digits", "iris", "wine")

_PARTS = {"train": "train", "valid": "valid", "validation": "valid", "val": "valid", "test": "test"}
_LONGEST = 64  # characters of a task's name, which becomes part of names of files
_FRAME = '; of a table, read it with {} and pass (frame, "column of the labels")'
_WAYS = {
    ".csv": _FRAME.format("pandas.read_csv"),
    ".tsv": _FRAME.format("pandas.read_csv(sep='\\t')"),
    ".parquet": _FRAME.format("pandas.read_parquet"),
    ".npy": "; pass (numpy.load(file), labels), or put both into one file with numpy.savez",
}
_ACCEPTED = (
    "a name (" + ", ".join(BUNDLED) + "), a path to a folder of images or an .npz file, "
    "(inputs, labels), ((train inputs, labels), (test inputs, labels)), a data set, "
    "(train data set, test data set), or {'train': ..., 'valid': ..., 'test': ...}"
)


@dataclass
class Given:
    """Arrays of each split, and what is known of them."""

    name: str
    parts: dict[str, tuple[Any, Any]]
    class_names: Sequence[str] | None = None
    layout: str | None = None
    notes: list[str] = field(default_factory=list)
    encoding: Encoding | None = None


def listed(data: object) -> Listing | None:
    """The files of a folder of images; ``None`` of other data."""
    if not isinstance(data, str | Path) or (isinstance(data, str) and data in BUNDLED):
        return None
    path = path_of(data)
    return list_folder(path) if path.is_dir() else None


def path_of(data: str | Path) -> Path:
    """The path that a text says.

    Raises:
        TaskError: no path can be called that.
    """
    try:
        path = Path(data).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        raise TaskError(
            f"{escape_unprintable(str(data)[:80])!r} cannot be the name of data ({reason(error)}); "
            "expected a folder of images, an .npz file, or a name such as digits"
        ) from error
    return path


def titled(path: Path) -> str:
    """What a task of this path is called: a study is named after it, and its files."""
    path = path.resolve()
    name = (
        escape_unprintable(path.name if path.is_dir() else path.stem).replace("\\", "_").lstrip(".")
    )
    return name[:_LONGEST] or "data"


@dataclass(frozen=True)
class Reader:
    """Reads data.

    Attributes:
        size: height and width of images; else their most common size.
        skip: leave damaged image files out instead of raising.
        median: let missing values of tables pass, to be filled in later.
        storage: where large arrays are made.
        listing: the files of a folder of images, if they are known.
    """

    size: int | tuple[int, int] | None
    skip: bool
    median: bool
    storage: Storage
    listing: Listing | None

    def find(self, data: object) -> Given:
        """Return what the data are.

        Raises:
            TaskError: if they cannot be read; the message says what to do.
        """
        if isinstance(data, str) and data in BUNDLED:
            return _bundled(data)
        if isinstance(data, str | Path):
            return self._path(data)
        if isinstance(data, Mapping):
            if unknown := [key for key in data if key not in _PARTS]:
                raise TaskError(
                    f"the data have the key {unknown[0]!r}; expected 'train', 'valid' and 'test'"
                )
            return self._parts({_PARTS[key]: value for key, value in data.items()})
        if isinstance(data, tuple) and len(data) == 2:
            for part in data:
                if (hint := _hint(part)) and not is_frame(part):
                    raise TaskError(f"a {type(part).__name__} arrived{hint}")
            if all(_is_pair(part) or is_dataset(part) for part in data):
                return self._parts({"train": data[0], "test": data[1]})
            return self._parts({"train": data})
        if is_dataset(data):
            return self._parts({"train": data})
        raise TaskError(
            f"data of type {type(data).__name__} arrived{_hint(data)}; expected {_ACCEPTED}"
        )

    def _parts(self, parts: Mapping[str, Any]) -> Given:
        source = Given("arrays", {})
        shape = (self.size, self.size) if isinstance(self.size, int) else self.size
        for part, value in sorted(parts.items(), key=lambda item: item[0] != "train"):
            if _is_pair(value) and is_frame(value[0]):
                self._table(source, part, *value)
            elif _is_pair(value):
                source.parts[part] = value
            elif is_dataset(value):
                inputs, labels, layout = read_dataset(
                    value, part=part, notes=source.notes, shape=shape, storage=self.storage
                )
                source.parts[part] = (inputs, labels)
                source.layout = source.layout or layout
                source.name = type(value).__name__
                source.class_names = source.class_names or class_names_of(value)
                if layout is not None and shape is None:
                    shape = inputs.shape[2:]
            else:
                raise TaskError(
                    f"{part} is a {type(value).__name__}{_hint(value)}; expected (inputs, labels) "
                    "or a data set with len and [index] that gives (input, label)"
                )
        return source

    def _table(self, source: Given, part: str, frame: Any, labels: Any) -> None:
        """Encode a table, by the training table where there is one."""
        frame, labels = divided(frame, labels, part=part)
        if source.encoding is None:
            source.encoding = Encoding.of(frame, part=part, median=self.median)
        source.notes += source.encoding.strangers(frame, part=part)
        source.parts[part] = (source.encoding.apply(frame, part=part), labels)
        source.name = "table"

    def _path(self, data: str | Path) -> Given:
        path = path_of(data)
        if path.is_dir():
            folder = read_folder(
                path,
                size=self.size,
                skip_unreadable=self.skip,
                storage=self.storage,
                listing=self.listing,
            )
            parts = {part: (found.inputs, found.labels) for part, found in folder.parts.items()}
            return Given(titled(path), parts, folder.class_names, "NCHW", list(folder.notes))
        if path.is_file():
            if path.suffix.lower() == ".npz":
                return Given(titled(path), read_archive(path, self.storage))
            way = _WAYS.get(path.suffix.lower(), "")
            raise TaskError(
                f"{escape_unprintable(str(path))} is a file of an unknown type; expected an .npz "
                f"file or a folder of images{way}"
            )
        if isinstance(data, Path) or path.suffix or len(path.parts) > 1:
            raise TaskError(
                f"{escape_unprintable(str(path))} does not exist; expected a folder of images or "
                "an .npz file"
            )
        near = difflib.get_close_matches(path.name.lower(), BUNDLED, 1, 0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise TaskError(
            f"{data!r} is neither a path nor a known name; {hint}the names are {', '.join(BUNDLED)}"
        )


def _hint(value: object) -> str:
    """What to do with data of a kind that is not taken."""
    if hasattr(value, "dataset"):
        return " (of a data loader, pass loader.dataset)"
    if is_frame(value):
        return " (of a table, pass (table, 'column of the labels') or (table, labels))"
    if hasattr(value, "__iter__") and not hasattr(value, "__len__"):
        return " (of an iterable, pass the list of its (input, label) pairs)"
    return ""


def _is_pair(value: object) -> bool:
    """Tell whether a value is (inputs, labels), rather than inputs."""
    return isinstance(value, tuple) and len(value) == 2


def _bundled(name: str) -> Given:
    from sklearn import datasets  # takes most of a second, and only these names need it

    bunch = getattr(datasets, f"load_{name}")()
    if name == "digits":
        inputs = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    else:
        inputs = bunch.data.astype(np.float32)
    return Given(name, {"train": (inputs, bunch.target)}, [str(n) for n in bunch.target_names])
