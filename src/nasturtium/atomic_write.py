"""Writing files so that they are complete or absent, even if the process is killed."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from nasturtium.errors import NasturtiumError, StoreError

__all__ = ["check_target", "present", "replace_file", "sync_folder"]


def present(path: Path) -> bool:
    """Return whether there is a file or folder at a path, also for names that no file can have."""
    try:
        return path.exists()
    except (OSError, ValueError, RuntimeError):  # a name that is too long, or a loop of links
        return False


def replace_file(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` so that a reader sees all of it, or the file before it.

    The bytes are written to a temporary file beside ``path`` and flushed to the disk, and the file
    is renamed. Then the folder is flushed, so that the new name survives a power cut.
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
    """Flush the names in ``folder`` to the disk; do nothing where folders cannot be opened."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_target(what: str, path: Path, error: type[NasturtiumError] = StoreError) -> None:
    """Check that a path can be written.

    Args:
        what: what will be written, for the message.
        path: the path.
        error: the class of the error.

    Raises:
        NasturtiumError: it is a folder or a device, its folder does not exist, or it cannot be
            written.
    """
    shown = repr(str(path) if len(str(path)) <= 200 else f"{str(path)[:197]}...")
    folder = path.parent
    try:
        if path.is_dir():
            raise error(f"{what} cannot be written to {shown}: it is a folder; name a file in it")
        if not folder.is_dir():
            raise error(
                f"{what} cannot be written to {shown}: there is no folder {str(folder)!r}; make "
                "it, or name another"
            )
        if stat.S_IFMT(path.stat().st_mode) != stat.S_IFREG:
            raise error(
                f"{what} cannot be written to {shown}: it is a device or a pipe, which would be "
                "replaced by a file; name a file"
            )
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as refused:  # a name that is too long, or holds a NUL
        raise error(f"{what} cannot be written to {shown}: {refused}; name another file") from None
    if not os.access(folder, os.W_OK):
        raise error(
            f"{what} cannot be written to {shown}: no right to write there; name a file in a "
            "folder that you may write to"
        )
