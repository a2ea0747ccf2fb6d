"""Whether a file can be written, asked before the work is done for it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from nasturtium.errors import NasturtiumError, StoreError

__all__ = ["check_target"]


def check_target(what: str, path: Path, error: type[NasturtiumError] = StoreError) -> None:
    """Refuse a path that cannot be written.

    Args:
        what: what will be written, for the message.
        path: where.
        error: the class of what is raised.

    Raises:
        NasturtiumError: it is a folder or a device, its folder is not there, or it cannot be
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
