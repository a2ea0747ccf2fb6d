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
Each event is stored with a digest of itself and of the digest before it (:func:`chained`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

from nasturtium import renamed
from nasturtium.architecture import Architecture
from nasturtium.errors import NasturtiumError, StoreError
from nasturtium.study.event_schema import OUTCOMES, TRIALS, check_measured, check_shape
from nasturtium.study.event_schema import number as is_number
from nasturtium.study.event_schema import times as read_times
from nasturtium.study.trial import Fidelity, Outcome, Proposal, State, Trial

__all__ = ["Event", "chained", "decode", "encode"]

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
_read = json.JSONDecoder().raw_decode


def chained(previous: str, number: int, kind: str, body: str, measured: str) -> str:
    """The digest of an event: of its texts, its number, and the digest of the event before it.

    Args:
        previous: the digest of the event before; empty for the first.
        number: the event's number, from 1.
        kind: as it is stored.
        body: as it is stored.
        measured: as it is stored.
    """
    text = f"{previous}\n{number}\n{kind}\n{len(body)}\n{body}\n{measured}"
    return blake2b(text.encode(), digest_size=16).hexdigest()


def encode(event: Event) -> tuple[str, str]:
    """The event's body and its measurements as JSON texts; the second is empty without any.

    A text that is not Unicode (a lone surrogate, as Python makes of a file's name) is stored with
    backslashes in its place. Names that are no texts become texts.

    Raises:
        TypeError: it holds something else than plain numbers, texts, lists and mappings.
        StoreError: it would not be read again.
    """
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
        return _text(body), ""
    if isinstance(data, Outcome):
        body = {"n": data.number}
        if data.metrics or event.kind == "told":
            body["metrics"] = _numbers(data.metrics)
        if data.error is not None:
            body["error"] = data.error
        if data.curve:
            body["curve"] = [_numbers(point) for point in data.curve]
        if data.files:
            body["files"] = dict(data.files)
        if data.epochs is not None:
            body["epochs"] = data.epochs
        if data.stopped:
            body["stopped"] = True
        if (data.seconds + data.cpu_seconds) * 0.0 != 0.0:
            raise TypeError("the seconds of a trial are no finite numbers")
        return _text(body), f"[{data.seconds:.6f},{data.cpu_seconds:.6f}]"
    measured = data.get("measured")
    text = _text({name: value for name, value in data.items() if name != "measured"})
    try:
        check_shape(event.kind, json.loads(text))
        if measured is not None:
            check_measured(event.kind, json.loads(_text(measured)))
    except KeyError as error:
        raise StoreError(f"a {event.kind} cannot be logged: it has no {error}") from None
    except TypeError as error:
        raise StoreError(f"a {event.kind} cannot be logged: {error}") from None
    return text, "" if measured is None else _text(measured)


def _numbers(found: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping that will be read again as one of numbers."""
    for name, value in found.items():
        if type(value) is not float and not is_number(value) and not isinstance(value, float):
            raise TypeError(
                f"{name!r} is {value!r:.60}, which is not JSON serializable as a number"
            )
    return dict(found)


def _text(value: Any) -> str:
    """JSON that every database takes."""
    try:
        text = _dumps(value)
    except TypeError:  # of names that are no texts, some cannot be sorted and some not be written
        return _dumps(_unicode(value))
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return _dumps(_unicode(value))
    return text


def _unicode(value: Any) -> Any:
    """The same with texts that are Unicode, and texts for all names."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_unicode(str(name)): _unicode(one) for name, one in value.items()}
    return [_unicode(one) for one in value] if isinstance(value, (list, tuple)) else value


def decode(
    kind: str, body: str, measured: str, known: dict[Architecture, Architecture] | None = None
) -> Event:
    """The event that :func:`encode` wrote, complete and of the right types.

    This is the one place where what a store holds is checked: what it gives can be used without
    further questions, whoever wrote the store.

    Args:
        kind: as it is stored.
        body: as it is stored.
        measured: as it is stored.
        known: architectures that were read before; one that is equal takes no more memory.

    Raises:
        StoreError: the texts are not those of an event.
    """
    try:
        data, end = _read(body)
        if not isinstance(data, dict) or end != len(body):
            raise TypeError(f"a {type(data).__name__}, not a mapping")
        times, end = _read(measured) if measured else (None, 0)
        if end != len(measured):
            raise TypeError("more than one value was measured")
        if "\\u" in body or "\\u" in measured:
            _dumps([data, times]).encode()  # which refuses lone surrogates
        if kind == "manifest":
            data = renamed.manifest(data)
        check_shape(kind, data)
        if kind in TRIALS:
            proposal = Proposal.from_json(data["proposal"])
            if known is not None:
                own = proposal[0]
                proposal = Proposal(known.setdefault(own, own), *proposal[1:])
            state: State = "rejected" if kind == "rejected" else "pending"
            return Event(
                kind,
                Trial(
                    data["n"],
                    data.get("arm", "search"),
                    proposal,
                    state,
                    data.get("metrics", {}),
                    error=data.get("error"),
                    planned=data.get("planned"),
                    trained=Fidelity(*data["trained"]) if "trained" in data else None,
                ),
            )
        if kind in OUTCOMES:
            seconds, cpu_seconds = (0.0, 0.0) if times is None else read_times(times)
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
            check_measured(kind, times)
            data["measured"] = times
        return Event(kind, data)
    except RecursionError:
        reason = "it is nested too deeply"
    except UnicodeEncodeError:
        reason = "it holds a text that is not Unicode"
    except KeyError as error:
        reason = f"it has no {error}"
    except (TypeError, ValueError, NasturtiumError) as error:
        reason = str(error)
    raise StoreError(
        f"an event of kind {kind!r} cannot be read ({reason}): {body[:80]!r}; the store was "
        "written by another version, or is damaged"
    )
