"""Files that are either complete or absent, whatever kills the process that writes them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

__all__ = ["present", "replace_file", "sync_folder"]


def present(path: Path) -> bool:
    """Whether there is a file or folder of that name; no name is too strange to be asked about."""
    try:
        return path.exists()
    except (OSError, ValueError, RuntimeError):  # a name that is too long, or a loop of links
        return False


def replace_file(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` so that a reader sees all of it or the file that was before.

    The bytes go to a temporary file beside ``path``, are flushed to the disk, and the file is
    renamed; then the folder is flushed, so that the new name survives a power cut as well.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush the names in ``folder`` to the disk; does nothing where folders cannot be opened."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
