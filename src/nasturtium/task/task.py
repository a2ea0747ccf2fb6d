"""A classification task: arrays, divided once, and the statistics that normalise them."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from glob import escape
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasturtium.atomic_write import sync_folder
from nasturtium.errors import TaskError
from nasturtium.task.array_storage import find_mapped_file
from nasturtium.task.split import Indices, SplitRecord
from nasturtium.task.table_encoding import Encoding
from nasturtium.task.wording import reason

__all__ = ["Split", "Task"]

_DAY = 24 * 3600.0  # seconds
_KINDS = ("inputs", "labels", "indices")
_FORMAT = 2


@dataclass(frozen=True, eq=False)
class Split:
    """Labelled examples.

    Attributes:
        inputs: (N, C, H, W) images, (N, C, L) signals or (N, F) vectors, uint8 or float32.
        labels: (N,) int64 classes, 0 to ``classes - 1``.
    """

    inputs: NDArray[Any]
    labels: Indices

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Task:
    """A classification task, divided once; made by ``make_task`` or ``load``.

    Training and validation examples are used by searches; the test examples are used once, to
    evaluate the final network, and no strategy or estimator sees them.

    Attributes:
        name: name in messages and reports.
        train: examples to train weights on.
        valid: examples to compare architectures on.
        test: examples for the final evaluation; ``None`` if there is no test set.
        class_names: name of each class, in the order of the labels.
        mean: mean of each channel (or feature) of the training inputs, in their own scale.
        std: standard deviation likewise; 1 where a channel is constant.
        split: record of how the examples were divided.
        split_indices: for each split, the positions of its examples in the data.
        fingerprint: SHA-256 of the data and labels as given: not of their path or the split.
        notes: changes made to the data (images resized, files skipped).
        encoding: the encoding of a table's columns, which also encodes new rows; ``None`` for
            other data.

    Example:
        >>> import nasturtium as nas
        >>> task = nas.load("digits")
        >>> task.inputs, task.classes, task.metrics
        ((1, 8, 8), 10, ('accuracy', 'balanced_accuracy', 'loss'))
        >>> {name: len(split) for name, split in task.splits.items()}
        {'train': 1151, 'valid': 287, 'test': 359}
    """

    name: str
    train: Split
    valid: Split
    test: Split | None
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    split: SplitRecord
    split_indices: Mapping[str, Indices]
    fingerprint: str
    notes: tuple[str, ...] = field(default=())
    encoding: Encoding | None = None

    @property
    def inputs(self) -> tuple[int, ...]:
        """Shape of one example: (C, H, W), (C, L) for signals, or (F,) for vectors."""
        return tuple(self.train.inputs.shape[1:])

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics of a trained network on this task."""
        return ("accuracy", "balanced_accuracy", "loss")

    @property
    def data_shapes(self) -> dict[str, Any]:
        """Arguments for search spaces: ``inputs`` and ``classes``."""
        return {"inputs": self.inputs, "classes": self.classes}

    @property
    def splits(self) -> dict[str, Split]:
        """The splits by name: ``train``, ``valid`` and, if there is one, ``test``."""
        splits = {"train": self.train, "valid": self.valid}
        return splits if self.test is None else splits | {"test": self.test}

    @property
    def digest(self) -> str:
        """Digest of the data and their division, 16 hexadecimal digits."""
        split = sorted((name, rows.tobytes()) for name, rows in self.split_indices.items())
        return sha256(repr((self.fingerprint, split)).encode()).hexdigest()[:16]

    def save(
        self, folder: str | Path, *, building: Path | None = None, replace: bool = False
    ) -> None:
        """Write the task to a new folder of ``.npy`` files and a ``task.json`` with their digests.

        The folder appears complete or not at all. If it holds the same task already, undamaged,
        it is left as it is, so that many processes may save one task. Arrays that are files of
        the same task already are linked, not copied, where the disk allows it.

        Args:
            folder: the folder to create.
            building: a folder whose files were made for this task only.
            replace: replace a damaged task, or one of another version, as in a cache.

        Raises:
            TaskError: the folder holds something else.
        """
        folder = Path(folder)
        if folder.exists():
            try:
                return self._check_same(folder)
            except TaskError:
                if not replace:
                    raise
                _remove_folder(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            files = {}
            for name, split in self.splits.items():
                inputs = temporary / f"{name}_inputs.npy"
                if not self._link(inputs, split.inputs, building):
                    _write_array(inputs, split.inputs)
                _write_array(temporary / f"{name}_labels.npy", split.labels)
                _write_array(temporary / f"{name}_indices.npy", self.split_indices[name])
                for kind in _KINDS:
                    files[f"{name}_{kind}.npy"] = _digest_file(temporary / f"{name}_{kind}.npy")
            header = {**self._header(), "files": files}
            with (temporary / "task.json").open("w", encoding="utf-8") as file:
                json.dump({**header, "digest": _digest_header(header)}, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            sync_folder(temporary)
            try:
                os.rename(temporary, folder)
            except OSError:  # another process was quicker
                if not folder.exists():
                    raise
                self._check_same(folder)
            sync_folder(folder.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    @classmethod
    def load(cls, folder: str | Path, *, check: bool = True) -> Task:
        """Open what ``save`` wrote; arrays are mapped, so that processes share their pages.

        Args:
            folder: a folder that ``save`` wrote.
            check: read every file and compare its digest, about half a second for each GB; worker
                processes skip it, since their driver has just checked.

        Raises:
            TaskError: the folder holds no task, or a damaged one.
        """
        folder = Path(folder)
        header = _read_header(folder)
        try:
            if check:
                _check_files(folder, header)
            splits = {
                name: Split(
                    _open_array(folder / f"{name}_inputs.npy"),
                    _open_array(folder / f"{name}_labels.npy"),
                )
                for name in header["splits"]
            }
            indices = {name: _open_array(folder / f"{name}_indices.npy") for name in splits}
            if any(len(split.inputs) != len(split.labels) for split in splits.values()):
                raise ValueError("inputs and labels differ in length")
            return cls(
                name=header["name"],
                train=splits["train"],
                valid=splits["valid"],
                test=splits.get("test"),
                class_names=tuple(header["class_names"]),
                mean=tuple(header["mean"]),
                std=tuple(header["std"]),
                split=SplitRecord.from_json(header["split"]),
                split_indices=indices,
                fingerprint=header["fingerprint"],
                notes=tuple(header["notes"]),
                encoding=Encoding.from_json(header["encoding"]) if "encoding" in header else None,
            )
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise TaskError(
                f"the task in {folder} is damaged ({reason(error)}); remove the folder and save "
                "it again"
            ) from error

    @classmethod
    def open_cached(cls, folder: Path) -> Task | None:
        """Open a task of a cache; remove it and return ``None`` if it is damaged or outdated."""
        if not folder.exists():
            return None
        try:
            return cls.load(folder)
        except TaskError:
            _remove_folder(folder)
            return None

    def _link(self, path: Path, array: NDArray[Any], building: Path | None) -> bool:
        """Link the file that holds an array; return false if there is none that may be linked."""
        source = find_mapped_file(array)
        if source is None:
            return False
        if source.parent != building:
            try:
                header = _read_header(source.parent)
            except TaskError:
                return False  # another program's file, which may change
            own = self._header()
            if any(header.get(key) != own[key] for key in ("fingerprint", "split")):
                return False
        try:
            os.link(source, path)
        except OSError:  # another disk, or one without links
            return False
        with path.open("rb") as file:
            os.fsync(file.fileno())
        return True

    def _header(self) -> dict[str, Any]:
        encoding = {} if self.encoding is None else {"encoding": self.encoding.to_json()}
        return {
            "format": _FORMAT,
            "name": self.name,
            "splits": list(self.splits),
            "class_names": list(self.class_names),
            "mean": list(self.mean),
            "std": list(self.std),
            "split": self.split.to_json(),
            "fingerprint": self.fingerprint,
            "notes": list(self.notes),
            **encoding,
        }

    def _check_same(self, folder: Path) -> None:
        """Raise a ``TaskError`` if a folder holds another task, or this one damaged."""
        header = _read_header(folder)
        own = self._header()
        # The wording of notes differs between versions.
        compared = (header.keys() | own.keys()) - {"files", "digest", "name", "notes"}
        if any(header.get(key) != own.get(key) for key in compared):
            raise TaskError(
                f"{folder} holds another task ({header.get('name')!r}); save "
                f"{self.name!r} into another folder"
            )
        try:
            _check_files(folder, header)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TaskError(
                f"the task in {folder} is damaged ({reason(error)}); remove the folder and save "
                "it again"
            ) from error


def _check_files(folder: Path, header: Mapping[str, Any]) -> None:
    """Compare every file with its digest.

    Raises:
        ValueError: a digest differs.
    """
    for name in (f"{part}_{kind}.npy" for part in header["splits"] for kind in _KINDS):
        if _digest_file(folder / name) != header["files"][name]:
            raise ValueError(f"the content of {name} has changed")


def _remove_folder(folder: Path) -> None:
    """Remove a folder in one step, so that no process sees a part of it."""
    with suppress(OSError):  # another process was quicker, or nothing may be written here
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        with suppress(OSError):
            os.rename(folder, temporary / "damaged")
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    """Remove incomplete folders that killed processes left beside a folder a day ago or more."""
    for leftover in folder.parent.glob(f".{escape(folder.name)}.*"):
        try:
            newest = max(path.stat().st_mtime for path in (leftover, *leftover.iterdir()))
        except OSError:  # another process removes it
            continue
        if time.time() - newest > _DAY:
            shutil.rmtree(leftover, ignore_errors=True)


def _digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _digest_header(header: Mapping[str, Any]) -> str:
    plain = {key: value for key, value in header.items() if key != "digest"}
    return sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _write_array(path: Path, array: NDArray[Any]) -> None:
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())


def _open_array(path: Path) -> NDArray[Any]:
    # Copy-on-write pages are shared like read-only ones, and torch takes them without a copy.
    array: NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    return array


def _read_header(folder: Path) -> dict[str, Any]:
    try:
        header = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise TaskError(
            f"{folder} holds no task ({error}); expected a folder that Task.save wrote"
        ) from error
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise TaskError(
            f"{folder} holds a task of another format; expected format {_FORMAT}: save it again"
        )
    if header.get("digest") != _digest_header(header):
        raise TaskError(
            f"the task in {folder} is damaged (the content of task.json has changed); remove the "
            "folder and save it again"
        )
    return header
