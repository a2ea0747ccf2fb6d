"""Running an exported ONNX file with onnxruntime, without PyTorch."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from nasturtium.errors import ExportError

__all__ = ["predict_onnx", "require_packages"]


def require_packages(*packages: str) -> None:
    """Check that packages are installed; the error says how to install absent ones."""
    absent = [package for package in packages if find_spec(package) is None]
    if absent:
        raise ExportError(f"this needs {' and '.join(absent)}: pip install nasturtium[onnx]")


def predict_onnx(
    path: str | Path, inputs: np.ndarray[Any, Any], *, batch: int = 256, threads: int = 1
) -> np.ndarray[Any, Any]:
    """Return the outputs of an ONNX file with one input and one output.

    Args:
        path: The file.
        inputs: Inputs (N, ...), cast to float32: an array, or a tensor on the CPU.
        batch: Number of inputs in a batch.
        threads: Threads that compute one operator.

    Returns:
        Outputs (N, ...).

    Raises:
        ExportError: onnxruntime is not installed, the file cannot be read, or it does not
            accept the inputs.
    """
    require_packages("onnxruntime")
    import onnxruntime

    values = np.asarray(inputs, dtype=np.float32)
    if values.ndim == 0 or len(values) == 0 or batch < 1:
        raise ExportError(
            f"inputs (N, ...) hold one example at least, and batch is at least 1; "
            f"got shape {values.shape} and batch={batch}"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised, so they are not printed
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise ExportError(
            f"{path} cannot be opened by onnxruntime: {' '.join(str(error).split())}"
        ) from error
    entry = session.get_inputs()[0]
    try:
        parts = [
            session.run(None, {entry.name: values[first : first + batch]})[0]
            for first in range(0, len(values), batch)
        ]
    except Exception as error:
        raise ExportError(
            f"{Path(path).name} takes inputs of shape {tuple(entry.shape)} and failed on "
            f"{values.shape}: {' '.join(str(error).split())[:300]}"
        ) from error
    return np.concatenate(parts)
