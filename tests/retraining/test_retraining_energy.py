"""The power meter, with made-up counters and a made-up library of NVIDIA."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from nasturtium.retraining import energy
from nasturtium.retraining.energy import PowerMeter


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that a test sets."""
    now = [100.0]
    monkeypatch.setattr(energy.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture(autouse=True)
def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    use_library(monkeypatch, None)


def use_library(monkeypatch: pytest.MonkeyPatch, library: Any, gpu: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setitem(sys.modules, "pynvml", library)
    monkeypatch.setattr(energy, "find_spec", lambda name: library)


class NVMLError(Exception):
    pass


def fails(*_: object) -> Any:
    raise NVMLError


def library_of(*milliwatts: int, **changed: Any) -> SimpleNamespace:
    functions: dict[str, Any] = {
        "NVMLError": NVMLError,
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: len(milliwatts),
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetPowerUsage": lambda gpu: milliwatts[gpu],
    }
    return SimpleNamespace(**{**functions, **changed})


def zone(folder: Path, name: str, energy: int, most: int = 1_000_000_000) -> Path:
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{energy}\n")
    (folder / "max_energy_range_uj").write_text(f"{most}\n")
    return folder


def test_packages_are_added_and_a_counter_may_restart(tmp_path: Path, clock: list[float]) -> None:
    first = zone(tmp_path / "intel-rapl:0", "package-0", 0)
    second = zone(tmp_path / "intel-rapl:1", "package-1", 990_000_000)
    zone(tmp_path / "intel-rapl:0:0", "core", 0)
    meter = PowerMeter(tmp_path)
    clock[0] += 10
    (first / "energy_uj").write_text("300000000")  # 300 J
    (second / "energy_uj").write_text("90000000")  # 10 J, then 90 J after the restart
    meter.sample()
    assert meter.watts == pytest.approx(40.0)
    assert meter.source == "RAPL, processor packages"


def test_gpus_are_read_every_five_seconds(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_library(monkeypatch, library_of(70_500, 29_500))
    meter = PowerMeter(tmp_path)
    for _ in range(3):
        meter.sample()
        clock[0] += 5
    assert meter.watts == pytest.approx(100.0)
    assert meter.source == "NVML, GPUs"


@pytest.mark.parametrize(
    "library",
    [library_of(), library_of(1, nvmlInit=fails), library_of(1, nvmlDeviceGetPowerUsage=fails)],
)
def test_gpus_that_report_no_power_are_left_out(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch, library: Any
) -> None:
    use_library(monkeypatch, library)
    meter = PowerMeter(tmp_path)
    clock[0] += 10
    meter.sample()
    assert meter.watts is None
    assert meter.source == "nothing measures power here (no readable RAPL counters)"


def test_without_the_library_the_extra_is_named(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_library(monkeypatch, None, gpu=True)
    meter = PowerMeter(tmp_path)
    clock[0] += 10
    meter.sample()
    assert meter.watts is None
    assert meter.source.endswith("counters; GPUs need the extra nasturtium[energy])")


def test_less_than_two_seconds_are_too_short(tmp_path: Path, clock: list[float]) -> None:
    zone(tmp_path / "intel-rapl:0", "package-0", 0)
    meter = PowerMeter(tmp_path)
    meter.sample()
    assert meter.watts is None
    assert "too short" in meter.source


def test_a_counter_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    folder = zone(tmp_path / "intel-rapl:0", "package-0", 0)
    (folder / "energy_uj").unlink()
    assert "no readable RAPL counters" in PowerMeter(tmp_path).source
