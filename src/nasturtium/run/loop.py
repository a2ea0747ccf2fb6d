"""The loop of a search: ask for trials while workers are free, and record outcomes in order.

In ordered mode outcomes are logged in the order of their numbers, and a trial is asked for only
when all but the last ``lag`` are logged: the log is the same in every run, whichever worker is
quicker. An outcome that is early waits as a file, so that a kill loses nothing.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NoReturn, final

from nasturtium.errors import EstimateError, StrategyError
from nasturtium.execute.base import Executor
from nasturtium.execute.run_job import outcome_from_json
from nasturtium.run.plan import SearchPlan
from nasturtium.run.stages import Announce
from nasturtium.study.context import StudyContext
from nasturtium.study.job import Job
from nasturtium.study.stores.base import Lease
from nasturtium.study.strategy import Strategy
from nasturtium.study.study import Study
from nasturtium.study.trial import Outcome, Trial

__all__ = ["SearchLoop"]

FAILURES = 10  # in a row, from the first trial on, after which a search is stopped
REJECTIONS = 20  # trials for each one wanted that constraints may reject after a measurement


@final
class SearchLoop:
    """Runs a study until its budget is used up.

    Args:
        plan: its budget, its share of control, and whether results are ordered.
        study: what is run.
        context: what its jobs share.
        executor: where they run.
        lease: renewed while the loop waits.
        announce: called with ``"search"`` and each trial that was logged, or ``None`` while the
            loop waits; and with ``"epoch"`` and each running trial that reports.
        lag: trials that may run at a time in ordered mode, at least one for each worker.
    """

    def __init__(
        self,
        plan: SearchPlan,
        study: Study,
        context: StudyContext,
        executor: Executor,
        lease: Lease,
        announce: Announce,
        *,
        lag: int,
    ) -> None:
        self.plan = plan
        self.study = study
        self.context = context
        self.executor = executor
        self.lease = lease
        self.announce = announce
        self.lag = lag
        self._running: dict[int, Trial] = {}
        self._waiting: dict[int, Outcome] = {}  # outcomes that are not logged yet
        self._start = 0.0

    def run(self) -> None:
        """Ask, wait and record until the budget is used up.

        Raises:
            EstimateError: the first ten trials all failed.
            StrategyError: constraints reject nearly all trials.
        """
        self.announce("search", None)
        arms = ("search", "control", "confirm")
        spent = sum(trial.seconds for trial in self.study.history if trial.arm in arms)
        self._start = time.monotonic() - spent / self.executor.workers
        stops = type(self.plan.strategy).stops is not Strategy.stops
        self.executor.start(self.context, self.plan.estimator, self.report if stops else None)
        while True:
            self._ask()
            if not self._running:
                return self._check_failures()  # also of an earlier run
            for outcome in self.executor.wait(0.2):
                self._waiting[outcome.number] = outcome
            self.lease.beat()
            if not self._record():
                self.announce("search", None)

    def report(self, number: int, curve: Sequence[Mapping[str, float]]) -> bool:
        """Return whether a running trial should continue, by its curve so far."""
        trial = self._running[number]._replace(curve=tuple(curve))
        self.announce("epoch", trial)
        if trial.arm != "search":
            return True  # controls and confirmations are trained to the end
        return not self.study.strategy.stops(self.study.state, self.study.searched, trial)

    def _ask(self) -> None:
        """Ask for trials and submit them, as long as more may run."""
        lag = max(self.lag, self.executor.workers)
        while len(self._running) < lag:
            trial = self._next()
            if trial is None:
                return
            self._running[trial.number] = trial
            self._submit(trial)

    def _next(self) -> Trial | None:
        """Return the next trial to run; decided by the log alone, unless hours are limited."""
        study, plan = self.study, self.plan
        if study.interrupted:
            return study.ask()  # interrupted trials come first, whatever their arm
        elapsed = (time.monotonic() - self._start) / 3600
        in_time = plan.hours is None or elapsed < plan.hours
        counted = study.count("searched")
        enough = FAILURES if not study.history.finished else max(FAILURES, plan.trials)
        hopeless = study.count("refused") > REJECTIONS * enough
        searching = plan.hours is None or elapsed < plan.hours * (1.0 - plan.control)
        if counted < plan.trials and searching:
            if hopeless:
                self._refuse(counted)
            trial = study.ask("search")
            if trial is not None or any(out.arm == "search" for out in self._running.values()):
                return trial
            # The strategy has nothing to propose and waits for nothing: continue with the control.
        # The control is sized by work, not by seconds, which differ between two runs.
        wanted = math.ceil(plan.control * study.cost - 1e-9) > study.count("uniform")
        if wanted and not hopeless and in_time:
            return study.ask("control")
        over = all(out.arm == "confirm" for out in self._running.values())
        if plan.confirm and over and in_time:
            return study.confirm(plan.confirm)
        return None

    def _refuse(self, counted: int) -> NoReturn:
        """Stop a search whose constraints reject nearly all trials that were measured."""
        study = self.study
        constraints = study.history.constraints
        rejected = [trial.metrics for trial in study.history.where(state="rejected")]
        shown = []
        for constraint in constraints:
            metric = constraint.metric
            values = [metrics[metric] for metrics in rejected if metric in metrics]
            if values:
                nearest = max(values) if constraint.goal == "max" else min(values)
                shown.append(f"{metric} {nearest:g}")
        raise StrategyError(
            f"{study.count('refused')} trials violated a constraint "
            f"({', '.join(map(str, constraints))}) after they were measured and {counted} did not; "
            f"the nearest had {', '.join(shown)}; loosen the constraint or restrict the space"
        )

    def _submit(self, trial: Trial) -> None:
        """Hand a trial to the executor, unless an earlier run left its outcome."""
        job = self._job(trial)
        files = self.context.files
        left = None if files is None else files.take_result(self.study.name, job.number, job.digest)
        if left is not None:
            self._waiting[trial.number] = outcome_from_json(trial.number, left)
        else:
            self.executor.submit(job)

    def _job(self, trial: Trial) -> Job:
        """Return the job of a trial, with the weights or the checkpoint that it starts from."""
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

    def _record(self) -> bool:
        """Log the outcomes that are next in order; return whether there was one."""
        recorded = False
        while self._waiting:
            number = min(self._running) if self.plan.ordered else next(iter(self._waiting))
            outcome = self._waiting.pop(number, None)
            if outcome is None:
                return recorded
            trial = self._running.pop(number)
            self._log(trial, outcome)
            recorded = True
            if self.plan.ordered:
                self._ask()
        return recorded

    def _log(self, trial: Trial, outcome: Outcome) -> None:
        """Record an outcome in the study."""
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
        self.announce("search", study.history.trial(trial.number))
        self._check_failures()

    def _check_failures(self) -> None:
        """Stop a search whose first trials all failed, before it uses up its budget."""
        history = self.study.history
        if history.ended:
            return
        failed = [trial for trial in history if trial.state == "failed"]
        if len(failed) >= min(FAILURES, self.plan.trials):
            reasons = Counter(str(trial.error) for trial in failed)
            reason, times = reasons.most_common(1)[0]
            raise EstimateError(
                f"the first {len(failed)} trials of study {self.study.name!r} all failed, "
                f"{times} of them with: {reason}"
            )
