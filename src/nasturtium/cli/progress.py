"""Progress on the error stream, and the hint after Ctrl-C."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from nasturtium.display.printable import escape_unprintable
from nasturtium.study.stores.redact import redact

if TYPE_CHECKING:
    from nasturtium.run.progress_view import ProgressView

__all__ = ["progress_view", "report_interrupt"]


@contextmanager
def report_interrupt() -> Iterator[None]:
    """Turn Ctrl-C into exit code 130 and a hint on how to resume."""
    try:
        yield
    except KeyboardInterrupt:
        command = redact(shlex.join(["nasturtium", *sys.argv[1:]]))
        print(
            "stopped; nothing is lost, the same command resumes: " + escape_unprintable(command),
            file=sys.stderr,
        )
        raise typer.Exit(130) from None


def progress_view(quiet: bool, trials: int, hours: float | None) -> ProgressView:
    """Return the view of the progress: a panel on a terminal, lines elsewhere, none if quiet."""
    from rich.console import Console

    from nasturtium.run.progress_lines import Lines
    from nasturtium.run.progress_panel import Panel
    from nasturtium.run.progress_view import Silent

    if quiet:
        return Silent(trials, hours)
    console = Console(stderr=True)
    return (Panel if console.is_terminal else Lines)(console, trials, hours)
