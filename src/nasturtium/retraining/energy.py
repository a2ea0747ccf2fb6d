"""Power drawn by this machine, where something measures it.

Processors: Intel's and AMD's RAPL counters under ``/sys/class/powercap``, of whole packages.
GPUs: what ``nvidia-smi`` says, once every few seconds. What neither covers (memory outside of the
package, disks, fans, the supply's losses) is not in the number, and where neither can be read
there is no number.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import final

__all__ = ["Meter"]

POWERCAP = Path("/sys/class/powercap")
SMI = ("nvidia-smi", "--query-gpu=power.draw", "--format=csv,noheader,nounits")
EVERY = 5.0  # seconds between two readings of the GPUs
SHORTEST = 2.0  # seconds over which a mean says something


@final
class Meter:
    """Mean power from its making to its last :meth:`sample`.

    Args:
        powercap: where the counters of processor packages are.
        smi: the command that prints each GPU's watts, one a line.
    """

    def __init__(self, powercap: Path = POWERCAP, smi: tuple[str, ...] = SMI) -> None:
        self._smi = smi
        self._packages = [
            zone for zone in sorted(powercap.glob("*:*")) if _name(zone).startswith("package")
        ]
        self._before = {zone: _joules(zone, "energy_uj") for zone in self._packages}
        self._packages = [zone for zone in self._packages if self._before[zone] is not None]
        self._joules = 0.0
        self._readings: list[float] = []
        self._start = self._last = time.monotonic()
        self._next = self._start
        self._gpus = True

    def sample(self) -> None:
        """Read what there is; costs nothing when called often."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY
        self._last = now
        for zone in self._packages:
            after, before = _joules(zone, "energy_uj"), self._before[zone]
            if after is None or before is None:
                continue
            gone = after - before
            if gone < 0:  # the counter went round
                gone += _joules(zone, "max_energy_range_uj") or 0.0
            self._joules += max(0.0, gone)
            self._before[zone] = after
        if self._gpus:
            watts = _gpu_watts(self._smi)
            self._gpus = watts is not None
            if watts is not None:
                self._readings.append(watts)

    @property
    def watts(self) -> float | None:
        """Mean power in watts; ``None`` where nothing measures it, or too little time went by."""
        seconds = self._last - self._start
        if seconds < SHORTEST or not (self._packages or self._readings):
            return None
        mean = sum(self._readings) / len(self._readings) if self._readings else 0.0
        return self._joules / seconds + mean

    @property
    def source(self) -> str:
        """What was read; or why there is no number."""
        read = ["RAPL, processor packages"] if self._packages else []
        read += ["nvidia-smi, GPUs"] if self._readings else []
        if not read:
            return "nothing here measures power (no RAPL counters that may be read, no nvidia-smi)"
        if self.watts is None:
            return f"trainings were too short to read their power ({'; '.join(read)})"
        return "; ".join(read)


def _name(zone: Path) -> str:
    try:
        return (zone / "name").read_text().strip()
    except OSError:
        return ""


def _joules(zone: Path, counter: str) -> float | None:
    try:
        return int((zone / counter).read_text()) / 1e6
    except (OSError, ValueError):
        return None


def _gpu_watts(command: tuple[str, ...]) -> float | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
        return sum(float(line) for line in done.stdout.split())
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
