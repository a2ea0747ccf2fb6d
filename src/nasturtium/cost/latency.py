"""Measured latency: the median of many short repeats, with its spread.

A pass is repeated until one timing lasts about a millisecond, so that the overhead of the clock and
the call is negligible. Many timings are taken, so that a disturbance of the machine changes the
spread and not the median. The same protocol times a PyTorch network and an ONNX file. One
measurement runs at a time on a host, and no training beside it
(:mod:`nasturtium.cost.measurement_lock`).
"""

from __future__ import annotations

import copy
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nasturtium.cost.measurement_lock import HostConditions, exclusive_measurement
from nasturtium.errors import EstimateError

__all__ = ["Latency", "measure", "measure_onnx"]

_SHORTEST_SECONDS = 1e-3  # a timing shorter than this would be repeated in an inner loop
_FEWEST_REPEATS = 5  # taken whatever the budget, so that a spread can be computed


@dataclass(frozen=True)
class Latency:
    """The latency of one forward pass of a batch, in milliseconds.

    Attributes:
        median_ms: Median over the timings.
        p10_ms: Tenth percentile.
        p90_ms: Ninetieth percentile.
        repeats: Number of timings.
        passes: Forward passes in each timing.
        batch: Examples in a pass.
        threads: Threads that computed one operator.
        device: Device of the measurement, such as ``"cpu"`` or ``"cuda:0"``.
        backend: ``"torch"`` or ``"onnxruntime"``.
        load: Cores that other programs used meanwhile; ``None`` if that is unknown.
        alone: Whether no training of this user ran on the host meanwhile, by its locks.
    """

    median_ms: float
    p10_ms: float
    p90_ms: float
    repeats: int
    passes: int
    batch: int
    threads: int
    device: str
    backend: str
    load: float | None = None
    alone: bool = True

    @property
    def spread(self) -> float:
        """Distance between the two percentiles, as a fraction of the median."""
        return (self.p90_ms - self.p10_ms) / self.median_ms

    def to_json(self) -> dict[str, Any]:
        """Return plain values that ``Latency(**values)`` reads back."""
        return asdict(self)


def measure(
    model: nn.Module | Callable[[Tensor], Any],
    inputs: tuple[int, ...],
    *,
    batch: int = 1,
    threads: int = 1,
    warmup: float = 0.2,
    seconds: float = 1.0,
    repeats: int = 100,
    device: str | torch.device = "cpu",
) -> Latency:
    """Measure the forward pass of a network in eval and inference mode.

    A module is copied to the device first and stays as it is. The inputs are standard normal,
    of the type of the first floating-point parameter. The number of threads is that of the
    whole process while the measurement lasts, and is restored afterwards.

    Args:
        model: A network, or any function of one tensor (a compiled network, say), which is then
            called as it is.
        inputs: Shape of one example, (C, H, W) for an image.
        batch: Examples in a pass.
        threads: Threads that compute one operator on the CPU.
        warmup: Seconds of passes that do not count.
        seconds: Budget of the timings that count; at least 5 are taken, however long.
        repeats: The most timings that are taken.
        device: Device to run on.

    Returns:
        The latency of one pass of the whole batch.

    Raises:
        EstimateError: An argument is out of range, the device is absent, the network was built
            without numbers (on the meta device), or it does not accept the inputs.

    Example:
        >>> from torch import nn
        >>> latency = measure(nn.Linear(8, 8), (8,), warmup=0.01, seconds=0.05)
        >>> latency.p10_ms <= latency.median_ms <= latency.p90_ms
        True
    """
    _check_counts(batch=batch, threads=threads, repeats=repeats)
    _check_shape(inputs)
    place = _device(device)
    dtype = torch.float32
    if isinstance(model, nn.Module):
        parameters = list(model.parameters())
        if any(parameter.is_meta for parameter in parameters):
            raise EstimateError(
                f"{type(model).__name__} was built on the meta device and has no numbers to "
                "compute with; build it on the CPU to measure it"
            )
        dtype = next((p.dtype for p in parameters if p.dtype.is_floating_point), dtype)
        model = copy.deepcopy(model).to(place).eval()
    generator = torch.Generator().manual_seed(0)
    examples = torch.randn((batch, *inputs), generator=generator).to(place, dtype)

    def step() -> None:
        model(examples)

    def wait() -> None:
        if place.type == "cuda":
            torch.cuda.synchronize(place)

    with exclusive_measurement() as conditions, _threads(threads), torch.inference_mode():
        samples, passes = _sample(step, wait, warmup=warmup, seconds=seconds, repeats=repeats)
    return _summarize(samples, passes, batch, threads, str(place), "torch", conditions)


def measure_onnx(
    path: str | Path,
    inputs: tuple[int, ...] | None = None,
    *,
    batch: int = 1,
    threads: int = 1,
    warmup: float = 0.2,
    seconds: float = 1.0,
    repeats: int = 100,
) -> Latency:
    """Measure an ONNX file with one input, by onnxruntime on the CPU.

    Args:
        path: The file.
        inputs: Shape of one example; read from the file where it is fixed there.
        batch: Examples in a pass.
        threads: Threads that compute one operator; operators run one after another.
        warmup: Seconds of passes that do not count.
        seconds: Budget of the timings that count; at least 5 are taken, however long.
        repeats: The most timings that are taken.

    Returns:
        The latency of one pass of the whole batch.

    Raises:
        EstimateError: onnxruntime is not installed, an argument is out of range, the shape is
            neither given nor fixed in the file, or the file cannot be read or run.
    """
    _check_counts(batch=batch, threads=threads, repeats=repeats)
    try:
        import onnxruntime
    except ImportError as error:
        raise EstimateError(
            "measuring an ONNX file needs onnxruntime: pip install nasturtium[onnx]"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise EstimateError(
            f"{path} cannot be opened by onnxruntime: {' '.join(str(error).split())}"
        ) from error
    entry = session.get_inputs()[0]
    if inputs is None:
        inputs = tuple(entry.shape[1:])
    _check_shape(inputs)
    numbers = {"tensor(float)": np.float32, "tensor(double)": np.float64}
    numbers["tensor(float16)"] = np.float16
    if entry.type not in numbers:
        raise EstimateError(f"{path} takes {entry.type}; only floating-point inputs are measured")
    examples = np.random.default_rng(0).standard_normal((batch, *inputs))
    feed = {entry.name: examples.astype(numbers[entry.type])}

    def step() -> None:
        session.run(None, feed)

    with exclusive_measurement() as conditions:
        samples, passes = _sample(step, _no_wait, warmup=warmup, seconds=seconds, repeats=repeats)
    return _summarize(samples, passes, batch, threads, "cpu", "onnxruntime", conditions)


def _sample(
    step: Callable[[], None],
    wait: Callable[[], None],
    *,
    warmup: float,
    seconds: float,
    repeats: int,
) -> tuple[list[float], int]:
    """Return the seconds per pass of each timing, and the number of passes in a timing."""
    clock = time.perf_counter
    try:
        step()
        wait()
    except Exception as error:
        raise EstimateError(
            f"the network fails on these inputs: {' '.join(str(error).split())[:400]}"
        ) from error

    def time_passes(passes: int) -> float:
        begin = clock()
        for _ in range(passes):
            step()
        wait()
        return clock() - begin

    # Doubling from one pass finds the length of the inner loop while it warms up.
    end = clock() + warmup
    passes, last = 1, time_passes(1)
    while last < _SHORTEST_SECONDS or clock() < end:
        if last < _SHORTEST_SECONDS:
            passes *= 2
        last = time_passes(passes)

    samples: list[float] = []
    collects = gc.isenabled()
    gc.disable()
    try:
        end = clock() + seconds
        while len(samples) < min(_FEWEST_REPEATS, repeats) or (
            len(samples) < repeats and clock() < end
        ):
            samples.append(time_passes(passes) / passes)
    finally:
        if collects:
            gc.enable()
    return samples, passes


def _summarize(
    samples: list[float],
    passes: int,
    batch: int,
    threads: int,
    device: str,
    backend: str,
    conditions: HostConditions,
) -> Latency:
    p10, median, p90 = (float(ms) for ms in np.percentile(samples, (10, 50, 90)) * 1e3)
    counts = (len(samples), passes, batch, threads)
    return Latency(
        median, p10, p90, *counts, device, backend, conditions.load, conditions.exclusive
    )


def _check_counts(**counts: int) -> None:
    for name, value in counts.items():
        if value < 1:
            raise EstimateError(f"{name} must be at least 1; got {value}")


def _check_shape(inputs: tuple[Any, ...]) -> None:
    if not all(isinstance(size, int) and size > 0 for size in inputs):
        raise EstimateError(
            f"inputs is the fixed shape of one example, such as (3, 32, 32); got {tuple(inputs)}"
        )


def _device(device: str | torch.device) -> torch.device:
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:
        raise EstimateError(
            f"device {str(device)!r} cannot be used here: {str(error).splitlines()[0]}"
        ) from error
    return place


def _no_wait() -> None:
    """Return at once: onnxruntime is synchronous."""


@contextmanager
def _threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
