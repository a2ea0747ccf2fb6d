"""Storage of large arrays: in memory, or in mapped files of a cache.

Data larger than the memory are decoded, converted and divided in chunks that are written to
``.npy`` files. The files are made in a folder beside their final place and renamed when they are
complete. One process at a time builds in a cache, so incomplete folders of other processes there
were left by killed processes and are removed.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import IO, Any, final

import numpy as np
from numpy.typing import NDArray

from nasturtium.errors import TaskError

__all__ = [
    "AlreadyCached",
    "ArrayStorage",
    "chunk_slices",
    "digest_files",
    "find_mapped_file",
    "memory_budget",
]

Array = NDArray[Any]

_BUILDING = ".building-"
_CHUNK = 4096  # examples at a time
_CHUNK_BYTES = 64 << 20  # and bytes of them, as float32
_UNKNOWN = 8 << 30  # bytes of memory assumed where the system does not report them


class AlreadyCached(Exception):
    """Another process finished the task while this one waited for the cache."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder


def memory_budget() -> int:
    """Return half of the memory of this machine, or of its container, in bytes."""
    sizes = [_UNKNOWN]
    with suppress(AttributeError, ValueError, OSError):  # no sysconf on Windows
        sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for limit in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # absent, or "max"
            sizes.append(int(Path("/sys/fs/cgroup", limit).read_text()))
    return min(sizes) // 2


def chunk_slices(count: int, example: tuple[int, ...]) -> Iterator[slice]:
    """Divide ``count`` examples of a shape into chunks of moderate size."""
    size = int(np.prod(example, dtype=np.int64)) * 4
    step = max(1, min(_CHUNK, _CHUNK_BYTES // max(size, 1)))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


@final
class ArrayStorage:
    """Maker of arrays, in memory or in files; its context removes incomplete files at the end.

    Args:
        cache: folder for arrays that do not fit in memory; ``None`` for no cache.
        memory: bytes that data may take in memory.
        target: folder in the cache for the finished task, if it is known before.
    """

    def __init__(
        self, cache: Path | None = None, memory: int | None = None, target: Path | None = None
    ) -> None:
        self.cache = cache
        self.memory = memory_budget() if memory is None else memory
        self.target = target
        self.folder: Path | None = None
        self._lock: IO[bytes] | None = None

    def reserve(self, size: int, what: str, *, resident: bool = False) -> None:
        """Reserve bytes for arrays; if they do not fit in memory, later arrays become files.

        Args:
            size: bytes.
            what: name of the data in the message.
            resident: whether the data are in memory already, so that they do fit.

        Raises:
            TaskError: they do not fit and there is no cache.
            AlreadyCached: another process finished the task meanwhile.
        """
        if size <= self.memory or self.folder is not None:
            return
        if self.cache is None:
            if resident:
                return
            raise TaskError(
                f"{what} take {_format_size(size)}, and {_format_size(self.memory)} may be kept in "
                "memory; pass cache=folder to keep them in files there, or memory= to allow more "
                "bytes"
            )
        self.cache.mkdir(parents=True, exist_ok=True)
        self._lock = _lock_file(self.cache / ".lock")
        if self.target is not None and (self.target / "task.json").is_file():
            raise AlreadyCached(self.target)
        if self._lock is not None:
            for incomplete in self.cache.glob(f"{_BUILDING}*"):
                shutil.rmtree(incomplete, ignore_errors=True)
        self.folder = Path(tempfile.mkdtemp(dir=self.cache, prefix=_BUILDING))

    def empty(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """Return an array without values, in the file ``name`` where arrays are files.

        Raises:
            TaskError: the disk has no room for it.
        """
        if self.folder is None:
            return np.empty(shape, dtype)
        path = self.folder / f"{name}.npy"
        array: Array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        try:  # writing to a map on a full disk would kill the process
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except AttributeError:  # Windows and macOS have no such call
            pass
        except OSError as error:
            raise TaskError(
                f"{_format_size(array.nbytes)} cannot be written to {self.folder.parent} "
                f"({error.strerror}); make room, or pass another folder as cache="
            ) from error
        return array

    def take_rows(self, name: str, array: Array, rows: NDArray[np.int64]) -> Array:
        """Return rows of an array, copied in chunks."""
        out = self.empty(name, (len(rows), *array.shape[1:]), array.dtype)
        for span in chunk_slices(len(rows), array.shape[1:]):
            np.take(array, rows[span], axis=0, out=out[span], mode="clip")
        return out

    def __enter__(self) -> ArrayStorage:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()  # releases the lock


def digest_files(files: list[Path], root: Path, settings: dict[str, Any]) -> str:
    """Return a digest of the names, sizes and times of files, and of settings."""
    state = sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for path in files:
        name = path.relative_to(root).as_posix()
        try:
            status = path.stat()
            size, changed = status.st_size, status.st_mtime_ns
        except OSError:  # a broken link
            size = changed = -1
        text = f"{len(name)}:{name}:{size}:{changed};"
        state.update(text.encode("utf-8", "surrogateescape"))
    return state.hexdigest()[:16]


def find_mapped_file(array: Array) -> Path | None:
    """Return the ``.npy`` file that holds an array and nothing else, if the array maps it."""
    root: Any = array
    while isinstance(root, np.ndarray) and not isinstance(root, np.memmap):
        root = root.base
    if not isinstance(root, np.memmap) or root.filename is None:
        return None
    path = Path(root.filename)
    try:
        whole = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        return None
    same = (whole.shape, whole.dtype) == (array.shape, array.dtype) and array.flags.c_contiguous
    return path if same and array.ctypes.data == root.ctypes.data else None


def _lock_file(path: Path) -> IO[bytes] | None:
    """Wait for a lock that ends with the process; return ``None`` if files cannot be locked."""
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        file.close()
        return None
    return file


def _format_size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.3g} MB"
