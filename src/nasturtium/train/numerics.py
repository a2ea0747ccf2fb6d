"""Device, threads and precision of computations."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from nasturtium.errors import EstimateError
from nasturtium.train.check_arguments import check_choice, check_fields

__all__ = ["Numerics", "default_torch_state"]

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@contextmanager
def default_torch_state() -> Iterator[None]:
    """Enter torch's default state, whatever the caller has set; also a decorator.

    Tensors are float32 and made on the CPU by default, gradients are recorded, and there are no
    automatic casts, so that every program and worker builds and trains networks alike.

    Example:
        >>> with torch.no_grad(), default_torch_state():
        ...     torch.is_grad_enabled(), torch.zeros(()).dtype
        (True, torch.float32)
    """
    dtype = torch.get_default_dtype()
    with ExitStack() as stack:
        stack.callback(torch.set_default_dtype, dtype)
        torch.set_default_dtype(torch.float32)
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        yield


@dataclass(frozen=True)
class Numerics:
    """Device, threads, precision and memory format, which a repeatable result depends on.

    Attributes:
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, ...
        threads: CPU threads within an operation.
        precision: ``"fp32"``, or ``"bf16"`` or ``"fp16"`` with automatic casts; weights stay fp32,
            and ``"fp16"``, which scales the loss, needs a CUDA device.
        memory_format: ``"contiguous"`` or ``"channels_last"``.

    Example:
        >>> numerics = Numerics(threads=2, precision="bf16")
        >>> numerics.dtype
        torch.bfloat16
        >>> Numerics.from_json(numerics.to_json()) == numerics
        True
    """

    device: str = "cpu"
    threads: int = 1
    precision: str = "fp32"
    memory_format: str = "contiguous"

    def __post_init__(self) -> None:
        check_fields(Numerics, dataclasses.asdict(self))
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("memory_format", self.memory_format, FORMATS)
        if self.threads < 1:
            raise EstimateError(f"threads={self.threads}; expected 1 or more")
        try:
            kind = torch.device(self.device).type
        except Exception as error:  # RuntimeError, and other types for numbers that are too large
            raise EstimateError(
                f"device={self.device!r} is not a device; expected 'cpu', 'cuda', 'cuda:0', 'mps', "
                "..."
            ) from error
        if self.precision == "fp16" and kind != "cuda":
            raise EstimateError(
                f"precision='fp16' needs a CUDA device, not {self.device!r}; use 'bf16' or 'fp32'"
            )

    @property
    def dtype(self) -> torch.dtype:
        """Type of automatic casts."""
        return PRECISIONS[self.precision]

    @property
    def format(self) -> torch.memory_format:
        """Memory format of images and of weights with four axes."""
        return FORMATS[self.memory_format]

    @contextmanager
    def opened(self) -> Iterator[torch.device]:
        """Enter the device with this number of threads, and restore the number afterwards.

        Raises:
            EstimateError: this machine has no such device.
        """
        device = torch.device(self.device)
        if device.type == "cuda" and not (
            torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
        ):
            raise EstimateError(
                f"device={self.device!r} was asked for, but torch sees "
                f"{torch.cuda.device_count()} CUDA devices here; use device='cpu', or a build of "
                "torch for CUDA"
            )
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            with default_torch_state():
                yield device
        finally:
            torch.set_num_threads(before)

    def to_json(self) -> dict[str, Any]:
        """Return plain values that ``from_json`` reads back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Numerics:
        """Read what ``to_json`` wrote.

        Raises:
            EstimateError: a name or a value is unknown.
        """
        return cls(**check_fields(cls, data))
