"""Make a task of whatever holds the data: a name, a path, arrays, or data sets."""

from __future__ import annotations

import difflib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nasturtium.errors import TaskError
from nasturtium.task.dataset import class_names_of, is_dataset, read_dataset
from nasturtium.task.folder import read_folder
from nasturtium.task.make import make_task
from nasturtium.task.task import Task

__all__ = ["BUNDLED", "load"]

BUNDLED = ("breast_cancer", "digits", "iris", "wine")

_PARTS = {"train": "train", "valid": "valid", "validation": "valid", "val": "valid", "test": "test"}
_ACCEPTED = (
    "a name (" + ", ".join(BUNDLED) + "), a path to a folder of images or an .npz file, "
    "(inputs, labels), ((train inputs, labels), (test inputs, labels)), a data set, "
    "(train data set, test data set), or {'train': ..., 'valid': ..., 'test': ...}"
)


@dataclass
class _Source:
    """Arrays of each split, and what is known of them."""

    name: str
    parts: dict[str, tuple[Any, Any]]
    class_names: Sequence[str] | None = None
    layout: str | None = None
    notes: list[str] = field(default_factory=list)
    encoding: Encoding | None = None


def load(
    data: object,
    *,
    seed: int = 0,
    name: str | None = None,
    class_names: Sequence[str] | None = None,
    fractions: tuple[float, float] = (0.2, 0.2),
    size: int | tuple[int, int] | None = None,
    layout: str | None = None,
    skip_unreadable: bool = False,
    missing: str = "error",
    cache: str | Path | None = None,
    memory: int | None = None,
) -> Task:
    """Make a task of data; splits that are not given are divided off, stratified and seeded.

    Args:
        data: one of

            * the name of a set that comes with scikit-learn: ``"digits"`` (grey 8 x 8 images), or
              the vectors ``"breast_cancer"``, ``"iris"``, ``"wine"``;
            * a path to a folder: ``<class>/*.png``, or ``train/<class>/*.png`` with ``valid`` and
              ``test`` or without; or one that ``Task.save`` wrote;
            * a path to an ``.npz`` file of ``x_train``, ``y_train``, ``x_test``, ``y_test`` (and
              ``x_valid``, ``y_valid``), or of ``X``, ``y``;
            * ``(inputs, labels)``, NumPy or torch, or ``((inputs, labels), (inputs, labels))`` for
              training and test examples;
            * ``(table, labels)`` or ``(table, "column of the labels")``, where the table is a pandas
              frame: numbers stay, booleans, texts and categories become one feature each of their
              values (``task.encoding`` does the same to new rows);
            * a map-style data set of (PIL image, tensor or array; label) pairs or of dictionaries
              with an image and a label; or two of them, for training and test examples;
            * a mapping with the keys ``train``, and ``valid`` or ``test`` or both, to pairs of
              arrays or data sets;
            * a task, which is returned as it is.
        seed: seed of the division.
        name: what messages and reports call the task; else the file's or the set's name.
        class_names: names of the labels 0, 1, ...
        fractions: (valid, test): the share of all examples that becomes the test set (0 for none),
            and the share of the rest that becomes the validation set, where they are not given.
        size: height and width to resize images to.
        layout: ``"NCHW"`` or ``"NHWC"`` where the shape of images does not tell.
        skip_unreadable: leave damaged image files out instead of raising.
        missing: what becomes of missing values in tables and vectors: ``"error"``, or ``"median"``
            of the training examples (a missing category is none of the categories).
        cache: folder for what does not fit in ``memory``: decoded, converted and divided in chunks
            and mapped from there, never held as a whole. A folder of images is decoded once: while
            its files and these settings stay the same, the next call takes what the cache holds.
        memory: bytes that the inputs may take in memory; half of the machine's memory if not
            given, or nothing, so that all goes to files, where ``cache`` is given. What is an
            array in memory already may stay there.

    Raises:
        TaskError: if the data are not usable; the message says what to do.

    Example:
        >>> task = load("digits")
        >>> task.facts
        {'inputs': (1, 8, 8), 'classes': 10}
    """
    if isinstance(data, Task):
        return data
    if isinstance(data, str | Path) and (Path(data) / "task.json").is_file():
        return Task.load(data)
    folder = None if cache is None else Path(cache).expanduser()
    if memory is None and folder is not None:
        memory = 0
    settings = {
        "seed": seed,
        "name": name,
        "class_names": class_names,
        "fractions": fractions,
        "size": size,
        "skip_unreadable": skip_unreadable,
    }
    listing = _listed(data)
    ready = None
    if folder is not None and listing is not None:
        root = Path(data)  # type: ignore[arg-type]
        ready = folder / f"{root.resolve().name}-{folder_key(listing.files, root, settings)}"
        if (ready / "task.json").is_file():
            return Task.load(ready)
    try:
        with Storage(folder, memory, ready) as storage:
            source = _find(data, size, skip_unreadable, missing, storage, listing)
            task = _made(
                source,
                name=name,
                class_names=class_names,
                fractions=fractions,
                seed=seed,
                size=size,
                layout=layout,
                missing=missing,
                storage=storage,
            )
            if storage.folder is None:
                return task
            ready = ready or storage.folder.parent / f"{task.name}-{_digest(task)}"
            task.save(ready, building=storage.folder)
            return Task.load(ready)
    except Kept as kept:
        return Task.load(kept.folder)


def _made(source: _Source, **options: Any) -> Task:
    if "train" not in source.parts:
        raise TaskError(f"the data have {', '.join(source.parts)} but no train; expected 'train'")
    inputs, labels = source.parts["train"]
    storage: Storage = options["storage"]
    given = {part: x for part, (x, _) in source.parts.items() if hasattr(x, "nbytes")}
    size = sum(math.prod(x.shape) * (1 if x.dtype.itemsize == 1 else 4) for x in given.values())
    resident = not any(isinstance(x, np.memmap) for x in given.values())
    storage.need(size, "the inputs", resident=resident)
    known = {"name": source.name, "class_names": source.class_names, "layout": source.layout}
    return make_task(
        inputs,
        labels,
        valid=source.parts.get("valid"),
        test=source.parts.get("test"),
        notes=source.notes,
        encoding=source.encoding,
        **{**options, **{key: options[key] or value for key, value in known.items()}},
    )


def _digest(task: Task) -> str:
    """Identifies the data and how they are divided."""
    return sha256(repr((task.fingerprint, task.split)).encode()).hexdigest()[:16]


def _listed(data: object) -> Listing | None:
    """The files of a folder of images; ``None`` of other data."""
    if not isinstance(data, str | Path) or (isinstance(data, str) and data in BUNDLED):
        return None
    path = Path(data).expanduser()
    return list_folder(path) if path.is_dir() else None


def _find(data: object, size: int | tuple[int, int] | None, skip: bool) -> _Source:
    if isinstance(data, str) and data in BUNDLED:
        return _bundled(data)
    if isinstance(data, str | Path):
        return _path(data, size, skip)
    if isinstance(data, Mapping):
        if unknown := [key for key in data if key not in _PARTS]:
            raise TaskError(
                f"the data have the key {unknown[0]!r}; expected 'train', 'valid' and 'test'"
            )
        return _parts({_PARTS[key]: value for key, value in data.items()}, size)
    if isinstance(data, tuple) and len(data) == 2:
        if all(_is_pair(part) or is_dataset(part) for part in data):
            return _parts({"train": data[0], "test": data[1]}, size)
        return _parts({"train": data}, size)
    if is_dataset(data):
        return _parts({"train": data}, size)
    hint = ""
    if hasattr(data, "dataset") and is_dataset(data.dataset):
        hint = " (of a data loader, pass loader.dataset)"
    raise TaskError(f"data of type {type(data).__name__} arrived{hint}; expected {_ACCEPTED}")


def _is_pair(value: object) -> bool:
    """Tell whether a value is (inputs, labels), rather than inputs."""
    return isinstance(value, tuple) and len(value) == 2


def _parts(parts: Mapping[str, Any], size: int | tuple[int, int] | None) -> _Source:
    source = _Source("arrays", {})
    shape = (size, size) if isinstance(size, int) else size
    for part, value in parts.items():
        if _is_pair(value):
            source.parts[part] = value
        elif is_dataset(value):
            inputs, labels, layout = read_dataset(value, part=part, notes=source.notes, shape=shape)
            source.parts[part] = (inputs, labels)
            source.layout = source.layout or layout
            source.name = type(value).__name__
            source.class_names = source.class_names or class_names_of(value)
            if layout is not None and shape is None:
                shape = inputs.shape[2:]
        else:
            raise TaskError(
                f"{part} is a {type(value).__name__}; expected (inputs, labels) or a data set with "
                "len and [index] that gives (input, label)"
            )
    return source


def _path(data: str | Path, size: int | tuple[int, int] | None, skip: bool) -> _Source:
    path = Path(data).expanduser()
    if path.is_dir():
        folder = read_folder(path, size=size, skip_unreadable=skip)
        parts = {part: (found.inputs, found.labels) for part, found in folder.parts.items()}
        name = path.resolve().name
        return _Source(name, parts, folder.class_names, "NCHW", list(folder.notes))
    if path.is_file():
        if path.suffix.lower() == ".npz":
            return _npz(path)
        raise TaskError(f"{path} is a file of an unknown type; expected an .npz file or a folder")
    if isinstance(data, Path) or path.suffix or len(path.parts) > 1:
        raise TaskError(f"{path} does not exist; expected a folder of images or an .npz file")
    near = difflib.get_close_matches(path.name.lower(), BUNDLED, 1, 0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise TaskError(
        f"{data!r} is neither a path nor a known name; {hint}the names are {', '.join(BUNDLED)}"
    )


def _npz(path: Path) -> _Source:
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise TaskError(
            f"{path} cannot be read as an .npz file of plain arrays ({error})"
        ) from error
    parts = {
        part: (arrays[f"x_{part}"], arrays[f"y_{part}"])
        for part in ("train", "valid", "test")
        if f"x_{part}" in arrays and f"y_{part}" in arrays
    }
    if "X" in arrays and "y" in arrays:
        parts.setdefault("train", (arrays["X"], arrays["y"]))
    if "train" not in parts:
        raise TaskError(
            f"{path} holds {', '.join(arrays) or 'nothing'}; expected x_train, y_train, x_test and "
            "y_test, or X and y"
        )
    return _Source(path.stem, parts)


def _bundled(name: str) -> _Source:
    from sklearn import datasets  # takes most of a second, and only these names need it

    bunch = getattr(datasets, f"load_{name}")()
    if name == "digits":
        inputs = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    else:
        inputs = bunch.data.astype(np.float32)
    return _Source(name, {"train": (inputs, bunch.target)}, [str(n) for n in bunch.target_names])
