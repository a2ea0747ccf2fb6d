"""The power meter, on made-up counters and a made-up nvidia-smi."""

from __future__ import annotations

import sys

import pytest

from nasturtium.retraining import energy
from nasturtium.retraining.energy import Meter


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test moves on."""
    now = [100.0]
    monkeypatch.setattr(energy.time, "monotonic", lambda: now[0])
    return now


def zone(folder, name, energy, most=1_000_000_000):
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "energy_uj").write_text(f"{energy}\n")
    (folder / "max_energy_range_uj").write_text(f"{most}\n")
    return folder


def test_packages_are_added_and_a_counter_may_go_round(tmp_path, clock):
    first = zone(tmp_path / "intel-rapl:0", "package-0", 0)
    second = zone(tmp_path / "intel-rapl:1", "package-1", 990_000_000)
    zone(tmp_path / "intel-rapl:0:0", "core", 0)
    meter = Meter(tmp_path, ("no-such-command",))
    clock[0] += 10
    (first / "energy_uj").write_text("300000000")  # 300 J
    (second / "energy_uj").write_text("90000000")  # 10 J, then 90 J after going round
    meter.sample()
    assert meter.watts == pytest.approx(40.0)
    assert meter.source == "RAPL, processor packages"


def test_gpus_are_asked_now_and_then(tmp_path, clock):
    meter = Meter(tmp_path, (sys.executable, "-c", "print('70.5\\n29.5')"))
    for _ in range(3):
        meter.sample()
        clock[0] += 5
    assert meter.watts == pytest.approx(100.0)
    assert meter.source == "nvidia-smi, GPUs"


def test_without_a_reading_there_is_no_number_and_it_is_said(tmp_path, clock):
    meter = Meter(tmp_path, (sys.executable, "-c", "print('[N/A]')"))
    clock[0] += 10
    meter.sample()
    assert meter.watts is None
    assert "nothing here measures power" in meter.source


def test_a_moment_is_too_short(tmp_path, clock):
    zone(tmp_path / "intel-rapl:0", "package-0", 0)
    meter = Meter(tmp_path, ("no-such-command",))
    meter.sample()
    assert meter.watts is None
    assert "too short" in meter.source


def test_a_counter_that_may_not_be_read_is_no_counter(tmp_path):
    folder = zone(tmp_path / "intel-rapl:0", "package-0", 0)
    (folder / "energy_uj").unlink()
    assert "no RAPL counters" in Meter(tmp_path, ("no-such-command",)).source
