"""Loading data as a task: from a name, a path, arrays, tables or data sets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nasturtium.errors import TaskError
from nasturtium.task.array_storage import AlreadyCached, ArrayStorage, digest_files
from nasturtium.task.list_image_folder import FolderListing
from nasturtium.task.make_task import make_task
from nasturtium.task.read_data import (
    BUNDLED,
    DataReader,
    RawData,
    list_files,
    name_task,
    parse_path,
)
from nasturtium.task.task import Task
from nasturtium.task.wording import file_name

__all__ = ["BUNDLED", "load"]

_FORMAT = 2  # raised whenever images are decoded differently


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
    """Make a task of data; absent splits are divided off, stratified and seeded.

    Args:
        data: one of

            * the name of a data set of scikit-learn: ``"digits"`` (grey 8 x 8 images), or
              the vectors ``"breast_cancer"``, ``"iris"``, ``"wine"``;
            * a path to a folder: ``<class>/*.png``, or ``train/<class>/*.png`` with ``valid`` and
              ``test`` or without; or one that ``Task.save`` wrote;
            * a path to an ``.npz`` file of ``x_train``, ``y_train``, ``x_test``, ``y_test`` (and
              ``x_valid``, ``y_valid``), or of ``X``, ``y``;
            * ``(inputs, labels)``, NumPy or torch, or ``((inputs, labels), (inputs, labels))`` for
              training and test examples;
            * ``(table, labels)`` or ``(table, "column of the labels")`` of a pandas frame: numbers
              stay, booleans, texts and categories become one feature for each of their values
              (``task.encoding`` encodes new rows alike);
            * a map-style data set of (PIL image, tensor or array; label) pairs or of dictionaries
              with an image and a label; or two of them, for training and test examples;
            * a mapping with the keys ``train``, and ``valid`` or ``test`` or both, to pairs of
              arrays or data sets;
            * a task, which is returned as it is.
        seed: seed of the division.
        name: name of the task in messages and reports; the file's or the data set's if not given.
        class_names: names of the labels 0, 1, ...
        fractions: (valid, test): the share of all examples for the test set (0 for none), and the
            share of the remaining examples for the validation set, where they are not given.
        size: height and width to resize images to.
        layout: ``"NCHW"`` or ``"NHWC"`` where the shape of images is ambiguous; ``"NCL"`` or
            ``"NLC"`` for signals, which need a user-defined space.
        skip_unreadable: leave out image files that cannot be read, instead of raising.
        missing: treatment of missing values in tables and vectors: ``"error"``, or ``"median"`` to
            replace them by the median of the training examples (a missing category becomes zeros).
        cache: folder for data that do not fit in ``memory``: they are decoded, converted and
            divided in chunks and mapped from there, never held as a whole. A folder of images is
            decoded once: while its files and these settings stay the same, later calls open the
            cached task.
        memory: bytes that the inputs may take in memory. If not given, half of the machine's
            memory without ``cache``, and none with it, so that all inputs go to files. Arrays that
            are in memory already may stay there.

    Raises:
        TaskError: the data are not usable; the message says what to do.

    Example:
        >>> task = load("digits")
        >>> task.data_shapes
        {'inputs': (1, 8, 8), 'classes': 10}
    """
    if isinstance(data, Task):
        return data
    if size is not None and min((size, size) if isinstance(size, int) else size) < 1:
        raise TaskError(f"size={size} was given; expected a height and width of 1 or more")
    if isinstance(data, str | Path) and (parse_path(data) / "task.json").is_file():
        return Task.load(parse_path(data))
    folder = None if cache is None else Path(cache)
    if folder is not None and folder.parts[:1] == ("~",):
        folder = folder.expanduser()
    if memory is None and folder is not None:
        memory = 0
    options = {
        "layout": layout,
        "seed": seed,
        "name": name,
        "class_names": class_names,
        "fractions": fractions,
        "size": size,
    }
    listing = list_files(data)
    target = None
    if folder is not None and listing is not None:
        decoding = {**options, "format": _FORMAT, "skip_unreadable": skip_unreadable}
        target = folder / _cache_name(parse_path(data), listing, decoding)  # type: ignore[arg-type]
        if (cached := Task.open_cached(target)) is not None:
            return cached
    try:
        with ArrayStorage(folder, memory, target) as storage:
            reader = DataReader(size, skip_unreadable, missing == "median", storage, listing)
            task = _make_task(reader.read(data), storage, missing=missing, **options)
            if storage.folder is None:
                return task
            target = target or storage.folder.parent / f"{file_name(task.name)}-{task.digest}"
            task.save(target, building=storage.folder, replace=True)
            return Task.load(target)
    except AlreadyCached as cached:
        return Task.load(cached.folder)


def _cache_name(root: Path, listing: FolderListing, options: dict[str, Any]) -> str:
    """Return the name, in a cache, of the task of a folder of images."""
    key = digest_files(listing.files, root, {**options, "notes": listing.notes})
    return f"{file_name(name_task(root))}-{key}"


def _make_task(source: RawData, storage: ArrayStorage, **options: Any) -> Task:
    """Make the task after reserving the memory, or the room in the cache, for its inputs."""
    if "train" not in source.parts:
        raise TaskError(f"the data have {', '.join(source.parts)} but no train; expected 'train'")
    inputs, labels = source.parts["train"]
    arrays = [x for x, _ in source.parts.values() if hasattr(x, "itemsize")]
    size = sum(math.prod(x.shape) * (1 if x.itemsize == 1 else 4) for x in arrays)
    resident = not any(isinstance(x, np.memmap) for x in arrays)
    storage.reserve(size, "the inputs", resident=resident)
    known = {"name": source.name, "class_names": source.class_names, "layout": source.layout}
    return make_task(
        inputs,
        labels,
        valid=source.parts.get("valid"),
        test=source.parts.get("test"),
        notes=source.notes,
        encoding=source.encoding,
        storage=storage,
        **{**options, **{key: options[key] or value for key, value in known.items()}},
    )
