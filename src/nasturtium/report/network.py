"""The chosen network for a study's page: a drawing and a table of its blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from markupsafe import Markup

from nasturtium.errors import NasturtiumError, StoreError
from nasturtium.report.draw import picture, rows
from nasturtium.report.graph import graph
from nasturtium.study.study import Study
from nasturtium.study.trial import Trial

__all__ = ["NetworkView", "describe_network"]


@final
@dataclass(frozen=True)
class NetworkView:
    """The chosen network as the page shows it.

    Attributes:
        trial: the trial's number.
        drawing: an SVG with escaped texts; ``None`` where there is no drawing.
        blocks: name, type, output, parameters and multiply-accumulates of each block.
        reason: the reason why there is no drawing; empty where there is one.
    """

    trial: int
    drawing: Markup | None = None
    blocks: tuple[tuple[str | int, ...], ...] = ()
    reason: str = ""


def describe_network(study: Study, trial: Trial) -> NetworkView:
    """Draw the network of a trial, or give the reason why it cannot be drawn."""
    try:
        drawn = graph(_build(study, trial), _input_shape(study))
    except NasturtiumError as error:
        reason = f"The network of trial {trial.number} is not drawn: {error}"
        return NetworkView(trial.number, reason=reason)
    except Exception as error:  # a user's builder or module may raise anything
        reason = f"The network is not drawn: building it raised {type(error).__name__}: {error}"
        return NetworkView(trial.number, reason=reason)
    return NetworkView(trial.number, Markup(picture(drawn)), tuple(rows(drawn)))


def _build(study: Study, trial: Trial) -> Any:
    """Build a trial's network, without weights where the space can do that."""
    skeleton = getattr(study.space, "skeleton", None)
    return (study.space.build if skeleton is None else skeleton)(trial.architecture)


def _input_shape(study: Study) -> tuple[int, ...]:
    """Return the shape of one example: from the data, the manifest or the bound space."""
    if study.task is not None:
        return tuple(study.task.inputs)
    data = study.manifest.get("data")
    shape = data.get("inputs") if isinstance(data, Mapping) else None
    if shape is None:
        arguments = getattr(study.space, "builder_arguments", None)
        shape = None if arguments is None else arguments.get("inputs")
    if shape is None:
        raise StoreError(
            "the shape of an example is unknown: neither the data nor the space has it"
        )
    return tuple(shape)
