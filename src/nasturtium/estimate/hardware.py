"""What a network costs: counted on the meta device, or measured on this machine."""

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
    """Parameters, multiply-accumulates, activations; and latency where it is asked for.

    Counts are exact and free, for any module. ``macs`` is what most papers print as FLOPs;
    ``flops`` is twice that. ``latency`` is the median in milliseconds of one example after a
    warm-up, with two numbers beside it: ``latency_spread``, the distance from the 10th to the 90th
    percentile over the median, and ``host_load``, how many cores other programs kept busy meanwhile
    (NaN where the system does not tell). It is taken on an untrained network, whose weights do not
    change it, while no other training and no other measurement of this user runs on the host.

    Args:
        metrics: which of ``params``, ``macs``, ``flops``, ``activations``, ``latency``.
        backend: measures latency in ``torch``, or through ``onnx`` (onnxruntime).
        threads: of a latency measurement.
        batch: examples at once in a latency measurement.
        device: where torch runs; onnxruntime runs on the CPU.
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
        beside = ("latency_spread", "host_load") if "latency" in metrics else ()
        self.metrics = (*metrics, *beside)
        self.free = "latency" not in metrics
        self.backend = backend
        self.threads = threads
        self.batch = batch
        self.device = device

    def estimate(self, job: Job) -> Mapping[str, float]:
        inputs = job.context.inputs
        found: dict[str, float] = {}
        if set(COUNTS) & set(self.wanted):
            cost = job.cost()
            every = {
                "params": cost.params,
                "macs": cost.macs,
                "flops": cost.flops,
                "activations": cost.activations,
            }
            found = {name: every[name] for name in self.wanted if name in every}
        if "latency" in self.wanted:
            found |= self._latency(job, inputs)
        return found

    def _latency(self, job: Job, inputs: tuple[int, ...]) -> dict[str, float]:
        model = job.build().eval()
        if self.backend == "torch":
            taken = measure(
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
                taken = measure_onnx(path, inputs, batch=self.batch, threads=self.threads)
        load = math.nan if taken.load is None else taken.load
        return {"latency": taken.median_ms, "latency_spread": taken.spread, "host_load": load}
