from __future__ import annotations

import time
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nasturtium.cost.latency import Latency, measure, measure_onnx
from nasturtium.errors import EstimateError

QUICK = {"warmup": 0.01, "seconds": 0.1}


def sleep(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_a_known_duration_is_measured_in_milliseconds() -> None:
    latency = measure(lambda x: sleep(0.002), (1,), **QUICK)
    assert 2.0 <= latency.p10_ms <= latency.median_ms <= latency.p90_ms
    assert latency.median_ms < 20.0  # not microseconds or seconds, on a busy machine too
    assert (latency.passes, latency.batch, latency.threads) == (1, 1, 1)
    assert (latency.device, latency.backend) == ("cpu", "torch")


def test_short_passes_are_timed_in_loops_of_a_millisecond() -> None:
    calls = []
    latency = measure(lambda x: calls.append(x.shape), (3, 4), batch=2, repeats=7, **QUICK)
    assert latency.passes >= 8
    assert latency.repeats == 7
    assert len(calls) > 7 * latency.passes
    assert set(calls) == {(2, 3, 4)}
    assert latency.median_ms < 0.5


def test_slow_passes_are_timed_five_times_whatever_the_budget() -> None:
    latency = measure(lambda x: sleep(0.003), (1,), warmup=0.0, seconds=0.0)
    assert (latency.repeats, latency.passes) == (5, 1)


def test_one_disturbance_does_not_move_the_median() -> None:
    calls = iter(range(10**6))
    slow = lambda x: sleep(0.1 if next(calls) == 6 else 0.001)  # noqa: E731
    latency = measure(slow, (1,), warmup=0.0, seconds=0.5, repeats=30)
    assert latency.median_ms < 20.0


def test_module_and_process_are_left_as_they_were() -> None:
    seen = []

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(4).double()

        def forward(self, x: Tensor) -> Tensor:
            seen.append((self.training, torch.is_inference_mode_enabled()))
            seen.append((x.dtype, torch.get_num_threads()))
            return self.norm(x)

    net, threads = Net(), torch.get_num_threads()
    latency = measure(net, (4,), batch=3, threads=threads + 1, **QUICK)
    assert set(seen) == {(False, True), (torch.float64, threads + 1)}
    assert (latency.batch, latency.threads) == (3, threads + 1)
    assert net.training
    assert torch.get_num_threads() == threads
    with pytest.raises(EstimateError, match="fails on these inputs: running_mean should"):
        measure(net, (5,), threads=threads + 1, **QUICK)
    assert torch.get_num_threads() == threads


def test_the_record_is_plain() -> None:
    latency = Latency(2.0, 1.9, 2.4, 50, 1, 1, 1, "cpu", "torch")
    assert latency.spread == pytest.approx(0.25)
    assert Latency(**latency.to_json()) == latency
    assert replace(latency, batch=2) != latency


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 0}, "batch must be at least 1; got 0"),
        ({"threads": 0}, "threads must be at least 1; got 0"),
        ({"repeats": 0}, "repeats must be at least 1; got 0"),
        ({"device": "moon"}, "device 'moon' cannot be used here"),
        ({"inputs": (4, "width")}, r"fixed shape of one example.*\(4, 'width'\)"),
        ({"model": nn.Linear(4, 4, device="meta")}, "Linear was built on the meta device"),
    ],
)
def test_unmeasurable_networks_are_refused(options: dict, message: str) -> None:
    with pytest.raises(EstimateError, match=message):
        measure(**{"model": nn.Linear(4, 4), "inputs": (4,), **options})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_pass_is_waited_for() -> None:
    net = nn.Sequential(*[nn.Conv2d(256, 256, 3, padding=1) for _ in range(20)])
    latency = measure(net, (256, 64, 64), batch=32, device="cuda", **QUICK)
    floor = 20 * 32 * 64 * 64 * 256 * 256 * 9 * 2 / 1e15 * 1e3  # at a petaflop per second
    assert latency.median_ms > floor


def onnx_file(path: str, shape: list[int | str]) -> str:
    onnx = pytest.importorskip("onnx")
    kind = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["x"], ["y"])],
        "graph",
        [onnx.helper.make_tensor_value_info("x", kind, shape)],
        [onnx.helper.make_tensor_value_info("y", kind, shape)],
    )
    opset = onnx.helper.make_opsetid("", 18)
    onnx.save(onnx.helper.make_model(graph, ir_version=10, opset_imports=[opset]), path)
    return path


def test_an_onnx_file_is_measured(tmp_path) -> None:
    pytest.importorskip("onnxruntime")
    path = onnx_file(str(tmp_path / "relu.onnx"), ["n", 3, 8, 8])
    latency = measure_onnx(path, batch=4, **QUICK)
    assert (latency.backend, latency.device, latency.batch) == ("onnxruntime", "cpu", 4)
    assert 0 < latency.p10_ms <= latency.median_ms <= latency.p90_ms

    free = onnx_file(str(tmp_path / "free.onnx"), ["n", 3, "h", "w"])
    with pytest.raises(EstimateError, match=r"fixed shape of one example.*\(3, 'h', 'w'\)"):
        measure_onnx(free, **QUICK)
    assert measure_onnx(free, (3, 9, 9), **QUICK).batch == 1
    with pytest.raises(EstimateError, match=r"fails on these inputs: .*INVALID_ARGUMENT"):
        measure_onnx(path, (3, 9, 9), **QUICK)
    with pytest.raises(EstimateError, match=r"absent\.onnx cannot be opened by onnxruntime"):
        measure_onnx(tmp_path / "absent.onnx", **QUICK)
