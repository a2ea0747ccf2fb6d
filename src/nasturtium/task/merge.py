"""A task whose validation examples are trained on as well."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from nasturtium.task.storage import Kept, Storage, mapped_file, spans
from nasturtium.task.task import Split, Task
from nasturtium.task.wording import file_name

__all__ = ["joined"]


def joined(task: Task, cache: Path | None = None, memory: int | None = None) -> Task:
    """Return the task with the validation examples among the training ones.

    Args:
        task: the task; its validation examples stay what they are, too.
        cache: folder for mapped inputs that are too large for the memory: they are joined in files
            there, once.
        memory: bytes that the inputs may take; half of the machine's memory if not given.
    """
    parts = (task.train, task.valid)
    labels = np.concatenate([np.asarray(part.labels) for part in parts])
    size = sum(part.inputs.nbytes for part in parts)
    if cache is None or mapped_file(task.train.inputs) is None:
        cache = None
        folder = None
    else:
        folder = cache / f"{file_name(task.name)}-{task.digest}-whole"
        if (kept := Task.kept(folder)) is not None:
            return kept
    try:
        with Storage(cache, memory, folder) as storage:
            storage.need(size, "training and validation inputs together", resident=True)
            inputs = storage.empty("joined", (len(labels), *task.inputs), task.train.inputs.dtype)
            start = 0
            for part in parts:
                for span in spans(len(part), task.inputs):
                    inputs[start + span.start : start + span.stop] = part.inputs[span]
                start += len(part)
            whole = replace(task, train=Split(inputs, labels))
            if storage.folder is None or folder is None:
                return whole
            whole.save(folder, building=storage.folder, replace=True)
            return Task.load(folder)
    except Kept as kept:
        return Task.load(kept.folder)
