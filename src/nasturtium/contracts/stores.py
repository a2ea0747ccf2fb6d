"""The contract of a store."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from nasturtium.architecture import Architecture
from nasturtium.contracts.assertions import require
from nasturtium.errors import StoreError
from nasturtium.study.event import Event
from nasturtium.study.fidelity import Fidelity
from nasturtium.study.stores.base import Store
from nasturtium.study.trial import Outcome, Proposal, Trial

__all__ = ["check_store"]

ARCHITECTURE = Architecture("space", {"width": 8, "rate": 0.1, "inputs": ("a", ("ü", True))})
TRIAL = Trial(0, "search", Proposal(ARCHITECTURE, Fidelity(epochs=0.5), 1, None, True))
EVENTS = (
    Event("manifest", {"seed": 0, "text": "✓ \n'\";", "measured": {"host": "here"}}),
    Event("asked", TRIAL),
    Event("told", Outcome(0, {"accuracy": 0.5}, ({"epoch": 1},), {"weights": "ab"}, None, 1.5, 2)),
    Event("rejected", Trial(1, "control", TRIAL.proposal, "rejected", {"params": 5}, error="big")),
    Event("failed", Outcome(2, error="it\nbroke", seconds=0.25)),
    Event("note", {"nested": [{"a": None}, 1.0, True]}),
)


def check_store(make_store: Callable[[Path], Store], *, durable: bool = True) -> None:
    """Check the properties of a store on which the log of a study relies.

    * ``append`` returns the number of the last event; ``read`` yields the appended events in order,
      equal in every field, from any number on; the logs of two studies are separate.
    * An append that fails writes none of its events.
    * ``studies`` returns the names of those that have events, sorted.
    * A durable store has all events when it is opened again, also while it is open elsewhere.
    * The lease is refused while it is held, and free once released; it does not change the log.

    Args:
        make_store: opens the store in a folder; called again with the same folder, it opens the
            same store.
        durable: whether the events outlive the object; false for a store in memory.

    Raises:
        AssertionError: a property is violated; says which, and by what.

    Example:
        >>> import nasturtium as nas
        >>> from nasturtium.contracts import check_store
        >>> check_store(lambda folder: nas.SqlStore(folder / "study.db"))
    """
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(Path(folder))
        try:
            _check_log(store)
            if durable:
                _check_whole_appends(store)
                _check_reopening(make_store, Path(folder), store)
            _check_lease(store)
        finally:
            store.close()


def _check_log(store: Store) -> None:
    name = type(store).__name__
    require(store.studies() == (), f"{name}: a new store has studies: {store.studies()!r}")
    require(list(store.read("s")) == [], f"{name}: a study that does not exist has events")
    last = store.append("s", EVENTS[:2])
    require(
        last == 2, f"{name}: append() of two events to an empty log returned {last}; expected 2"
    )
    store.append("another 's", EVENTS[:1])
    for number, event in enumerate(EVENTS[2:], 3):
        last = store.append("s", [event])
        require(last == number, f"{name}: append() of event {number} returned {last}")
    require(
        store.append("s", []) == len(EVENTS),
        f"{name}: append() of nothing does not return the number of the last event",
    )
    for after in range(len(EVENTS) + 1):
        stored = list(store.read("s", after))
        for expected, event in zip(EVENTS[after:], stored, strict=False):
            require(
                event == expected and type(event.data) is type(expected.data),
                f"{name}: {expected!r} was appended and {event!r} is read",
            )
        require(
            len(stored) == len(EVENTS) - after,
            f"{name}: {len(stored)} events are read after number {after} of {len(EVENTS)}",
        )
    require(
        list(store.read("another 's")) == list(EVENTS[:1]),
        f"{name}: a study has events of another study",
    )
    require(
        store.studies() == ("another 's", "s"),
        f"{name}: studies() gave {store.studies()!r}; expected those with events, sorted",
    )


def _check_whole_appends(store: Store) -> None:
    name = type(store).__name__
    bad = Event("note", {"what": object()})
    try:
        store.append("s", [EVENTS[0], bad, EVENTS[1]])
    except StoreError:
        pass
    else:
        raise AssertionError(f"{name}: an event that is not plain data was accepted")
    require(
        list(store.read("s")) == list(EVENTS),
        f"{name}: an append that failed left a part of its events behind",
    )
    require(
        store.append("s", EVENTS[:1]) == len(EVENTS) + 1,
        f"{name}: after an append that failed, the next one's number is wrong",
    )


def _check_reopening(make_store: Callable[[Path], Store], folder: Path, store: Store) -> None:
    name = type(store).__name__
    events = list(store.read("s"))
    second = make_store(folder)
    try:
        require(
            list(second.read("s")) == events,
            f"{name}: a second opener does not read the appended events",
        )
        require(second.folder == store.folder, f"{name}: opened again, its folder of files differs")
        require(
            second.append("s", EVENTS[:1]) == len(events) + 1,
            f"{name}: opened again, it does not continue from the last number",
        )
    finally:
        second.close()
    require(
        len(list(store.read("s"))) == len(events) + 1,
        f"{name}: an event of a second opener is lost",
    )


def _check_lease(store: Store) -> None:
    name = type(store).__name__
    before = list(store.read("s")), store.studies()
    lease = store.lease("s")
    try:
        store.lease("s")
    except StoreError as error:
        require(
            "'s'" in str(error),
            f"{name}: the refusal of a lease does not name the study: {error}",
        )
    else:
        raise AssertionError(f"{name}: a study's lease was given twice")
    other = store.lease("one without events")
    lease.beat()
    other.release()
    lease.release()
    store.lease("s").release()
    require(
        (list(store.read("s")), store.studies()) == before,
        f"{name}: leases change the log; they have to be outside it",
    )
