"""Measuring the workers, threads, precision and memory format that train fastest.

For a few seconds before a search starts, sampled networks are trained with every sensible
combination. The study keeps the chosen one: it changes results in the last bits, so a resumed
search does not measure again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, final

from nasturtium.architecture import Architecture
from nasturtium.cost.measurement_lock import training_turn
from nasturtium.errors import EstimateError, NasturtiumError
from nasturtium.execute.base import count_cores
from nasturtium.execute.processes import Processes
from nasturtium.space.base import Space
from nasturtium.study.context import StudyContext
from nasturtium.train.numerics import Numerics

__all__ = ["Tuning", "tune"]

GAIN = 1.15  # how many times faster lower precision has to be to be chosen
SAMPLED = 3  # networks measured in the second round


@final
@dataclass(frozen=True)
class Tuning:
    """The measured speeds and the chosen combination.

    Attributes:
        workers: number of worker processes.
        numerics: threads, precision and memory format of each.
        measured: images per second of all workers together, by combination.
        seconds: duration of the measurement.
    """

    workers: int
    numerics: Numerics
    measured: Mapping[str, float]
    seconds: float

    def __str__(self) -> str:
        chosen = _name(self.workers, self.numerics)
        best = self.measured.get(chosen)
        plain = self.measured.get(_name(1, Numerics(threads=count_cores())))
        text = f"{chosen}"
        if best and plain:
            text += f", {best:,.0f} images/s ({best / plain:.1f} times one process, all threads)"
        return text


def tune(
    executor: Processes, context: StudyContext, batch_size: int, seconds: float = 4.0
) -> Tuning:
    """Choose workers and numerics by training sampled networks for about ``seconds``.

    The first round measures every combination on one network, the second the best three on several
    networks. A combination that fails counts as speed 0; ``space.check`` finds wrong networks.

    Args:
        executor: the executor, started with one worker for each core.
        context: the study's space and task.
        batch_size: batch size of the recipe.
        seconds: duration of all measurements together, without the start of the workers.
    """
    start = time.perf_counter()
    rng = Random(0)
    sampled = [context.space.sample(rng) for _ in range(9)]
    sampled.sort(key=lambda architecture: _size(context.space, architecture))
    typical = sampled[1::3]
    combinations = list_combinations(executor.workers)
    share = seconds / 2 / len(combinations)
    executor.call(measure_throughput, executor.workers, Numerics(), typical[:1], batch_size, 0.05)

    def measured(workers: int, numerics: Numerics, networks: Sequence[Any], time: float) -> float:
        try:
            speeds = executor.call(
                measure_throughput, workers, numerics, networks, batch_size, time
            )
            return float(sum(speeds))
        except EstimateError:
            return 0.0

    speeds = {
        (workers, numerics): measured(workers, numerics, typical[1:2], share)
        for workers, numerics in combinations
    }
    finalists = sorted(speeds, key=lambda choice: -speeds[choice])[:3]
    plain = max(
        (c for c in combinations if c[1].precision == "fp32"), key=lambda choice: speeds[choice]
    )
    for choice in dict.fromkeys((*finalists, plain)):
        speeds[choice] = measured(*choice, typical[:SAMPLED], seconds / 8)
    exact = max((c for c in speeds if c[1].precision == "fp32"), key=lambda c: speeds[c])
    best = max(speeds, key=lambda choice: speeds[choice])
    if speeds[best] < GAIN * speeds[exact]:
        best = exact
    return Tuning(
        best[0],
        best[1],
        {_name(*choice): round(speed, 1) for choice, speed in speeds.items()},
        time.perf_counter() - start,
    )


def list_combinations(most: int) -> list[tuple[int, Numerics]]:
    """Return the combinations of workers and numerics to measure on this machine."""
    import torch

    if torch.cuda.is_available():
        counts = sorted({1, min(2, most), min(4, most)})
        return [
            (workers, Numerics("cuda", 1, precision, layout))
            for workers in counts
            for precision in ("fp32", "bf16")
            for layout in ("contiguous", "channels_last")
        ]
    counts = sorted({1, most, max(1, most // 2)}) if most > 1 else [1]
    return [
        (workers, Numerics("cpu", max(1, count_cores() // workers), precision, layout))
        for workers in counts
        for precision in ("fp32", "bf16")
        for layout in ("contiguous", "channels_last")
    ]


def measure_throughput(
    context: StudyContext,
    numerics: Numerics,
    architectures: Sequence[Architecture],
    batch_size: int,
    seconds: float,
) -> float:
    """Return the images per second of training steps on these networks, in this process."""
    import torch
    from torch import nn

    from nasturtium.train.evaluate import autocast_context, place_model

    images, spent = 0, 0.0
    with training_turn(), numerics.opened() as device:
        for architecture in architectures:
            model = place_model(context.space.build(architecture, seed=0), device, numerics).train()
            optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
            x = torch.zeros(batch_size, *context.inputs, device=device)
            if x.ndim == 4:
                x = x.contiguous(memory_format=numerics.format)
            y = torch.zeros(batch_size, dtype=torch.long, device=device)
            steps, begin = -1, 0.0  # the first step warms up and is not counted
            while True:
                with autocast_context(numerics):
                    output = model(x)
                    logits = output[0] if isinstance(output, tuple) else output
                    loss = nn.functional.cross_entropy(logits, y)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                if device.type == "cuda":
                    torch.cuda.synchronize()
                steps += 1
                now = time.perf_counter()
                if steps == 0:
                    begin = now
                elif now - begin >= seconds / len(architectures):
                    break
            images += steps * batch_size
            spent += now - begin
    return images / spent


def _size(space: Space, architecture: Architecture) -> int:
    try:
        skeleton = getattr(space, "skeleton", space.build)(architecture)
        return sum(parameter.numel() for parameter in skeleton.parameters())
    except NasturtiumError:
        return 0


def _name(workers: int, numerics: Numerics) -> str:
    return (
        f"{workers} x {numerics.threads} threads, {numerics.precision}, {numerics.memory_format}"
        + ("" if numerics.device == "cpu" else f", {numerics.device}")
    )
