"""The first event of a study: what it is, with everything needed to make it again."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nasturtium.errors import StoreError
from nasturtium.space.base import Space
from nasturtium.study.estimator import Estimator
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Objective
from nasturtium.task.task import Task
from nasturtium.train.recipe import Recipe

__all__ = ["changed", "lasting", "manifest_of", "part_of"]

FORMAT = 1
# What makes a study another study; budgets, machine and versions may change on the way.
IDENTITY = (
    "seed",
    "data",
    "space",
    "strategy",
    "estimator",
    "recipe",
    "objectives",
    "within",
    "control",
    "ordered",
)
SAYABLE = (str, int, float, bool, type(None))


def manifest_of(
    task: Task,
    space: Space,
    strategy: Strategy,
    estimator: Estimator,
    objectives: tuple[Objective, ...],
    within: tuple[Objective, ...],
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
        "strategy": lasting(part_of(strategy)),
        "estimator": lasting(part_of(estimator)),
        "recipe": recipe.to_json(),
        "objectives": [objective.to_json() for objective in objectives],
        "within": [bound.to_json() for bound in within],
        "control": control,
        "ordered": ordered,
        "call": _call(given),
        "versions": versions(),
        "machine": machine(),
        "commit": commit(),
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
    """The arguments of the call as text; "?" where one is an object that no text names."""

    def text(value: Any) -> Any:
        if isinstance(value, SAYABLE):
            return value
        if isinstance(value, Path):
            return str(value)
        if isinstance(value, Objective):
            return str(value) if value.bound is not None else f"{value.goal}:{value.metric}"
        if isinstance(value, (list, tuple)) and all(isinstance(v, (str, Objective)) for v in value):
            return [text(one) for one in value]
        return "?"

    skipped = ("watch", "store", "name", "executor", "numerics")
    call = {name: text(value) for name, value in given.items() if name not in skipped}
    if isinstance(call["data"], str) and Path(call["data"]).exists():
        call["data"] = str(Path(call["data"]).resolve())
    for name in ("space", "recipe", "strategy", "estimator"):
        file, mark, rest = str(call.get(name)).partition(".py:")
        if mark and Path(file + ".py").is_file():
            call[name] = f"{Path(file + '.py').resolve()}:{rest}"
    return call


def changed(before: Mapping[str, Any], now: Mapping[str, Any], name: str) -> None:
    """Refuse to go on with a study under other settings.

    Raises:
        StoreError: names what differs, and both values.
    """
    import json

    for entry in IDENTITY:
        old = json.loads(json.dumps(before.get(entry)))
        new = json.loads(json.dumps(now[entry]))
        for facts in (old, new) if entry == "data" else ():
            if isinstance(facts, dict):  # notes only say in words how the data were read
                facts.pop("notes", None)
        if old == new:
            continue
        was, become = old, new
        if isinstance(old, dict) and isinstance(new, dict):
            keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
            was = {key: old.get(key) for key in keys}
            become = {key: new.get(key) for key in keys}
        raise StoreError(
            f"study {name!r} exists with another {entry}: it has {_shown(was)}, this call has "
            f"{_shown(become)}; give another name, or the old settings to go on with it"
        )


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 160 else text[:157] + "..."


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
    from nasturtium.run.executor import cores

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
    """The commit of the git repository that one works in, with a plus where it is changed."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words], capture_output=True, text=True, timeout=5, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        head = git("rev-parse", "HEAD")
        return (head + ("+" if git("status", "--porcelain", "-uno") else "")) if head else None
    except (OSError, subprocess.SubprocessError):
        return None
