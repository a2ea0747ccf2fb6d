"""Where large arrays are made: in memory, or in mapped files that may be larger than it.

Data that need not fit in memory are decoded, converted and divided in chunks that are written to
``.npy`` files. The files are made in a folder beside their final place and renamed when they are
whole; one process at a time builds in a cache, so whatever else lies half-built there is the
remains of a killed one and is removed.
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

__all__ = ["Kept", "Storage", "folder_key", "mapped_file", "memory_budget", "spans"]

Array = NDArray[Any]

_BUILDING = ".building-"
_CHUNK = 4096  # examples at a time
_CHUNK_BYTES = 64 << 20  # and bytes of them, as float32
_UNKNOWN = 8 << 30  # memory of a machine that does not say


class Kept(Exception):
    """Another process finished the task while this one waited for the cache."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder


def memory_budget() -> int:
    """Return half of the memory that this machine, or its container, has: bytes."""
    sizes = [_UNKNOWN]
    with suppress(AttributeError, ValueError, OSError):  # no sysconf on Windows
        sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for limit in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):  # absent, or "max"
            sizes.append(int(Path("/sys/fs/cgroup", limit).read_text()))
    return min(sizes) // 2


def spans(count: int, example: tuple[int, ...]) -> Iterator[slice]:
    """Divide ``count`` examples of a shape into chunks of moderate size."""
    size = int(np.prod(example, dtype=np.int64)) * 4
    step = max(1, min(_CHUNK, _CHUNK_BYTES // max(size, 1)))
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


@final
class Storage:
    """Makes arrays, in memory or in files; a context, at whose end half-built files are removed.

    Args:
        cache: folder for what does not fit; ``None`` where there is none.
        memory: bytes that data may take in memory.
        ready: folder in the cache where the task will lie, if that is known before it is made.
    """

    def __init__(
        self, cache: Path | None = None, memory: int | None = None, ready: Path | None = None
    ) -> None:
        self.cache = cache
        self.memory = memory_budget() if memory is None else memory
        self.ready = ready
        self.folder: Path | None = None
        self._lock: IO[bytes] | None = None

    def need(self, size: int, what: str, *, resident: bool = False) -> None:
        """Say how many bytes will be made; if they do not fit, arrays become files from now on.

        Args:
            size: bytes.
            what: what takes them, for the message.
            resident: the data are in memory already, so that they do fit.

        Raises:
            TaskError: if they do not fit and there is no cache.
            Kept: if the task was finished meanwhile.
        """
        if size <= self.memory or self.folder is not None:
            return
        if self.cache is None:
            if resident:
                return
            raise TaskError(
                f"{what} take {_shown(size)}, and {_shown(self.memory)} may be kept in memory; "
                "pass cache=folder to keep them in files there, or memory= to allow more bytes"
            )
        self.cache.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self.cache / ".lock")
        if self.ready is not None and (self.ready / "task.json").is_file():
            raise Kept(self.ready)
        if self._lock is not None:
            for remains in self.cache.glob(f"{_BUILDING}*"):
                shutil.rmtree(remains, ignore_errors=True)
        self.folder = Path(tempfile.mkdtemp(dir=self.cache, prefix=_BUILDING))

    def empty(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """Make an array to be filled, in the file ``name`` where arrays are files.

        Raises:
            TaskError: if the disk has no room for it.
        """
        if self.folder is None:
            return np.empty(shape, dtype)
        path = self.folder / f"{name}.npy"
        array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        try:  # a map that finds no room when it is written to kills the process
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except AttributeError:  # Windows and macOS have no such call
            pass
        except OSError as error:
            raise TaskError(
                f"{_shown(array.nbytes)} cannot be written to {self.folder.parent} "
                f"({error.strerror}); make room, or pass another folder as cache="
            ) from error
        made: Array = array
        return made

    def taken(self, name: str, array: Array, rows: NDArray[np.int64]) -> Array:
        """Return some rows of an array, copied in chunks."""
        out = self.empty(name, (len(rows), *array.shape[1:]), array.dtype)
        for span in spans(len(rows), array.shape[1:]):
            np.take(array, rows[span], axis=0, out=out[span], mode="clip")
        return out

    def __enter__(self) -> Storage:
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
            self._lock.close()  # and so unlocked


def folder_key(files: list[Path], root: Path, settings: dict[str, Any]) -> str:
    """Return what identifies a task of files: their names, sizes, times and how it is made."""
    state = sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for path in files:
        name = path.relative_to(root).as_posix()
        try:
            facts = path.stat()
            size, changed = facts.st_size, facts.st_mtime_ns
        except OSError:  # a broken link
            size = changed = -1
        text = f"{len(name)}:{name}:{size}:{changed};"
        state.update(text.encode("utf-8", "surrogateescape"))
    return state.hexdigest()[:16]


def mapped_file(array: Array) -> Path | None:
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


def _locked(path: Path) -> IO[bytes] | None:
    """Wait for a lock that ends with the process; ``None`` where files cannot be locked."""
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


def _shown(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.3g} MB"
