"""The loop of a search: ask while a worker is free, tell what comes back, in an order that holds.

In ordered mode outcomes are logged in the order of their numbers, and a trial is asked for only
when all but the last ``lag`` are logged: the log is the same in every run, whichever worker was
quicker. An outcome that came early waits as a file, so a kill loses nothing.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, final

from nasturtium.errors import EstimateError, StrategyError
from nasturtium.execute.executor import Executor
from nasturtium.execute.run_job import outcome_from_json
from nasturtium.study.context import StudyContext
from nasturtium.study.job import Job
from nasturtium.study.stores.base import Lease
from nasturtium.study.study import Study
from nasturtium.study.trial import Outcome, Trial

__all__ = ["SearchLoop"]

FIRST = 10  # failures in a row, from the first trial on, after which a search is given up
PATIENCE = 20  # trials that a bound may reject half-way, for each one wanted, before giving up


@final
class SearchLoop:
    """Runs a study to its budget.

    Args:
        study: what to drive.
        setting: what its jobs share.
        executor: started with the setting.
        lease: beaten while waiting.
        trials: how many search trials are wanted, rejected ones not counted.
        hours: stop asking after so much time, sessions before included.
        control: uniformly drawn trials at full fidelity wanted, as a share of the search's work.
        lag: trials that may be out at a time in ordered mode.
        ordered: log in the order of numbers; else as outcomes come.
        watch: called with each trial that was logged, and with ``None`` while waiting.
        confirm: how many of the best candidates are estimated once more at the end.
        reported: called with each running trial that reports, with its curve so far.
    """

    def __init__(
        self,
        study: Study,
        context: StudyContext,
        executor: Executor,
        lease: Lease,
        *,
        trials: int,
        hours: float | None,
        control: float,
        lag: int,
        ordered: bool,
        watch: Callable[[Trial | None], None],
        confirm: int = 0,
        reported: Callable[[Trial], None] | None = None,
    ) -> None:
        self.study = study
        self.context = context
        self.executor = executor
        self.lease = lease
        self.trials = trials
        self.hours = hours
        self.control = control
        self.confirm = confirm
        self._share = 1.0 - control  # of the hours, for the search
        self.lag = max(lag, executor.workers)
        self.ordered = ordered
        self.watch = watch
        self.reported = reported
        self._out: dict[int, Trial] = {}
        self._early: dict[int, Outcome] = {}
        spent = sum(t.seconds for t in study.history if t.arm in ("search", "control", "confirm"))
        self._start = time.monotonic() - spent / executor.workers

    def run(self) -> None:
        """Ask, wait and tell until the budget is used up.

        Raises:
            EstimateError: the first ten trials all failed.
            StrategyError: bounds reject nearly everything.
        """
        while True:
            self._ask()
            if not self._out:
                return self._give_up_early()  # also where an earlier session failed throughout
            for outcome in self.executor.wait(0.2):
                self._early[outcome.number] = outcome
            self.lease.beat()
            if not self._tell():
                self.watch(None)

    def _ask(self) -> None:
        while len(self._out) < self.lag:
            trial = self._next()
            if trial is None:
                return
            self._out[trial.number] = trial
            self._hand_out(trial)

    def _next(self) -> Trial | None:
        """The next trial to hand out; decided by the log alone, unless hours are limited."""
        study = self.study
        if study.interrupted:
            return study.ask()  # interrupted work comes first, whatever its arm
        elapsed = (time.monotonic() - self._start) / 3600
        counted = study.count("searched")
        enough = FIRST if not study.history.finished else max(FIRST, self.trials)
        hopeless = study.count("refused") > PATIENCE * enough
        if counted < self.trials and (self.hours is None or elapsed < self.hours * self._share):
            if hopeless:
                self._refuse(counted)
            trial = study.ask("search")
            if trial is not None or any(out.arm == "search" for out in self._out.values()):
                return trial
            # The strategy has nothing to propose and waits for nothing: on with the control.
        # Budgeted by work, not seconds, which no two runs would agree on.
        wanted = math.ceil(self.control * study.cost - 1e-9) > study.count("uniform")
        if wanted and not hopeless and (self.hours is None or elapsed < self.hours):
            return study.ask("control")
        over = all(out.arm == "confirm" for out in self._out.values())
        if self.confirm and over and (self.hours is None or elapsed < self.hours):
            return study.confirm(self.confirm)
        return None

    def _refuse(self, counted: int) -> NoReturn:
        study = self.study
        constraints = study.history.constraints
        rejected = [trial.metrics for trial in study.history.where(state="rejected")]
        shown = []
        for bound in constraints:
            values = [metrics[bound.metric] for metrics in rejected if bound.metric in metrics]
            if values:
                nearest = max(values) if bound.goal == "max" else min(values)
                shown.append(f"{bound.metric} {nearest:g}")
        raise StrategyError(
            f"{study.count('refused')} trials broke a bound ({', '.join(map(str, constraints))}) "
            f"after they were measured and {counted} did not; the nearest had {', '.join(shown)}; "
            "loosen the bound or restrict the space"
        )

    def _hand_out(self, trial: Trial) -> None:
        job = self._job(trial)
        files = self.context.files
        left = None if files is None else files.take_result(self.study.name, job.number, job.digest)
        if left is not None:
            self._early[trial.number] = outcome_from_json(trial.number, left)
        else:
            self.executor.submit(job)

    def _job(self, trial: Trial) -> Job:
        history, proposal = self.study.history, trial.proposal
        weights = resumed = origin = None
        if proposal.parent is not None:
            weights = history.trial(proposal.parent).files.get("weights")
        if proposal.resume is not None:
            earlier = history.trial(proposal.resume)
            resumed = earlier.files.get("checkpoint")
            while earlier.proposal.resume is not None:
                earlier = history.trial(earlier.proposal.resume)
            origin = earlier.number
        return Job(trial.number, proposal, self.context, weights, resumed, origin)

    def heard(self, number: int, curve: Sequence[Mapping[str, float]]) -> bool:
        """Ask the strategy whether a running trial is worth going on with, by its curve so far."""
        trial = self._out[number]._replace(curve=tuple(curve))
        if self.reported is not None:
            self.reported(trial)
        if trial.arm != "search":
            return True  # what the search is compared with is trained to the end
        return not self.study.strategy.stops(self.study.state, self.study.searched, trial)

    def _tell(self) -> bool:
        """Log what can be logged now; false if there was nothing."""
        told = False
        while self._early:
            number = min(self._out) if self.ordered else next(iter(self._early))
            outcome = self._early.pop(number, None)
            if outcome is None:
                return told
            trial = self._out.pop(number)
            self._log(trial, outcome)
            told = True
            if self.ordered:
                self._ask()
        return told

    def _log(self, trial: Trial, outcome: Outcome) -> None:
        study = self.study
        if outcome.error is None:
            study.tell(
                trial,
                outcome.metrics,
                curve=outcome.curve,
                files=outcome.files,
                seconds=outcome.seconds,
                cpu_seconds=outcome.cpu_seconds,
                epochs=outcome.epochs,
                stopped=outcome.stopped,
            )
        else:
            study.fail(
                trial,
                outcome.error,
                metrics=outcome.metrics,
                curve=outcome.curve,
                seconds=outcome.seconds,
                cpu_seconds=outcome.cpu_seconds,
                epochs=outcome.epochs,
            )
        if self.context.files is not None:
            self.context.files.clear(study.name, trial.number)
        self.watch(study.history.trial(trial.number))
        self._give_up_early()

    def _give_up_early(self) -> None:
        """Stop a search of which nothing works, before it uses up its budget."""
        history = self.study.history
        if history.ended:
            return
        failed = [trial for trial in history if trial.state == "failed"]
        if len(failed) >= min(FIRST, self.trials):
            reasons = Counter(str(trial.error) for trial in failed)
            reason, times = reasons.most_common(1)[0]
            raise EstimateError(
                f"the first {len(failed)} trials of study {self.study.name!r} all failed, "
                f"{times} of them with: {reason}"
            )
