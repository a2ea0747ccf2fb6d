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
    """Any error of nasturtium; the command line prints it as one line and exits with 2.

    Example:
        >>> import nasturtium as nas
        >>> try:
        ...     nas.search("digits", space="mobilnet", store=None)
        ... except nas.NasturtiumError as error:
        ...     print("mobilenet" in str(error))
        True
    """


class SpaceError(NasturtiumError):
    """A search space, a decision or an architecture does not fit.

    Example:
        >>> import nasturtium as nas
        >>> try:
        ...     nas.OneOf("width", ())
        ... except nas.SpaceError as error:
        ...     print("at least one" in str(error))
        True
    """


class Rejected(SpaceError):
    """A builder refused one combination of decisions; samplers draw again."""


class StrategyError(NasturtiumError):
    """A strategy cannot work with this space, history or these options.

    Example:
        >>> import nasturtium as nas
        >>> try:
        ...     nas.Study(nas.zoo.nasbench201, nas.RandomSearch(), objectives=())
        ... except nas.StrategyError as error:
        ...     print("at least one objective" in str(error))
        True
    """


class EstimateError(NasturtiumError):
    """An estimator cannot give the number it was asked for.

    Example:
        >>> import nasturtium as nas
        >>> try:
        ...     nas.Recipe(lr=-1)
        ... except nas.EstimateError as error:
        ...     print("positive" in str(error))
        True
    """


class StoreError(NasturtiumError):
    """A store cannot be opened, read or written, or another driver holds the study.

    Example:
        >>> import nasturtium as nas
        >>> try:
        ...     nas.resume("no/such/folder/study.db")
        ... except nas.StoreError as error:
        ...     print("folder" in str(error))
        True
    """


class TaskError(NasturtiumError):
    """Data, labels or a split are not usable.

    Example:
        >>> import nasturtium as nas
        >>> try:
        ...     nas.load("digts")
        ... except nas.TaskError as error:
        ...     print("digits" in str(error))
        True
    """


class ExportError(NasturtiumError):
    """A network cannot be exported, or its export differs from the network.

    Example:
        >>> import nasturtium as nas
        >>> issubclass(nas.ExportError, nas.NasturtiumError)
        True
    """
