from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from nasturtium.cost import measurement_lock
from nasturtium.cost.latency import measure
from nasturtium.cost.measurement_lock import exclusive_measurement, training_turn


@pytest.fixture(autouse=True)
def own_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(measurement_lock, "EVERY", 0.01)


def test_a_measurement_pauses_running_trainings() -> None:
    measuring, beside, ended = threading.Event(), [], threading.Event()

    def train() -> None:
        with training_turn() as turn:
            while not ended.is_set():
                turn.pause_for_measurements()
                if measuring.is_set():
                    beside.append(time.monotonic())
                time.sleep(0.002)

    crew = [threading.Thread(target=train) for _ in range(2)]
    for one in crew:
        one.start()
    spans = []
    for _ in range(3):
        begin = time.monotonic()
        with exclusive_measurement() as quiet:
            measuring.set()
            time.sleep(0.05)
            measuring.clear()
        spans.append(time.monotonic() - begin)
        assert quiet.exclusive
    ended.set()
    for one in crew:
        one.join()
    assert beside == []
    assert max(spans) < 10  # waits for a step, not for a training


def test_measurements_take_turns() -> None:
    inside, most = [], []

    def take() -> None:
        with exclusive_measurement():
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.03)
            inside.pop()

    crew = [threading.Thread(target=take) for _ in range(4)]
    for one in crew:
        one.start()
    for one in crew:
        one.join()
    assert most == [1, 1, 1, 1]


def test_a_holder_that_is_killed_frees_the_host() -> None:
    program = (
        f"import tempfile, time; tempfile.tempdir = {tempfile.gettempdir()!r}\n"
        "from nasturtium.cost.measurement_lock import training_turn\n"
        "with training_turn(): print('in', flush=True); time.sleep(100)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"in\n"
    threading.Timer(0.1, holder.kill).start()
    with exclusive_measurement() as quiet:
        assert quiet.exclusive
        assert holder.poll() is not None or holder.wait(5) is not None
    holder.stdout.close()


def test_a_hanging_process_blocks_no_other_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement_lock, "PATIENCE", 0.05)
    with training_turn():  # which never gives way
        latency = measure(lambda x: x, (1,), warmup=0.01, seconds=0.02)
    assert not latency.alone
    assert latency.median_ms > 0
    with exclusive_measurement():
        begin = time.monotonic()
        with training_turn() as turn:
            pass
        assert 0.05 <= turn.paused <= time.monotonic() - begin


def test_without_a_folder_for_locks_all_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file"))
    with training_turn() as turn, exclusive_measurement() as quiet:
        turn.pause_for_measurements()
    assert not quiet.exclusive


def test_the_load_is_that_of_other_programs() -> None:
    program = "while True: pass"
    busy = subprocess.Popen([sys.executable, "-c", program])
    try:
        with exclusive_measurement() as quiet:
            end = time.monotonic() + 0.4
            while time.monotonic() < end:
                pass
    finally:
        busy.kill()
        busy.wait()
    if quiet.load is None:
        pytest.skip("this system does not tell how busy it is")
    assert quiet.load > 0.1
