"""The events of a study's log, and their text.

====================  ===================================================================
kind                  data
====================  ===================================================================
``manifest``          what the study is: versions, seeds, data, parts, numerics
``prepared``          a part was prepared: ``{"part": name, "digest": ...}``
``asked``             a :class:`Trial`, pending
``rejected``          a :class:`Trial` that violates a constraint on a free metric
``told``, ``failed``  an :class:`Outcome`; one of kind ``told`` may be of a stopped trial
``note``              anything a later stage adds, e.g. that a network was trained or exported
====================  ===================================================================

An event has a body, which is the same in every run of the same study, and measurements (seconds),
which differ. They are stored separately, so that logs can be compared byte for byte. Each event is
stored with a digest of itself and of the digest before it (:func:`chain_digest`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

from nasturtium import renamed
from nasturtium.architecture import Architecture
from nasturtium.errors import NasturtiumError, StoreError
from nasturtium.study.event_schema import (
    OUTCOMES,
    TRIALS,
    check_event,
    check_measured,
    is_number,
    parse_times,
)
from nasturtium.study.fidelity import Fidelity
from nasturtium.study.trial import Outcome, Proposal, State, Trial

__all__ = ["Data", "Event", "chain_digest", "decode", "dump_json", "encode"]

Data = Trial | Outcome | Mapping[str, Any]

_encode_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode
_parse_json = json.JSONDecoder().raw_decode


class Event(NamedTuple):
    """One entry of the log.

    Attributes:
        kind: see the table above.
        data: a record or a mapping, by kind.
    """

    kind: str
    data: Data


def chain_digest(previous: str, number: int, kind: str, body: str, measured: str) -> str:
    """Return the digest of an event: of its texts, its number, and the digest before it.

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
    """Return the event's body and its measurements as JSON texts; the second is empty without any.

    A text that is not Unicode (a lone surrogate, as in some names of files) is stored with
    backslash escapes. Keys that are not texts become texts.

    Raises:
        TypeError: the event holds something else than plain numbers, texts, lists and mappings.
        StoreError: the event could not be read again.
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
        return dump_json(body), ""
    if isinstance(data, Outcome):
        body = {"n": data.number}
        if data.metrics or event.kind == "told":
            body["metrics"] = _checked_numbers(data.metrics)
        if data.error is not None:
            body["error"] = data.error
        if data.curve:
            body["curve"] = [_checked_numbers(point) for point in data.curve]
        if data.files:
            body["files"] = dict(data.files)
        if data.epochs is not None:
            body["epochs"] = data.epochs
        if data.stopped:
            body["stopped"] = True
        if (data.seconds + data.cpu_seconds) * 0.0 != 0.0:
            raise TypeError("the seconds of a trial are not finite numbers")
        return dump_json(body), f"[{data.seconds:.6f},{data.cpu_seconds:.6f}]"
    measured = data.get("measured")
    text = dump_json({name: value for name, value in data.items() if name != "measured"})
    try:
        check_event(event.kind, json.loads(text))
        if measured is not None:
            check_measured(event.kind, json.loads(dump_json(measured)))
    except KeyError as error:
        raise StoreError(f"a {event.kind} cannot be logged: it has no {error}") from None
    except TypeError as error:
        raise StoreError(f"a {event.kind} cannot be logged: {error}") from None
    return text, "" if measured is None else dump_json(measured)


def _checked_numbers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping that can be read again as one of numbers."""
    for name, value in metrics.items():
        if type(value) is not float and not is_number(value) and not isinstance(value, float):
            raise TypeError(
                f"{name!r} is {value!r:.60}, which is not JSON serializable as a number"
            )
    return dict(metrics)


def dump_json(value: Any) -> str:
    """Return a value as JSON in canonical form: compact, with sorted keys, valid Unicode.

    Raises:
        TypeError: the value holds something else than plain numbers, texts, lists and mappings.
    """
    try:
        text = _encode_json(value)
    except TypeError:  # keys that are not texts: some cannot be sorted, some not be written
        return _encode_json(_escape_texts(value))
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return _encode_json(_escape_texts(value))
    return text


def _escape_texts(value: Any) -> Any:
    """Return the same value with texts that are valid Unicode, and texts for all keys."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_escape_texts(str(name)): _escape_texts(one) for name, one in value.items()}
    return [_escape_texts(one) for one in value] if isinstance(value, (list, tuple)) else value


def decode(
    kind: str, body: str, measured: str, known: dict[Architecture, Architecture] | None = None
) -> Event:
    """Return the event that :func:`encode` wrote, complete and of the right types.

    This is the one place where the content of a store is checked: an event that it returns can be
    used without further checks, whoever wrote the store.

    Args:
        kind: as it is stored.
        body: as it is stored.
        measured: as it is stored.
        known: architectures that were read before; an equal one is not stored twice in memory.

    Raises:
        StoreError: the texts are not those of an event.
    """
    try:
        data, times = _parse_texts(body, measured)
        if kind == "manifest":
            data = renamed.manifest(data)
        check_event(kind, data)
        if kind in TRIALS:
            return Event(kind, _decode_trial(kind, data, known))
        if kind in OUTCOMES:
            return Event(kind, _decode_outcome(data, times))
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


def _parse_texts(body: str, measured: str) -> tuple[dict[str, Any], Any]:
    data, end = _parse_json(body)
    if not isinstance(data, dict) or end != len(body):
        raise TypeError(f"a {type(data).__name__}, not a mapping")
    times, end = _parse_json(measured) if measured else (None, 0)
    if end != len(measured):
        raise TypeError("more than one value was measured")
    if "\\u" in body or "\\u" in measured:
        _encode_json([data, times]).encode()  # which refuses lone surrogates
    return data, times


def _decode_trial(
    kind: str, data: dict[str, Any], known: dict[Architecture, Architecture] | None
) -> Trial:
    proposal = Proposal.from_json(data["proposal"])
    if known is not None:
        own = proposal[0]
        proposal = Proposal(known.setdefault(own, own), *proposal[1:])
    state: State = "rejected" if kind == "rejected" else "pending"
    return Trial(
        data["n"],
        data.get("arm", "search"),
        proposal,
        state,
        data.get("metrics", {}),
        error=data.get("error"),
        planned=data.get("planned"),
        trained=Fidelity(*data["trained"]) if "trained" in data else None,
    )


def _decode_outcome(data: dict[str, Any], times: Any) -> Outcome:
    seconds, cpu_seconds = (0.0, 0.0) if times is None else parse_times(times)
    return Outcome(
        data["n"],
        data.get("metrics", {}),
        tuple(data.get("curve", ())),
        data.get("files", {}),
        data.get("error"),
        seconds,
        cpu_seconds,
        data.get("epochs"),
        data.get("stopped", False),
    )
