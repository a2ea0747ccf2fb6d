"""Every error that nasturtium raises on purpose.

::

    NasturtiumError
    ├── SpaceError        a search space, a decision or an architecture does not fit
    │   └── Rejected      one combination is outside the space (``choose.reject``)
    ├── StrategyError     a strategy cannot work with this space, history or these options
    ├── EstimateError     an estimator cannot estimate: missing metric, diverged training
    ├── StoreError        a store cannot be opened, read or written, or is leased to another driver
    ├── TaskError         data, labels or a split are not usable
    └── ExportError       a network cannot be exported, or its export differs from it

A message says what arrived, what was expected, and what to do.
"""

from __future__ import annotations

__all__ = [
    "EstimateError",
    "ExportError",
    "NasturtiumError",
    "Rejected",
    "SpaceError",
    "StoreError",
    "StrategyError",
    "TaskError",
]


class NasturtiumError(Exception):
    """Any error of nasturtium; the command line prints it as one line and exits with 2."""


class SpaceError(NasturtiumError):
    """A search space, a decision or an architecture does not fit."""


class Rejected(SpaceError):
    """A builder refused one combination of answers; samplers draw again."""


class StrategyError(NasturtiumError):
    """A strategy cannot work with this space, history or these options."""


class EstimateError(NasturtiumError):
    """An estimator cannot give the number it was asked for."""


class StoreError(NasturtiumError):
    """A store cannot be opened, read or written, or another driver holds the study."""


class TaskError(NasturtiumError):
    """Data, labels or a split are not usable."""


class ExportError(NasturtiumError):
    """A network cannot be exported, or its export differs from the network."""
