"""The events of a study's log, and their text.

====================  =============================================================
kind                  data
====================  =============================================================
``manifest``          what the study is: versions, seeds, data, parts, numerics
``prepared``          a part was prepared: ``{"part": name, "digest": ...}``
``asked``             a :class:`Trial`, pending
``rejected``          a :class:`Trial` that a free count refused
``told``, ``failed``  an :class:`Outcome`; one that is told may be of a stopped trial
``note``              anything a later stage adds, e.g. what was finished and exported
====================  =============================================================

An event has a body, which is the same in every run of the same study, and what was measured
(seconds), which is not. They are stored apart, so that logs can be compared byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from nasturtium.errors import NasturtiumError, StoreError
from nasturtium.study.trial import Fidelity, Outcome, Proposal, Trial

__all__ = ["Event", "decode", "encode"]

Data = Trial | Outcome | Mapping[str, Any]


class Event(NamedTuple):
    """One entry of the log.

    Attributes:
        kind: see the table above.
        data: a record or a mapping, by kind.
    """

    kind: str
    data: Data


_dumps = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode


def encode(event: Event) -> tuple[str, str]:
    """The event's body and its measurements as JSON texts; the second is empty without any."""
    data = event.data
    if isinstance(data, Trial):
        body: dict[str, Any] = {"n": data.number, "proposal": data.proposal.to_json()}
        if data.arm != "search":
            body["arm"] = data.arm
        if data.planned is not None:
            body["planned"] = data.planned
        if data.trained is not None:
            body["trained"] = data.trained.to_json()
        if event.kind == "rejected":
            body["metrics"] = dict(data.metrics)
            body["error"] = data.error
        return _dumps(body), ""
    if isinstance(data, Outcome):
        body = {"n": data.number}
        if data.metrics or event.kind == "told":
            body["metrics"] = dict(data.metrics)
        if data.error is not None:
            body["error"] = data.error
        if data.curve:
            body["curve"] = [dict(point) for point in data.curve]
        if data.files:
            body["files"] = dict(data.files)
        if data.epochs is not None:
            body["epochs"] = data.epochs
        if data.stopped:
            body["stopped"] = True
        return _dumps(body), f"[{data.seconds:.6f},{data.cpu_seconds:.6f}]"
    measured = data.get("measured")
    body = {name: value for name, value in data.items() if name != "measured"}
    return _dumps(body), "" if measured is None else _dumps(measured)


def decode(kind: str, body: str, measured: str) -> Event:
    """The event that :func:`encode` wrote.

    Raises:
        StoreError: the texts are not those of an event.
    """
    try:
        data = json.loads(body)
        if not isinstance(data, dict):
            raise TypeError(f"a {type(data).__name__}, not a mapping")
        times = json.loads(measured) if measured else None
        if kind in ("asked", "rejected"):
            return Event(
                kind,
                Trial(
                    data["n"],
                    data.get("arm", "search"),
                    Proposal.from_json(data["proposal"]),
                    "rejected" if kind == "rejected" else "pending",
                    data.get("metrics", {}),
                    error=data.get("error"),
                    planned=data.get("planned"),
                    trained=Fidelity(*data["trained"]) if "trained" in data else None,
                ),
            )
        if kind in ("told", "failed"):
            seconds, cpu_seconds = times or (0.0, 0.0)
            return Event(
                kind,
                Outcome(
                    data["n"],
                    data.get("metrics", {}),
                    tuple(data.get("curve", ())),
                    data.get("files", {}),
                    data.get("error"),
                    seconds,
                    cpu_seconds,
                    data.get("epochs"),
                    data.get("stopped", False),
                ),
            )
        if times is not None:
            data["measured"] = times
        return Event(kind, data)
    except (KeyError, TypeError, ValueError, NasturtiumError) as error:
        raise StoreError(
            f"an event of kind {kind!r} cannot be read ({error}): {body[:80]!r}; the store was "
            "written by another version, or is damaged"
        ) from error
