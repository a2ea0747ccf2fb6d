"""Estimates of cost: counted on the meta device, or measured on this machine."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import final

from nasturtium.cost.latency import measure, measure_onnx
from nasturtium.errors import EstimateError
from nasturtium.study.estimator import Estimator
from nasturtium.study.job import Job

__all__ = ["COUNTS", "Hardware"]

COUNTS = ("params", "macs", "flops", "activations")


@final
class Hardware(Estimator):
    """Parameters, multiply-accumulates, activations, and optionally latency.

    Counts are exact for any module and cost almost no time. ``macs`` is the number that most papers
    print as FLOPs; ``flops`` is twice that. ``latency`` is the median in milliseconds of one
    example after a warm-up, reported with two more metrics: ``latency_spread``, the distance from
    the 10th to the 90th percentile over the median, and ``host_load``, the number of cores that
    other programs used meanwhile (NaN if the system does not report it). It is measured on an
    untrained network, since weights do not change it, while no training and no other measurement of
    this user runs on the host.

    Args:
        metrics: any of ``params``, ``macs``, ``flops``, ``activations``, ``latency``.
        backend: measures latency in ``torch``, or by ``onnx`` (onnxruntime).
        threads: CPU threads of a latency measurement.
        batch: examples in a pass of a latency measurement.
        device: device of torch; onnxruntime runs on the CPU.

    Example:
        >>> import nasturtium as nas
        >>> from torch import nn
        >>> from nasturtium.study.context import StudyContext
        >>> from nasturtium.study.job import Job
        >>> from nasturtium.study.trial import Proposal
        >>> @nas.space
        ... def widths(choose, *, inputs, classes):
        ...     width = choose("width", (8, 16))
        ...     return lambda: nn.Sequential(nn.Linear(inputs[0], width), nn.Linear(width, classes))
        >>> space = widths.bind(inputs=(4,), classes=2)
        >>> narrow, wide = space.every()
        >>> estimator = nas.Hardware(metrics=("params", "macs"))
        >>> estimator.estimate(Job(0, Proposal(narrow), StudyContext("example", 0, space)))
        {'params': 58, 'macs': 48}
    """

    def __init__(
        self,
        metrics: tuple[str, ...] = COUNTS,
        backend: str = "torch",
        threads: int = 1,
        batch: int = 1,
        device: str = "cpu",
    ) -> None:
        for metric in metrics:
            if metric not in (*COUNTS, "latency"):
                raise EstimateError(
                    f"hardware has no metric {metric!r}; it has {', '.join(COUNTS)} and latency"
                )
        if backend not in ("torch", "onnx"):
            raise EstimateError(f"backend={backend!r}; expected 'torch' or 'onnx'")
        self.wanted = tuple(metrics)
        extra = ("latency_spread", "host_load") if "latency" in metrics else ()
        self.metrics = (*metrics, *extra)
        self.free = "latency" not in metrics
        self.backend = backend
        self.threads = threads
        self.batch = batch
        self.device = device

    def estimate(self, job: Job) -> Mapping[str, float]:
        inputs = job.context.inputs
        metrics: dict[str, float] = {}
        if set(COUNTS) & set(self.wanted):
            cost = job.cost()
            counts = {
                "params": cost.params,
                "macs": cost.macs,
                "flops": cost.flops,
                "activations": cost.activations,
            }
            metrics = {name: counts[name] for name in self.wanted if name in counts}
        if "latency" in self.wanted:
            metrics |= self._measure(job, inputs)
        return metrics

    def _measure(self, job: Job, inputs: tuple[int, ...]) -> dict[str, float]:
        model = job.build().eval()
        if self.backend == "torch":
            latency = measure(
                model, inputs, batch=self.batch, threads=self.threads, device=self.device
            )
        else:
            import torch

            from nasturtium.deploy.export import export_onnx

            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.onnx"
                example = torch.zeros(2, *inputs)
                channels = inputs[0]
                export_onnx(model, path, example, mean=(0.0,) * channels, std=(1.0,) * channels)
                latency = measure_onnx(path, inputs, batch=self.batch, threads=self.threads)
        load = math.nan if latency.load is None else latency.load
        return {"latency": latency.median_ms, "latency_spread": latency.spread, "host_load": load}
