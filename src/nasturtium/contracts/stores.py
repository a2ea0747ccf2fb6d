"""The laws of a store."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from nasturtium.architecture import Architecture
from nasturtium.contracts.law import law
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
    """Check that a store keeps the laws that a study's log relies on.

    * ``append`` returns the number of the last event; ``read`` gives what was appended, in order,
      equal in every field, from any number on; studies do not see each other.
    * Events that cannot be written leave nothing behind, not even those beside them.
    * ``studies`` names those that have events, sorted.
    * A durable store is all there when it is opened again, also by a second opener.
    * The lease is refused while it is held and free once released; it leaves the log alone.

    Args:
        make_store: opens the store that is kept in a folder; called again with the same folder, it
            opens the same store.
        durable: whether the store outlives the object; false for one in memory.

    Raises:
        AssertionError: a law is broken; says which, and by what.

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
    law(store.studies() == (), f"{name}: a new store has studies: {store.studies()!r}")
    law(list(store.read("s")) == [], f"{name}: a study that is not there has events")
    done = store.append("s", EVENTS[:2])
    law(done == 2, f"{name}: append() of two events to an empty log returned {done}; expected 2")
    store.append("another 's", EVENTS[:1])
    for number, event in enumerate(EVENTS[2:], 3):
        done = store.append("s", [event])
        law(done == number, f"{name}: append() of event {number} returned {done}")
    law(
        store.append("s", []) == len(EVENTS),
        f"{name}: append() of nothing does not return the number of the last event",
    )
    for after in range(len(EVENTS) + 1):
        found = list(store.read("s", after))
        for wanted, event in zip(EVENTS[after:], found, strict=False):
            law(
                event == wanted and type(event.data) is type(wanted.data),
                f"{name}: {wanted!r} was appended and {event!r} is read",
            )
        law(
            len(found) == len(EVENTS) - after,
            f"{name}: {len(found)} events are read after number {after} of {len(EVENTS)}",
        )
    law(
        list(store.read("another 's")) == list(EVENTS[:1]),
        f"{name}: one study sees another one's events",
    )
    law(
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
        raise AssertionError(f"{name}: an event that is not plain data was taken")
    law(
        list(store.read("s")) == list(EVENTS),
        f"{name}: an append that failed left a part of its events behind",
    )
    law(
        store.append("s", EVENTS[:1]) == len(EVENTS) + 1,
        f"{name}: after an append that failed, the next one's number is wrong",
    )


def _check_reopening(make_store: Callable[[Path], Store], folder: Path, store: Store) -> None:
    name = type(store).__name__
    wanted = list(store.read("s"))
    second = make_store(folder)
    try:
        law(
            list(second.read("s")) == wanted,
            f"{name}: a second opener does not read what was appended",
        )
        law(second.folder == store.folder, f"{name}: opened again, it has another folder of files")
        law(
            second.append("s", EVENTS[:1]) == len(wanted) + 1,
            f"{name}: opened again, it does not go on from the last number",
        )
    finally:
        second.close()
    law(len(list(store.read("s"))) == len(wanted) + 1, f"{name}: a second opener's event is lost")


def _check_lease(store: Store) -> None:
    name = type(store).__name__
    before = list(store.read("s")), store.studies()
    lease = store.lease("s")
    try:
        store.lease("s")
    except StoreError as error:
        law(
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
    law(
        (list(store.read("s")), store.studies()) == before,
        f"{name}: leases show in the log; they lie outside it",
    )
