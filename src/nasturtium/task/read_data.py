"""Reading data (a name, a path, arrays, tables, data sets) as arrays of splits."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nasturtium.display.printable import escape_unprintable
from nasturtium.errors import TaskError
from nasturtium.task.array_storage import ArrayStorage
from nasturtium.task.list_image_folder import FolderListing, list_image_folder
from nasturtium.task.read_dataset import find_class_names, is_dataset, read_dataset
from nasturtium.task.read_image_folder import read_image_folder
from nasturtium.task.read_npz import read_npz
from nasturtium.task.table import is_table, separate_labels
from nasturtium.task.table_encoding import Encoding
from nasturtium.task.wording import reason

__all__ = ["BUNDLED", "DataReader", "RawData", "list_files", "name_task", "parse_path"]

BUNDLED = ("breast_cancer", "digits", "iris", "wine")

_PARTS = {"train": "train", "valid": "valid", "validation": "valid", "val": "valid", "test": "test"}
_LONGEST = 64  # characters of a task's name, which is part of file names
_TABLE_HINT = '; for a table, read it with {} and pass (frame, "column of the labels")'
_HINTS = {
    ".csv": _TABLE_HINT.format("pandas.read_csv"),
    ".tsv": _TABLE_HINT.format("pandas.read_csv(sep='\\t')"),
    ".parquet": _TABLE_HINT.format("pandas.read_parquet"),
    ".npy": "; pass (numpy.load(file), labels), or put both into one file with numpy.savez",
}
_ACCEPTED = (
    "a name (" + ", ".join(BUNDLED) + "), a path to a folder of images or an .npz file, "
    "(inputs, labels), ((train inputs, labels), (test inputs, labels)), a data set, "
    "(train data set, test data set), or {'train': ..., 'valid': ..., 'test': ...}"
)


@dataclass
class RawData:
    """Arrays of each split, with their names, layout and notes."""

    name: str
    parts: dict[str, tuple[Any, Any]]
    class_names: Sequence[str] | None = None
    layout: str | None = None
    notes: list[str] = field(default_factory=list)
    encoding: Encoding | None = None


def list_files(data: object) -> FolderListing | None:
    """Return the files of a folder of images, or ``None`` for other data."""
    if not isinstance(data, str | Path) or (isinstance(data, str) and data in BUNDLED):
        return None
    path = parse_path(data)
    return list_image_folder(path) if path.is_dir() else None


def parse_path(data: str | Path) -> Path:
    """Return a text as a path.

    Raises:
        TaskError: no path can have this name.
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


def name_task(path: Path) -> str:
    """Return the name of the task of a path; a study and its files are named after it."""
    path = path.resolve()
    name = (
        escape_unprintable(path.name if path.is_dir() else path.stem).replace("\\", "_").lstrip(".")
    )
    return name[:_LONGEST] or "data"


@dataclass(frozen=True)
class DataReader:
    """Reader of data of every accepted type.

    Attributes:
        size: height and width of images; their most common size if ``None``.
        skip: leave out damaged image files instead of raising.
        median: accept missing values of tables, which are replaced later.
        storage: makes large arrays.
        listing: the files of a folder of images, if they are known.
    """

    size: int | tuple[int, int] | None
    skip: bool
    median: bool
    storage: ArrayStorage
    listing: FolderListing | None

    def read(self, data: object) -> RawData:
        """Return the data as arrays.

        Raises:
            TaskError: the data cannot be read; the message says what to do.
        """
        if isinstance(data, str) and data in BUNDLED:
            return _load_bundled(data)
        if isinstance(data, str | Path):
            return self._read_path(data)
        if isinstance(data, Mapping):
            if unknown := [key for key in data if key not in _PARTS]:
                raise TaskError(
                    f"the data have the key {unknown[0]!r}; expected 'train', 'valid' and 'test'"
                )
            return self._read_parts({_PARTS[key]: value for key, value in data.items()})
        if isinstance(data, tuple) and len(data) == 2:
            for part in data:
                if (hint := _hint(part)) and not is_table(part):
                    raise TaskError(f"a {type(part).__name__} arrived{hint}")
            if all(_is_pair(part) or is_dataset(part) for part in data):
                return self._read_parts({"train": data[0], "test": data[1]})
            return self._read_parts({"train": data})
        if is_dataset(data):
            return self._read_parts({"train": data})
        raise TaskError(
            f"data of type {type(data).__name__} arrived{_hint(data)}; expected {_ACCEPTED}"
        )

    def _read_parts(self, parts: Mapping[str, Any]) -> RawData:
        source = RawData("arrays", {})
        shape = (self.size, self.size) if isinstance(self.size, int) else self.size
        for part, value in sorted(parts.items(), key=lambda item: item[0] != "train"):
            if _is_pair(value) and is_table(value[0]):
                self._encode_table(source, part, *value)
            elif _is_pair(value):
                source.parts[part] = value
            elif is_dataset(value):
                inputs, labels, layout = read_dataset(
                    value, part=part, notes=source.notes, shape=shape, storage=self.storage
                )
                source.parts[part] = (inputs, labels)
                source.layout = source.layout or layout
                source.name = type(value).__name__
                source.class_names = source.class_names or find_class_names(value)
                if layout is not None and shape is None:
                    shape = inputs.shape[2:]
            else:
                raise TaskError(
                    f"{part} is a {type(value).__name__}{_hint(value)}; expected (inputs, labels) "
                    "or a data set with len and [index] that returns (input, label)"
                )
        return source

    def _encode_table(self, source: RawData, part: str, frame: Any, labels: Any) -> None:
        """Encode a table, as the training table if there is one."""
        frame, labels = separate_labels(frame, labels, part=part)
        if source.encoding is None:
            source.encoding = Encoding.of(frame, part=part, median=self.median)
        source.notes += source.encoding.describe_unknown(frame, part=part)
        source.parts[part] = (source.encoding.apply(frame, part=part), labels)
        source.name = "table"

    def _read_path(self, data: str | Path) -> RawData:
        path = parse_path(data)
        if path.is_dir():
            folder = read_image_folder(
                path,
                size=self.size,
                skip_unreadable=self.skip,
                storage=self.storage,
                listing=self.listing,
            )
            parts = {part: (images.inputs, images.labels) for part, images in folder.parts.items()}
            return RawData(name_task(path), parts, folder.class_names, "NCHW", list(folder.notes))
        if path.is_file():
            if path.suffix.lower() == ".npz":
                return RawData(name_task(path), read_npz(path, self.storage))
            hint = _HINTS.get(path.suffix.lower(), "")
            raise TaskError(
                f"{escape_unprintable(str(path))} is a file of an unknown type; expected an .npz "
                f"file or a folder of images{hint}"
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
    """Return advice on data of a type that is not accepted."""
    if hasattr(value, "dataset"):
        return " (for a data loader, pass loader.dataset)"
    if is_table(value):
        return " (for a table, pass (table, 'column of the labels') or (table, labels))"
    if hasattr(value, "__iter__") and not hasattr(value, "__len__"):
        return " (for an iterable, pass the list of its (input, label) pairs)"
    return ""


def _is_pair(value: object) -> bool:
    """Return whether a value is (inputs, labels), rather than inputs."""
    return isinstance(value, tuple) and len(value) == 2


def _load_bundled(name: str) -> RawData:
    from sklearn import datasets  # takes most of a second, and only these names need it

    bunch = getattr(datasets, f"load_{name}")()
    if name == "digits":
        inputs = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    else:
        inputs = bunch.data.astype(np.float32)
    return RawData(name, {"train": (inputs, bunch.target)}, [str(n) for n in bunch.target_names])
