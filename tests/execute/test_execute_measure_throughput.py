from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import nasturtium as nas
from nasturtium.execute import measure_throughput as tuning
from nasturtium.execute.base import count_cores
from nasturtium.execute.measure_throughput import (
    Tuning,
    list_combinations,
    measure_throughput,
    tune,
)
from nasturtium.study.context import StudyContext
from nasturtium.task.make_task import make_task


@nas.space
def net(choose: Any, *, inputs: Any, classes: int) -> Any:
    width = choose("width", (2, 4, 8))

    def build() -> nn.Module:
        stem = nn.Conv2d(inputs[0], width, 3, padding=1)
        pooled = (nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return nn.Sequential(stem, *pooled, nn.Linear(width, classes))

    return build


def context() -> StudyContext:
    images = [[[index % 3] * 8] * 8 for index in range(60)]
    task = make_task(images, [index % 3 for index in range(60)], name="planes")
    return StudyContext("s", 0, net.bind(**task.data_shapes), task)


class Crew:
    """An executor whose workers are as fast as a function says."""

    def __init__(self, workers: int, speed: Callable[[int, nas.Numerics], float]) -> None:
        self.workers = workers
        self.speed = speed
        self.asked: list[tuple[int, nas.Numerics, int]] = []

    def call(self, function: Any, workers: int, *arguments: Any) -> list[float]:
        assert function is measure_throughput
        numerics, networks, batch, _ = arguments
        assert batch == 32
        self.asked.append((workers, numerics, len(networks)))
        return [self.speed(workers, numerics) / workers] * workers


def tuned(speed: Callable[[int, nas.Numerics], float], workers: int = 2) -> tuple[Tuning, Crew]:
    crew = Crew(workers, speed)
    return tune(crew, context(), 32), crew  # type: ignore[arg-type]


def test_every_sensible_combination_is_measured_and_the_best_of_them_again() -> None:
    found, crew = tuned(lambda workers, numerics: 100.0 * workers)
    assert found.workers == 2
    assert found.numerics.precision == "fp32"
    assert len(found.measured) == len(list_combinations(2)) == 8
    second = [asked for asked in crew.asked if asked[2] == 3]
    assert 3 <= len(second) <= 4
    assert found.seconds > 0


@pytest.mark.parametrize(("gain", "precision"), [(1.1, "fp32"), (1.2, "bf16")])
def test_lower_precision_has_to_be_worth_it(gain: float, precision: str) -> None:
    found, _ = tuned(lambda w, numerics: 100.0 * (gain if numerics.precision == "bf16" else 1.0))
    assert found.numerics.precision == precision


def test_what_does_not_run_is_not_chosen() -> None:
    def speed(workers: int, numerics: nas.Numerics) -> float:
        if numerics.precision == "bf16":
            raise nas.EstimateError("no such operator in bf16")
        return 10.0 if numerics.memory_format == "contiguous" else 20.0

    found, _ = tuned(speed)
    assert found.numerics.precision == "fp32"
    assert found.numerics.memory_format == "channels_last"
    assert sorted(found.measured.values())[:4] == [0.0] * 4


def test_threads_and_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "count_cores", lambda: 8)
    for workers, numerics in list_combinations(8):
        assert workers * numerics.threads == 8
    assert {workers for workers, _ in list_combinations(8)} == {1, 4, 8}
    assert {workers for workers, _ in list_combinations(1)} == {1}


def test_throughput_is_measured_in_images_a_second() -> None:
    chosen = [nas.Architecture("net", {"width": width}) for width in (2, 8)]
    threads = torch.get_num_threads()
    for numerics in (nas.Numerics(), nas.Numerics(memory_format="channels_last")):
        assert measure_throughput(context(), numerics, chosen, 16, 0.05) > 16
    assert torch.get_num_threads() == threads


def test_it_is_said_in_a_line() -> None:
    plain = f"1 x {count_cores()} threads, fp32, contiguous"
    best = "2 x 1 threads, bf16, channels_last"
    chosen = nas.Numerics(precision="bf16", memory_format="channels_last")
    text = str(Tuning(2, chosen, {plain: 1000.0, best: 2500.0}, 4.0))
    assert text == f"{best}, 2,500 images/s (2.5 times one process, all threads)"
    assert str(Tuning(2, chosen, {}, 4.0)) == best
