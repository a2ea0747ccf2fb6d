"""Static 8-bit quantisation of an ONNX file, calibrated on real inputs."""

from __future__ import annotations

import logging
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from nasturtium.deploy.onnx_runtime import predict_onnx, require_packages
from nasturtium.errors import ExportError

__all__ = ["Quantized", "quantize_int8"]


@dataclass(frozen=True)
class Quantized:
    """An 8-bit file and its difference from the float file.

    Attributes:
        path: The file.
        bytes: Its size.
        bytes_before: Size of the float file.
        difference: Largest absolute difference from the float outputs over the largest absolute
            float output, on the calibration inputs.
        agreement: Fraction of the calibration inputs with the same largest output.
    """

    path: Path
    bytes: int
    bytes_before: int
    difference: float
    agreement: float


def quantize_int8(
    onnx_path: str | Path,
    out_path: str | Path,
    calibration: np.ndarray[Any, Any],
    *,
    batch: int = 32,
) -> Quantized:
    """Quantise weights (per channel) and activations to 8 bits, in the QDQ format.

    The ranges of activations are their extremes on the calibration inputs. BatchNorm is folded
    into convolutions first. Nothing is trained, so measure the accuracy afterwards.

    Args:
        onnx_path: A float file with one input and one output.
        out_path: Target in an existing folder; it is replaced only by a file that runs.
        calibration: A few hundred real inputs (N, ...), in the units of the file's input.
        batch: Number of inputs in a batch.

    Returns:
        Sizes, and the difference of the outputs on the calibration inputs.

    Raises:
        ExportError: onnxruntime is not installed, an argument does not fit, or the file cannot
            be quantised.
    """
    require_packages("onnx", "onnxruntime")
    source, target = Path(onnx_path), Path(out_path)
    if source.resolve() == target.resolve():
        raise ExportError(f"{target} is the float file itself; give another target")
    if not target.parent.is_dir():
        raise ExportError(f"folder {target.parent} does not exist; make it, then try again")
    values = np.asarray(calibration, dtype=np.float32)
    expected = predict_onnx(source, values, batch=batch)
    draft = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    logger, level = logging.getLogger(), logging.getLogger().level
    logger.setLevel(logging.ERROR)
    try:
        _write_quantized(source, draft, values, batch)
        outputs = predict_onnx(draft, values, batch=batch)
        os.replace(draft, target)
    except ExportError:
        raise
    except Exception as error:
        raise ExportError(
            f"{source} cannot be quantised: {' '.join(str(error).split())[:300]}"
        ) from error
    finally:
        logger.setLevel(level)
        draft.unlink(missing_ok=True)
    flat = (len(values), -1)
    same = outputs.reshape(flat).argmax(1) == expected.reshape(flat).argmax(1)
    return Quantized(
        path=target,
        bytes=target.stat().st_size,
        bytes_before=source.stat().st_size,
        difference=float(np.abs(outputs - expected).max() / (np.abs(expected).max() or 1.0)),
        agreement=float(same.mean()),
    )


def _write_quantized(source: Path, target: Path, values: np.ndarray[Any, Any], batch: int) -> None:
    """Quantise a file with onnxruntime, calibrated on values in batches."""
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    name = _input_name(source)

    class Batches(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.first = 0

        def get_next(self) -> dict[str, np.ndarray[Any, Any]] | None:
            part = values[self.first : self.first + batch]
            self.first += batch
            return {name: part} if len(part) else None

    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared))
        quantize_static(
            str(prepared),
            str(target),
            Batches(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


def _input_name(path: Path) -> str:
    import onnx

    graph = onnx.load(str(path), load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    return next(str(entry.name) for entry in graph.input if entry.name not in weights)
