"""Merging the training and the validation examples of a task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from nasturtium.task.array_storage import (
    AlreadyCached,
    ArrayStorage,
    chunk_slices,
    find_mapped_file,
)
from nasturtium.task.task import Split, Task
from nasturtium.task.wording import file_name

__all__ = ["merge_train_and_valid"]


def merge_train_and_valid(task: Task, cache: Path | None = None, memory: int | None = None) -> Task:
    """Return the task with the validation examples added to the training examples.

    Args:
        task: the task; its validation examples stay as well.
        cache: folder for mapped inputs that do not fit in memory: they are merged into files
            there, once.
        memory: bytes that the inputs may take; half of the machine's memory if not given.
    """
    parts = (task.train, task.valid)
    labels = np.concatenate([np.asarray(part.labels) for part in parts])
    size = sum(part.inputs.nbytes for part in parts)
    if cache is None or find_mapped_file(task.train.inputs) is None:
        cache = None
        folder = None
    else:
        folder = cache / f"{file_name(task.name)}-{task.digest}-whole"
        if (cached := Task.open_cached(folder)) is not None:
            return cached
    try:
        with ArrayStorage(cache, memory, folder) as storage:
            storage.reserve(size, "training and validation inputs together", resident=True)
            inputs = storage.empty("joined", (len(labels), *task.inputs), task.train.inputs.dtype)
            start = 0
            for part in parts:
                for span in chunk_slices(len(part), task.inputs):
                    inputs[start + span.start : start + span.stop] = part.inputs[span]
                start += len(part)
            merged = replace(task, train=Split(inputs, labels))
            if storage.folder is None or folder is None:
                return merged
            merged.save(folder, building=storage.folder, replace=True)
            return Task.load(folder)
    except AlreadyCached as cached:
        return Task.load(cached.folder)
