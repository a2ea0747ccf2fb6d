"""Make a task of whatever holds the data: a name, a path, arrays, tables or data sets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nasturtium.errors import TaskError
from nasturtium.task.make import make_task
from nasturtium.task.read import BUNDLED, Given, Reader, listed, path_of, titled
from nasturtium.task.storage import Kept, Storage, folder_key
from nasturtium.task.task import Task
from nasturtium.task.wording import file_name

__all__ = ["BUNDLED", "load"]

_FORMAT = 2  # to be raised when the same images are decoded otherwise than before


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
            * ``(table, labels)`` or ``(table, "column of the labels")`` of a pandas frame: numbers
              stay, booleans, texts and categories become one feature for each of their values
              (``task.encoding`` does the same to new rows);
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
        layout: ``"NCHW"`` or ``"NHWC"`` where the shape of images does not tell; ``"NCL"`` or
            ``"NLC"`` for signals, which need a space of one's own.
        skip_unreadable: leave image files that cannot be read out instead of raising.
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
    if size is not None and min((size, size) if isinstance(size, int) else size) < 1:
        raise TaskError(f"size={size} was given; expected a height and width of 1 or more")
    if isinstance(data, str | Path) and (path_of(data) / "task.json").is_file():
        return Task.load(path_of(data))
    folder = None if cache is None else Path(cache)
    if folder is not None and folder.parts[:1] == ("~",):
        folder = folder.expanduser()
    if memory is None and folder is not None:
        memory = 0
    settings = {
        "format": _FORMAT,
        "layout": layout,
        "seed": seed,
        "name": name,
        "class_names": class_names,
        "fractions": fractions,
        "size": size,
        "skip_unreadable": skip_unreadable,
    }
    listing = listed(data)
    ready = None
    if folder is not None and listing is not None:
        root = path_of(data)  # type: ignore[arg-type]
        key = folder_key(listing.files, root, {**settings, "notes": listing.notes})
        ready = folder / f"{file_name(titled(root))}-{key}"
        if (kept := Task.kept(ready)) is not None:
            return kept
    try:
        with Storage(folder, memory, ready) as storage:
            source = Reader(size, skip_unreadable, missing == "median", storage, listing).find(data)
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
            ready = ready or storage.folder.parent / f"{file_name(task.name)}-{task.digest}"
            task.save(ready, building=storage.folder, replace=True)
            return Task.load(ready)
    except Kept as kept:
        return Task.load(kept.folder)


def _made(source: Given, **options: Any) -> Task:
    """Make the task, once it is known how large the inputs are."""
    if "train" not in source.parts:
        raise TaskError(f"the data have {', '.join(source.parts)} but no train; expected 'train'")
    inputs, labels = source.parts["train"]
    storage: Storage = options["storage"]
    given = {part: x for part, (x, _) in source.parts.items() if hasattr(x, "itemsize")}
    size = sum(math.prod(x.shape) * (1 if x.itemsize == 1 else 4) for x in given.values())
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
