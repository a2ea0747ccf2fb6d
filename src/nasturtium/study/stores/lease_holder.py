"""The process that holds a lease, and whether it is still alive."""

from __future__ import annotations

import json
import math
import os
import platform
import secrets
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["LeaseRow", "PidNamespace", "describe_holder", "lease_problem", "process_start"]


class PidNamespace(NamedTuple):
    """One namespace of process numbers of one running kernel.

    Containers may share the name of a host and number their processes alike.

    Attributes:
        host: the name of the host.
        boot: identifies the kernel since its start; empty where the system has no such identity.
        namespace: of process numbers; empty where the system has none.
    """

    host: str
    boot: str = ""
    namespace: str = ""

    @staticmethod
    def current() -> PidNamespace:
        """Return the namespace of this process."""
        try:
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            return PidNamespace(platform.node(), boot, os.readlink("/proc/self/ns/pid"))
        except OSError:
            return PidNamespace(platform.node())


class LeaseRow(NamedTuple):
    """A lease as it is stored in the table; both values may be damaged."""

    holder: Any
    beat: Any

    @property
    def namespace(self) -> PidNamespace:
        """The namespace of the holder's process."""
        known = json.loads(self.holder)
        return PidNamespace(known["host"], known.get("boot", ""), known.get("namespace", ""))

    @property
    def pid(self) -> int:
        """The number of the holder's process in its namespace."""
        return int(json.loads(self.holder)["pid"])

    @property
    def alive(self) -> bool:
        """Whether the holder's process is alive; meaningful in its own namespace only."""
        start = json.loads(self.holder)["started"]
        return start is not None and process_start(self.pid) == start


def describe_holder(namespace: PidNamespace) -> str:
    """Return the text that identifies this process, and this lease, in the table."""
    return json.dumps(
        {
            **namespace._asdict(),
            "pid": os.getpid(),
            "started": process_start(os.getpid()),
            "token": secrets.token_hex(8),
        }
    )


def lease_problem(row: tuple[Any, Any]) -> str | None:
    """Return what is wrong with a row of the table of leases; ``None`` where it is valid.

    Args:
        row: its holder and its beat.

    Example:
        >>> lease_problem(('{"host": "node1", "pid": 7, "started": "812"}', 1.5))
        >>> lease_problem(("node1", 1.5))
        "its holder is 'node1', expected a JSON object"
    """
    holder, beat = row
    try:
        known = json.loads(holder)
    except (TypeError, ValueError, RecursionError):
        known = None
    if not isinstance(known, dict):
        return f"its holder is {str(holder)[:40]!r}, expected a JSON object"
    pid = known.get("pid")
    if not isinstance(pid, int) or isinstance(pid, bool):
        return f"its holder has pid {str(pid)[:40]!r}, expected a number"
    for key in ("host", "boot", "namespace"):
        if not isinstance(known.get(key, None if key == "host" else ""), str):
            return f"its holder has {key} {str(known.get(key))[:40]!r}, expected a text"
    if not isinstance(known.get("started", 0), (str, type(None))):
        return f"its holder has started {str(known.get('started'))[:40]!r}, expected a text"
    number = isinstance(beat, (int, float)) and not isinstance(beat, bool)
    if not number or not math.isfinite(beat):
        return f"its beat is {str(beat)[:40]!r}, expected a number"
    return None


def process_start(pid: int) -> str | None:
    """Return when a process of this machine started, as text; ``None`` if it is not alive."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except (OSError, IndexError):
        pass
    if Path("/proc/self/stat").exists():
        return None
    import subprocess

    output = subprocess.run(
        ["ps", "-o", "lstart=,stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return None if not output or output.split()[-1].startswith("Z") else output.rsplit(" ", 1)[0]
