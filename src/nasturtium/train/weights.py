"""Weights: inherited from a parent network, saved and loaded.

Sharing by overlap follows Fang et al., "EAT-NAS: Elastic Architecture Transfer for Accelerating
Large-scale Neural Architecture Search" (2019): where a child's layer is wider or narrower than its
parent's, the leading channels that both have are copied and the others keep their initial values.
The paper shares between kernels of one size only; the centre crop and the zero padding of kernels
of different sizes are an addition, off by default.
"""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nasturtium.atomic_write import replace_file
from nasturtium.errors import EstimateError

__all__ = ["Inherited", "inherit", "load_weights", "read_tensors", "save_weights"]


@dataclass(frozen=True)
class Inherited:
    """The tensors that a network inherited from its parent.

    Attributes:
        whole: names of the tensors that were copied whole.
        partly: names of the tensors of which a part was copied.
        fresh: names of the tensors that stayed unchanged.
        share: copied share of all numbers in the network's tensors, 0 to 1.
    """

    whole: tuple[str, ...]
    partly: tuple[str, ...]
    fresh: tuple[str, ...]
    share: float


@torch.no_grad()
def inherit(
    model: nn.Module,
    state: Mapping[str, Tensor],
    *,
    overlap: bool = False,
    crop_kernels: bool = False,
) -> Inherited:
    """Copy a parent's tensors into a network, by path.

    Args:
        model: receives the tensors; those without a counterpart stay as they are.
        state: the parent's ``state_dict()``.
        overlap: also copy the leading channels that both have where their numbers differ.
        crop_kernels: also copy kernels of another size: larger ones are cropped to their centre,
            smaller ones are padded with zeros.

    Example:
        >>> parent, child = nn.Linear(4, 2), nn.Linear(4, 3)
        >>> inherit(child, parent.state_dict(), overlap=True).share
        0.6666666666666666
    """
    whole: list[str] = []
    partly: list[str] = []
    fresh: list[str] = []
    copied = total = 0
    for name, own in model.state_dict().items():
        total += own.numel()
        other = state.get(name)
        count = 0
        if other is not None and own.is_floating_point() == other.is_floating_point():
            count = _copy(own, other, overlap, crop_kernels)
        copied += count
        (fresh if count == 0 else whole if count == own.numel() else partly).append(name)
    return Inherited(tuple(whole), tuple(partly), tuple(fresh), copied / max(total, 1))


def _copy(own: Tensor, other: Tensor, overlap: bool, crop_kernels: bool) -> int:
    """Copy the fitting part of ``other`` into ``own``; return how many numbers were copied."""
    if own.shape == other.shape:
        own.copy_(other)
        return own.numel()
    if own.ndim != other.ndim:
        return 0
    channels, kernel = own.shape[:2], own.shape[2:]
    if channels != other.shape[:2] and not overlap:
        return 0
    if kernel != other.shape[2:] and not crop_kernels:
        return 0
    leading = tuple(slice(min(a, b)) for a, b in zip(channels, other.shape[:2], strict=True))
    target, source = own[leading], other[leading]
    if kernel != other.shape[2:]:
        target.zero_()
    total = target.numel()
    for axis in range(2, own.ndim):
        length = min(target.shape[axis], source.shape[axis])
        target = target.narrow(axis, (target.shape[axis] - length) // 2, length)
        source = source.narrow(axis, (source.shape[axis] - length) // 2, length)
    target.copy_(source)
    return total


def save_weights(path: str | Path, model: nn.Module | Mapping[str, Tensor]) -> None:
    """Write a network's tensors; equal weights give equal files, written atomically."""
    state = model.state_dict() if isinstance(model, nn.Module) else model
    buffer = io.BytesIO()
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    torch.save(plain, buffer)
    replace_file(Path(path), buffer.getvalue())


def load_weights(path: str | Path) -> dict[str, Tensor]:
    """Read what ``save_weights`` wrote, on the CPU; no code in the file is run.

    Raises:
        EstimateError: the file is absent, damaged, or holds anything but tensors.
    """
    try:
        state = read_tensors(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise EstimateError(
            f"{path} cannot be read as weights ({reason}); expected a file that save_weights wrote"
        ) from error
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in state.items()
    ):
        raise EstimateError(f"{path} does not hold tensors by name; expected weights")
    return state


def read_tensors(content: bytes) -> Any:
    """Read tensors and plain values that ``torch.save`` wrote, on the CPU.

    No code in the content is run, and no more memory is allocated than the content has: a file that
    claims more, in its archive or in the tensors, is refused.

    Raises:
        ValueError: the content is damaged or of another type; the message says why.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            records = archive.infolist()
        stored = all(one.compress_type == zipfile.ZIP_STORED for one in records)
        if not stored or sum(one.file_size for one in records) > len(content):
            raise ValueError("it claims to be larger than it is")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        sizes = {one.file_size for one in records}
        for tensor in _tensors(value):
            # The entry with the size of the memory is separate from the memory.
            held = tensor.untyped_storage().nbytes()
            if (held and held not in sizes) or tensor.numel() * tensor.element_size() > held:
                raise ValueError("a tensor claims to be larger than it is")
    except ValueError as error:
        raise ValueError(str(error).splitlines()[0] if str(error) else "it is damaged") from error
    except zipfile.BadZipFile as error:
        raise ValueError("it is not an archive of tensors, or a damaged one") from error
    except pickle.UnpicklingError as error:  # its text advises to trust the file
        raise ValueError("it holds other things than tensors and plain values") from error
    except Exception as error:  # torch raises errors of many types for damaged bytes
        raise ValueError(f"it is damaged: {type(error).__name__}") from error
    return value


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _tensors(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _tensors(one)
