"""What a part of a log comes to, so that a long log is not read whole to say how a study stands.

A segment covers :data:`SEGMENT` events. It holds counts, sums, and the numbers of the few events
that are still worth reading: the best trials of each fidelity, the Pareto front, what is pending,
and what is not a trial's. The best of a whole log is among the best of its segments, and the same
is true of the front, so segments that follow each other add up to the log.
"""

from __future__ import annotations

import base64
import json
import sys
from array import array
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from nasturtium.errors import NasturtiumError, StoreError
from nasturtium.study.confirmation import ANSWER_ARMS
from nasturtium.study.event import Event, chained
from nasturtium.study.event_schema import natural
from nasturtium.study.history import History
from nasturtium.study.measured import Measured
from nasturtium.study.trial import Objective, Outcome, Trial

__all__ = ["BEST", "SEGMENT", "Goals", "Pending", "Segment", "goals_of", "misfit"]

SEGMENT = 8192  # events
BEST = 5  # trials of a segment and fidelity that may be among the best of the study


class Pending(NamedTuple):
    """A trial that was asked for, and the number of the event that says so."""

    event: int
    trial: Trial


class Goals(NamedTuple):
    """What the trials of a study are compared by."""

    objectives: tuple[Objective, ...]
    constraints: tuple[Objective, ...]

    def history(self, trials: Iterable[Trial] = ()) -> History:
        """A history of these finished trials, to ask for its best and its front."""
        # Nothing that is asked of it looks at the space.
        made = History(cast(Any, None), self.objectives)
        made.constraints = self.constraints
        for trial in trials:
            made._put(trial)
        return made


def goals_of(manifest: Mapping[str, Any]) -> Goals | None:
    """The goals that a manifest tells; ``None`` if it tells none."""
    try:
        objectives = tuple(Objective(**one) for one in manifest["objectives"])
        constraints = tuple(Objective(**one) for one in manifest["constraints"])
    except (KeyError, TypeError, NasturtiumError):
        return None
    # The order in which a study has them: see History.
    return Goals(objectives, constraints + tuple(o for o in objectives if o.bound is not None))


def misfit(
    event: Event, pending: Mapping[int, Any], asked: int, goals: History | Goals
) -> str | None:
    """Why an event cannot follow the log before it, or ``None`` if it can.

    Args:
        event: the event.
        pending: the trials that are pending before it, by number.
        asked: how many trials were asked for before it.
        goals: the study's objectives and constraints.
    """
    data = event.data
    if isinstance(data, Trial):
        if data.number != asked:
            return f"asks for trial {data.number}, expected trial {asked}"
        for told, other in (("inherits from", data.proposal.parent), ("resumes", data[2].resume)):
            if other is not None and not 0 <= other < asked:
                return f"{told} trial {other}, which is not an earlier one"
    elif isinstance(data, Outcome):
        if data.number not in pending:
            return f"tells of trial {data.number}, which is not pending"
        if data.error is None and not data.stopped:
            metrics = data.metrics
            for objective in goals.objectives:
                value = metrics.get(objective.metric)
                if value is None or value - value != 0.0:
                    return f"tells of trial {data.number} without a finite {objective.metric!r}"
            for bound in goals.constraints:
                if bound.metric not in metrics:
                    return f"tells of trial {data.number} without {bound.metric!r}"
    return None


@dataclass
class Segment:
    """The sum of the events from ``first`` to ``last``.

    Attributes:
        first: number of the first event.
        last: number of the last event.
        asked: trials asked for, up to the last event of this segment and from the log's beginning.
        counts: trials that ended in this segment, by arm and state.
        microseconds: what their estimates took.
        scores: the first objective of finished uniform draws at full fidelity that keep all bounds,
            by arm.
        cut: arms of which a uniform draw was stopped early: those that finished are a selection.
        kept: events of the trials that may be the study's best or on its front, or confirm it:
            asked, told.
        pending: events of the trials that are pending at the end.
        others: events that are not of trials.
        measured: numbers of the trials that finished.
    """

    first: int
    last: int
    asked: int = 0
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    microseconds: int = 0
    scores: dict[str, array[float]] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)
    kept: list[tuple[int, int]] = field(default_factory=list)
    pending: list[int] = field(default_factory=list)
    others: list[int] = field(default_factory=list)
    measured: Measured = field(default_factory=Measured)

    @classmethod
    def of(
        cls,
        study: str,
        first: int,
        events: Sequence[Event],
        pending: MutableMapping[int, Pending],
        asked: int,
        goals: Goals,
    ) -> Segment:
        """The segment of some events that follow each other.

        Args:
            study: its name.
            first: the number of the first of these events.
            events: the events.
            pending: the trials that are pending before them, by number; brought to their end.
            asked: how many trials were asked for before them.
            goals: what trials are compared by.

        Raises:
            StoreError: an event cannot follow those before it; names it.
        """
        made = cls(first, first + len(events) - 1)
        groups: dict[Any, list[Trial]] = {}
        places: dict[int, tuple[int, int]] = {}
        for number, event in enumerate(events, first):
            problem = misfit(event, pending, asked, goals)
            if problem is not None:
                raise StoreError(broken(study, number, problem))
            data = event.data
            if isinstance(data, Trial):
                asked += 1
                if data.state == "pending":
                    pending[data.number] = Pending(number, data)
                else:
                    made._count(data)
            elif isinstance(data, Outcome):
                event_asked, before = pending.pop(data.number)
                trial = before.completed(data)
                made._count(trial)
                uniform = trial.proposal.uniform
                if trial.state == "stopped" and uniform and trial.arm not in made.cut:
                    made.cut.append(trial.arm)
                if trial.state == "finished":
                    made.measured.add(trial)
                    if trial.arm in ANSWER_ARMS:
                        groups.setdefault(group_of(trial), []).append(trial)
                        places[trial.number] = event_asked, number
                    elif trial.arm == "confirm":
                        made.kept.append((event_asked, number))
                    score = uniform_score(trial, goals)
                    if score is not None:
                        made.scores.setdefault(trial.arm, array("d")).append(score)
            else:
                made.others.append(number)
        for trials in groups.values():
            history = goals.history()
            history._finished = trials
            kept = {trial.number for trial in (*history.best(BEST), *history.front())}
            made.kept += [places[number] for number in sorted(kept)]
        made.asked = asked
        made.pending = [one.event for one in pending.values()]
        return made

    def _count(self, trial: Trial) -> None:
        key = trial.arm, trial.state
        self.counts[key] = self.counts.get(key, 0) + 1
        self.microseconds += microseconds(trial)

    def text(self) -> str:
        """As JSON."""
        body = {
            "first": self.first,
            "asked": self.asked,
            "counts": [[*key, count] for key, count in self.counts.items()],
            "microseconds": self.microseconds,
            "scores": {arm: _packed(scores) for arm, scores in self.scores.items()},
            "cut": self.cut,
            "kept": self.kept,
            "pending": self.pending,
            "others": self.others,
            "accuracies": [
                [metric, count, self.measured.highest[metric]]
                for metric, count in self.measured.counts.items()
            ],
            "loads": _packed(self.measured.loads),
        }
        return json.dumps(body, separators=(",", ":"))

    @classmethod
    def read(cls, text: str, last: int) -> Segment | None:
        """The segment that :meth:`text` wrote; ``None`` if it is none."""
        try:
            body = json.loads(text)
            made = cls(
                body["first"],
                last,
                body["asked"],
                {(str(arm), str(state)): count for arm, state, count in body["counts"]},
                body["microseconds"],
                {str(arm): _unpacked(packed) for arm, packed in body["scores"].items()},
                [str(arm) for arm in body["cut"]],
                [(asked, told) for asked, told in body["kept"]],
                list(body["pending"]),
                list(body["others"]),
                Measured(
                    {str(metric): count for metric, count, _ in body["accuracies"]},
                    {str(metric): float(most) for metric, _, most in body["accuracies"]},
                    _unpacked(body["loads"]),
                ),
            )
            numbers = [
                made.first,
                made.asked,
                *made.counts.values(),
                *made.measured.counts.values(),
                *made.pending,
                *made.others,
                *(number for pair in made.kept for number in pair),
            ]
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
            return None
        whole = all(map(natural, numbers)) and type(made.microseconds) is int
        return made if whole and max(numbers) <= max(last, made.asked) else None

    def digest(self, chain: str) -> str:
        """Of the text, and of the log up to its last event, whose digest is ``chain``."""
        return chained(chain, self.last, "segment", self.text(), "")


def broken(study: str, number: int, problem: str) -> str:
    """What is said of an event that does not fit into its log."""
    return (
        f"event {number} of study {study!r} {problem}; the log is damaged, or of a study with "
        "other objectives"
    )


def group_of(trial: Trial) -> Any:
    """Finished trials of one group can be compared with each other."""
    return trial.fidelity


def microseconds(trial: Trial) -> int:
    """What its estimate took, as the log has it."""
    return round(float(f"{trial.seconds:.6f}") * 1e6)


def uniform_score(trial: Trial, goals: Goals | History) -> float | None:
    """The first objective of a finished uniform draw that can stand for what random search finds.

    ``None`` of any other trial.
    """
    proposal = trial.proposal
    if not proposal.uniform or not trial.fidelity.full:
        return None
    if any(bound.excess(trial.metrics[bound.metric]) > 0.0 for bound in goals.constraints):
        return None
    return float(trial.metrics[goals.objectives[0].metric])


def _packed(scores: array[float]) -> str:
    return base64.b64encode(_swapped(scores).tobytes()).decode()


def _unpacked(text: str) -> array[float]:
    scores = array("d")
    scores.frombytes(base64.b64decode(text, validate=True))
    return _swapped(scores)


def _swapped(scores: array[float]) -> array[float]:
    """To or from the order of bytes that is stored."""
    if sys.byteorder == "big":
        scores = scores[:]
        scores.byteswap()
    return scores
