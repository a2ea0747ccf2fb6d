"""Preparation: lengthy work of a strategy or an estimator, done once before the first trial."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from nasturtium import renamed
from nasturtium.errors import EstimateError
from nasturtium.study.context import StudyContext

__all__ = ["Preparation"]


@final
class Preparation:
    """The argument of :meth:`Strategy.prepare` and :meth:`Estimator.prepare`.

    Attributes:
        context: what all jobs of the study share.
    """

    if not TYPE_CHECKING:
        __getattr__ = renamed.missing_attribute

    def __init__(self, context: StudyContext, part: str, log: Callable[[Any], None]) -> None:
        self.context = context
        self._part = part
        self._log = log

    def of(self, part: str) -> Preparation:
        """Return the preparation of one part of a combined estimator, under its own name."""
        return Preparation(self.context, f"{self._part}.{part}", self._log)

    @property
    def checkpoint(self) -> Path | None:
        """The file in which a preparation saves its state, to resume after an interruption."""
        files = self.context.files
        return None if files is None else files.checkpoint(self.context.study, self._part)

    @property
    def prepared(self) -> Path | None:
        """The file that this part prepared in an earlier run, or ``None``."""
        digest = self.context.prepared.get(self._part)
        if digest is None or self.context.files is None:
            return None
        return self.context.files.get(digest)

    def keep(self, path: Path) -> None:
        """Keep a finished file as the result of this preparation; it is moved, then logged.

        The checkpoint of the preparation is deleted after that.

        Raises:
            EstimateError: the study has no folder for files.
        """
        files = self.context.files
        if files is None:
            raise EstimateError("this study has no folder for files; give it a store on disk")
        digest = files.put(path)
        self._log({"part": self._part, "digest": digest})
        self.context.prepared[self._part] = digest
        files.checkpoint(self.context.study, self._part).unlink(missing_ok=True)
