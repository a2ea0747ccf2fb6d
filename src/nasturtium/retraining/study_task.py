"""The data of a study, given again or read again."""

from __future__ import annotations

from typing import Any

from nasturtium.errors import StrategyError
from nasturtium.run.load_options import parse_load_options
from nasturtium.study.study import Study
from nasturtium.task.array_storage import memory_budget
from nasturtium.task.load import load
from nasturtium.task.task import Task

__all__ = ["load_study_task"]


def load_study_task(study: Study, data: Any = None) -> Task:
    """Return the data of a study: the given ones, those in memory, or those read again.

    Args:
        study: the study.
        data: the data, if the study was made from objects.

    Raises:
        StrategyError: the data cannot be read again, or are not those of the search.
    """
    call = study.manifest.get("call", {})
    if data is None:
        data = study.task
    if data is None:
        if call.get("data", "?") == "?":
            raise StrategyError(
                f"study {study.name!r} was made from objects, not from a path; pass them again as "
                "data=..."
            )
        data = call["data"]
    if isinstance(data, Task):
        task = data
    else:
        cache = None if study.files is None else study.files.tasks
        options = parse_load_options(call.get("load"))
        seed = call.get("split_seed", study.seed)
        task = load(data, seed=seed, cache=cache, memory=memory_budget(), **options)
    known = study.manifest.get("data", {}).get("fingerprint")
    if known is not None and known != task.fingerprint:
        raise StrategyError(
            f"the data ({task.name}, fingerprint {task.fingerprint[:12]}…) are not those of study "
            f"{study.name!r} (fingerprint {known[:12]}…); pass the data of the search"
        )
    return task
