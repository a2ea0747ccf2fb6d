"""The first event of a study: what it is, with everything needed to make it again."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nasturtium.atomic_write import present
from nasturtium.errors import StoreError
from nasturtium.study.objective import Objective
from nasturtium.task.duplicates import duplicates

if TYPE_CHECKING:
    from nasturtium.space.base import Space
    from nasturtium.study.estimator import Estimator
    from nasturtium.study.strategy import Strategy
    from nasturtium.task.task import Task
    from nasturtium.train.recipe import Recipe

__all__ = ["changed", "lasting", "manifest_of", "of_examples", "part_of"]

FORMAT = 2
UNSAID = "?"  # stands in a manifest's call for an object that no text names
# What makes a study another study; budgets, machine and versions may change on the way.
IDENTITY = (
    "seed",
    "data",
    "space",
    "strategy",
    "estimator",
    "recipe",
    "objectives",
    "constraints",
    "control",
    "ordered",
)
IMPLIED = ("space.fingerprint", "space.decisions")  # by the decisions that changed
LACKS = "not set"
SHOWN = 8  # settings that differ which are listed
ASKED = 200  # decisions that a manifest lists
SAYABLE = (str, int, float, bool, type(None))


def manifest_of(
    task: Task,
    space: Space,
    strategy: Strategy,
    estimator: Estimator,
    objectives: tuple[Objective, ...],
    constraints: tuple[Objective, ...],
    given: Mapping[str, Any],
    recipe: Recipe,
    seed: int,
    control: float,
    ordered: bool,
) -> dict[str, Any]:
    """The manifest's entries that do not depend on measurements."""
    return {
        "format": FORMAT,
        "seed": seed,
        "data": {
            "name": task.name,
            "fingerprint": task.fingerprint,
            "inputs": list(task.inputs),
            "classes": task.classes,
            "examples": {name: len(split) for name, split in task.splits.items()},
            "split": task.split.to_json(),
            "notes": list(task.notes),
        },
        "space": lasting(dict(space.describe())),
        "decisions": decisions_of(space),
        "strategy": lasting(part_of(strategy)),
        "estimator": lasting(part_of(estimator)),
        "recipe": recipe.to_json(),
        "objectives": [objective.to_json() for objective in objectives],
        "constraints": [bound.to_json() for bound in constraints],
        "control": control,
        "ordered": ordered,
        "call": _call(given),
        "versions": versions(),
        "machine": machine(),
        "commit": commit(),
    }


def of_examples(task: Task) -> dict[str, Any]:
    """What is counted in the examples, once for a study: copies between splits, and chance level.

    ``chance`` is what guessing the most frequent class scores on the validation examples.
    """
    counts = np.bincount(task.valid.labels, minlength=task.classes)
    return {
        "duplicates": duplicates(task),
        "chance": {
            "accuracy": round(float(counts.max() / counts.sum()), 6),
            "balanced_accuracy": round(1 / task.classes, 6),
        },
    }


def part_of(part: object) -> Any:
    """A strategy or estimator as plain JSON: its class and the arguments it stores."""
    if isinstance(part, (str, int, float, bool, type(None))):
        return part
    if isinstance(part, (list, tuple)):
        return [part_of(one) for one in part]
    if isinstance(part, Path):
        return str(part)
    to_json = getattr(part, "to_json", None)
    if callable(to_json):
        return to_json()
    if isinstance(part, Mapping):
        return f"a mapping of {len(part)}"
    if callable(part) and hasattr(part, "__qualname__"):
        return f"{part.__module__}.{part.__qualname__}"
    arguments = {
        name: part_of(value)
        for name, value in sorted(getattr(part, "__dict__", {}).items())
        if not name.startswith("_")
    }
    return {"name": type(part).__qualname__, **arguments}


def lasting(value: Any) -> Any:
    """Without the addresses of objects in texts, which are others in every run."""
    if isinstance(value, str):
        return re.sub(r" at 0x[0-9a-fA-F]+", "", value)
    if isinstance(value, Mapping):
        return {key: lasting(one) for key, one in value.items()}
    return [lasting(one) for one in value] if isinstance(value, (list, tuple)) else value


def _call(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the call as text; ``UNSAID`` for an object that no text names."""

    def text(value: Any) -> Any:
        if isinstance(value, SAYABLE):
            return value
        if isinstance(value, Path):
            return str(value)
        if isinstance(value, Objective):
            return str(value) if value.bound is not None else f"{value.goal}:{value.metric}"
        if isinstance(value, (list, tuple)) and all(isinstance(v, (str, Objective)) for v in value):
            return [text(one) for one in value]
        return UNSAID

    skipped = ("progress", "watch", "store", "name", "executor", "numerics")
    call = {name: text(value) for name, value in given.items() if name not in skipped}
    if isinstance(call["data"], str) and present(Path(call["data"])):
        call["data"] = str(Path(call["data"]).resolve())
    for name in ("space", "recipe", "strategy", "estimator"):
        file, mark, rest = str(call.get(name)).partition(".py:")
        if mark and present(Path(file + ".py")):
            call[name] = f"{Path(file + '.py').resolve()}:{rest}"
    return call


def decisions_of(space: Space) -> dict[str, str] | None:
    """What a space asks, so that a change of it can be named; the first two hundred decisions.

    ``None`` where a space does not say.
    """
    discover = getattr(space, "discover", None)
    if not callable(discover):
        return None
    asked = list(discover())[:ASKED]
    return {one.name: lasting(_cut(one.options_text(), 200)) for one in asked}


def changed(before: Mapping[str, Any], now: Mapping[str, Any], name: str) -> None:
    """Refuse to go on with a study under other settings.

    Raises:
        StoreError: names each setting that differs, and both values.
    """
    import json

    old, new = (
        json.loads(json.dumps({key: of.get(key) for key in IDENTITY})) for of in (before, now)
    )
    for facts in (old["data"], new["data"]):
        if isinstance(facts, dict):  # notes only say in words how the data were read
            facts.pop("notes", None)
    if old == new:
        return
    found = dict(_leaves("", old, new))
    for path, values in list(found.items()):  # an estimator holds the recipe as well
        for other in [one for one in found if one.endswith(f".{path}")]:
            if found[other] == values:
                del found[other]
    lines = [f"{path}: {was}, now {become}" for path, (was, become) in found.items()]
    if "space.fingerprint" in found:
        told = _asked(before.get("decisions"), now.get("decisions"))
        lines = told + [line for line in lines if not line.startswith(IMPLIED)]
    entries = dict.fromkeys(path.partition(".")[0] for path in found)
    more = f"; and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    raise StoreError(
        f"study {name!r} exists with another {' and another '.join(entries)} "
        f"({'; '.join(lines[:SHOWN])}{more}); give another name, or the old settings to go on with "
        "it"
    )


def _leaves(path: str, old: Any, new: Any) -> Iterator[tuple[str, tuple[str, str]]]:
    """The settings that differ, by their paths, with both values."""
    if old == new:
        return
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        old, new = (dict(enumerate(one)) for one in (old, new))
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            inner = (
                f"{path}.{key}" if path else str(key),
                old.get(key, LACKS),
                new.get(key, LACKS),
            )
            yield from _leaves(*inner)
        return
    was, become = (one if one is LACKS else _cut(repr(one), 80) for one in (old, new))
    yield path, (was, become)


def _asked(old: Any, new: Any) -> list[str]:
    """Which decisions of a space changed, in words."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return ["its builder asks for other decisions"]
    lines = []
    for name in {**old, **new}:
        if name not in old:
            lines.append(f"decision {name!r} is new")
        elif name not in new:
            lines.append(f"decision {name!r} is gone")
        elif old[name] != new[name]:
            lines.append(f"decision {name!r}: {old[name]}, now {new[name]}")
    return lines or ["the code of its builder asks for something else, or in another order"]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def versions() -> dict[str, str]:
    """Versions of what computes the results."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for package in ("nasturtium", "torch", "numpy", "scikit-learn", "SQLAlchemy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """The machine, in words."""
    from nasturtium.execute.executor import cores

    found: dict[str, Any] = {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": cores(),
    }
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        found["device"] = torch.cuda.get_device_name(0)
    return found


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def commit() -> str | None:
    """The commit of the git repository that one works in, with a plus where it is changed.

    A repository with filters of its own, which are programs, is not asked and counts as changed.
    """

    def git(*words: str) -> str:
        # A repository's own settings may name programs that git runs; none does.
        safe = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
        done = subprocess.run(
            ["git", *safe, *words],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=5,
            check=False,
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        head = git("rev-parse", "HEAD")
        if not head:
            return None
        filters = git("config", "--local", "--includes", "--get-regexp", r"^filter\.")
        status = ("status", "--porcelain", "-uno", "--ignore-submodules=all")
        return head + ("+" if filters or git(*status) else "")
    except (OSError, subprocess.SubprocessError):
        return None
