"""Power of this machine, where something measures it.

Processors: the RAPL counters of Intel and AMD under ``/sys/class/powercap``, for whole packages.
GPUs: NVIDIA's management library, every few seconds, by the package ``nvidia-ml-py`` (the extra
``nasturtium[energy]``). Everything else is not included (memory outside the package, disks, fans,
losses of the power supply). If neither can be read, the power is unknown.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import final

import torch

__all__ = ["PowerMeter"]

POWERCAP = Path("/sys/class/powercap")
INTERVAL = 5.0  # seconds between two readings
SHORTEST = 2.0  # seconds that a mean needs
EXTRA = "GPUs need the extra nasturtium[energy]"


@final
class PowerMeter:
    """Measures mean power from its creation to its last :meth:`sample`.

    Args:
        powercap: the folder of the counters of processor packages.
    """

    def __init__(self, powercap: Path = POWERCAP) -> None:
        packages = [
            zone for zone in sorted(powercap.glob("*:*")) if _name(zone).startswith("package")
        ]
        counters = ((zone, _joules(zone, "energy_uj")) for zone in packages)
        self._counters = {zone: joules for zone, joules in counters if joules is not None}
        self._joules = 0.0
        self._gpu_watts = _open_gpus()
        self._readings: list[float] = []
        self._start = self._last = self._next = time.monotonic()

    def sample(self) -> None:
        """Read the counters, at most once in five seconds."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + INTERVAL
        self._last = now
        for zone, before in self._counters.items():
            after = _joules(zone, "energy_uj")
            if after is None:
                continue
            used = after - before
            if used < 0:  # the counter restarted at zero
                used += _joules(zone, "max_energy_range_uj") or 0.0
            self._joules += max(0.0, used)
            self._counters[zone] = after
        watts = None if self._gpu_watts is None else self._gpu_watts()
        if watts is None:
            self._gpu_watts = None
        else:
            self._readings.append(watts)

    @property
    def watts(self) -> float | None:
        """Mean power in watts; ``None`` if nothing measures it, or after less than two seconds."""
        seconds = self._last - self._start
        if seconds < SHORTEST or not (self._counters or self._readings):
            return None
        mean = sum(self._readings) / len(self._readings) if self._readings else 0.0
        return self._joules / seconds + mean

    @property
    def source(self) -> str:
        """The source of the power reading, or the reason why it is unknown."""
        sources = ["RAPL, processor packages"] if self._counters else []
        sources += ["NVML, GPUs"] if self._readings else []
        missing = [EXTRA] if not find_spec("pynvml") and torch.cuda.is_available() else []
        text = "; ".join([*(sources or ["no readable RAPL counters"]), *missing])
        if not sources:
            return f"nothing measures power here ({text})"
        if self.watts is None:
            return f"trainings were too short to measure their power ({text})"
        return text


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


def _open_gpus() -> Callable[[], float | None] | None:
    """Return a function that reads the watts of all GPUs; ``None`` if there is no library or GPU.

    The function returns ``None`` if a GPU does not report its power.
    """
    try:
        nvml = import_module("pynvml")
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
        gpus = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError:  # no driver
        return None

    def read() -> float | None:
        try:
            return float(sum(nvml.nvmlDeviceGetPowerUsage(gpu) for gpu in gpus)) / 1000
        except nvml.NVMLError:
            return None

    return read if gpus else None
