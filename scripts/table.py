"""The table at the end of scripts/demo: a search, its finished network, and the file as it runs."""

from __future__ import annotations

import sys
from pathlib import Path

from nasturtium.cost.latency import measure_onnx
from nasturtium.deploy.onnx_runtime import predict_onnx
from nasturtium.run.open_study import open_study
from nasturtium.run.store_address import find_store
from nasturtium.status.study_summary import format_metric, summary
from nasturtium.task.load import load

LEAST = 0.98  # of the test digits; what the demonstration promises


def main(store: str, file: str) -> int:
    study = open_study(*find_store(store))
    told = summary(study)
    task = load(study.manifest["call"]["data"], seed=study.seed)
    assert task.test is not None
    network = told["finished"][-1]["metrics"]
    answers = predict_onnx(file, task.test.inputs).argmax(axis=1)
    correct = float((answers == task.test.labels).mean())
    latency = measure_onnx(file, task.inputs)
    best, drawn = told["best"]["metrics"]["accuracy"], told["random"]
    middle = f"{100 * drawn['median']:.2f} % in the middle of {drawn['trials']}"
    shown = [
        ("search", f"{told['trials']['search']} trials, {told['seconds']:.0f} s of training"),
        ("  best on validation", f"{100 * best:.2f} %"),
        ("  random candidates", middle),
        ("network", f"trial {told['finished'][-1]['trial']}"),
        ("  parameters", f"{network['params']:,.0f}"),
        ("  multiply-adds", format_metric("macs", network["macs"])),
        ("  test accuracy", f"{100 * network['accuracy']:.2f} % of {len(task.test)}"),
        ("file", f"{Path(file).resolve()}"),
        ("  test accuracy", f"{100 * correct:.2f} %, run by onnxruntime"),
        ("  latency", f"{latency.median_ms:.3f} ms for one image on one thread"),
        ("  size", f"{Path(file).stat().st_size:,} bytes"),
        ("study", f"{Path(store).resolve()}"),
    ]
    for label, text in shown:
        print(f"{label:<22}{text}")
    if correct < LEAST:
        print(f"error: expected a test accuracy of {100 * LEAST:.0f} %", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
