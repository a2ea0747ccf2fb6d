"""The versions of packages, the machine and the commit that results depend on."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nasturtium.execute.base import count_cores

__all__ = ["current_commit", "describe_machine", "package_versions"]

PACKAGES = ("nasturtium", "torch", "numpy", "scikit-learn", "SQLAlchemy")


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that compute the results."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def describe_machine() -> dict[str, Any]:
    """Return the system, the processor, the cores that may be used, and the CUDA device if any."""
    found: dict[str, Any] = {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": count_cores(),
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


def current_commit() -> str | None:
    """Return the commit of the current git repository, with a plus if files were changed.

    A repository that defines filters is not asked for its status, since filters are programs that
    git would run; it counts as changed.
    """

    def git(*words: str) -> str:
        # A repository's own settings may name programs; these options keep git from running them.
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
