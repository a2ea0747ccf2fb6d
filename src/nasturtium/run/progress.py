"""Progress of a search: a panel on a terminal, plain lines elsewhere.

Both write to the error stream, so that the output has only the answers of commands. A call from
Python shows the panel on a terminal and lines in a notebook; elsewhere its lines go to the logger
``nasturtium`` at the level INFO, which Python does not print unless a program asks for it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from nasturtium.run.progress_lines import Lines
from nasturtium.run.progress_panel import Panel
from nasturtium.run.progress_view import ProgressView
from nasturtium.run.stages import Watch, call_both

__all__ = ["choose_view", "show_progress"]

logger = logging.getLogger("nasturtium")


@contextmanager
def show_progress(
    progress: bool | None, watch: Watch | None, trials: int, hours: float | None
) -> Iterator[Watch | None]:
    """Show a search as :func:`choose_view` decides; yield the function that the search calls.

    Args:
        progress: whether to show it.
        watch: the caller's own function, which is called as well.
        trials: the budget.
        hours: the limit of time, if there is one.
    """
    view = choose_view(progress, watch is not None, trials, hours)
    if view is None:
        yield watch
        return
    with view:
        yield call_both(view, watch)


def choose_view(
    progress: bool | None, watched: bool, trials: int = 0, hours: float | None = None
) -> ProgressView | None:
    """Return the view for a call from Python; ``None`` if it shows nothing.

    Args:
        progress: whether the caller wants a view; ``None`` to decide by the place.
        watched: whether the caller's own function is called already.
        trials: the budget.
        hours: the limit of time, if there is one.
    """
    if progress is False or (progress is None and watched):
        return None
    if Console().is_jupyter:
        return Lines(Console(force_jupyter=False, force_terminal=False), trials, hours)
    if sys.stderr is not None and sys.stderr.isatty():
        return Panel(Console(stderr=True), trials, hours)
    if progress:
        return Lines(Console(stderr=True), trials, hours)
    return Lines(None, trials, hours) if logger.isEnabledFor(logging.INFO) else None
