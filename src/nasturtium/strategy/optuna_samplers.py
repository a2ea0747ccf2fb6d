"""Any sampler of Optuna as a strategy.

Akiba, Sano, Yanase, Ohta & Koyama (2019), "Optuna: a next-generation hyperparameter optimization
framework"; its default sampler is TPE (Bergstra et al. 2011).

Implemented: for every proposal the results are added to a new in-memory study of Optuna, pending
trials as running ones, and the sampler decides the builder's choices one by one, so that
conditional decisions are asked as they occur. So nothing is kept outside the log, and a study
resumes exactly; samplers that keep their own state beyond a study's trials (CMA-ES, generations of
NSGA-II) begin again each time, and perform badly. Deviations: options are numbered; a subset
is one yes or no for each member, moved to the nearest allowed subset. The tests check the contract
and that decisions reach Optuna unchanged; the extra is ``optuna``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, final

from nasturtium.architecture import Architecture, Value
from nasturtium.decision.base import Decision
from nasturtium.decision.one_of import OneOf
from nasturtium.decision.range import Range
from nasturtium.decision.subset import Subset
from nasturtium.errors import Rejected, StrategyError
from nasturtium.strategy.surrogate.candidates import draw_untried
from nasturtium.strategy.surrogate.observations import Observations
from nasturtium.study.fidelity import FULL
from nasturtium.study.history import History
from nasturtium.study.strategy import Strategy
from nasturtium.study.trial import Proposal, Trial

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["Optuna"]

SAMPLERS = {
    "tpe": "TPESampler",
    "gp": "GPSampler",
    "random": "RandomSampler",
    "qmc": "QMCSampler",
}
AGAIN = 20  # answers in a row that the space rejects or that were tried


@dataclass
class OptunaResults:
    """The results, also as parameters and distributions of Optuna."""

    observations: Observations = field(default_factory=Observations)
    frozen: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list)


@final
class Optuna(Strategy):
    """Lets a sampler of Optuna decide the builder's choices.

    Args:
        sampler: ``tpe``, ``gp``, ``random``, ``qmc``, or a function from a seed to a sampler.
        options: keyword arguments of the named sampler, e.g. ``{"multivariate": True}``.

    Example:
        >>> import nasturtium as nas
        >>> nas.Optuna("tpe", {"multivariate": True}).sampler
        'tpe'
    """

    def __init__(
        self,
        sampler: str | Callable[[int], Any] = "tpe",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        if isinstance(sampler, str) and sampler not in SAMPLERS:
            raise StrategyError(
                f"Optuna got sampler={sampler!r}; expected one of {', '.join(SAMPLERS)}, or a "
                "function from a seed to a sampler"
            )
        self.sampler = sampler
        self.options = options

    def start(self) -> OptunaResults:
        return OptunaResults()

    def update(self, state: OptunaResults, history: History, trial: Trial) -> OptunaResults:
        if state.observations.update(history, trial):
            state.frozen.append(_parameters(_optuna(), history.space, trial.architecture))
        return state

    def propose(self, state: OptunaResults, history: History, rng: Random) -> Proposal:
        optuna = _optuna()
        space: Any = history.space
        if not hasattr(space, "decide"):
            raise StrategyError(
                f"Optuna answers a builder's decisions; {type(space).__name__} {space.name!r} asks "
                "none. Use RegularizedEvolution, which only mutates"
            )
        observations = state.observations
        study = self._study(optuna, rng.getrandbits(32))
        made, states = optuna.trial.create_trial, optuna.trial.TrialState
        study.add_trials(
            made(params=params, distributions=kinds, value=value)
            for (params, kinds), value in zip(
                state.frozen, observations.targets().tolist(), strict=True
            )
        )
        for trial in history.pending:
            params, kinds = _parameters(optuna, space, trial.architecture)
            study.add_trial(made(params=params, distributions=kinds, state=states.RUNNING))
        found: Architecture | None = None
        for _ in range(AGAIN):
            asked = study.ask()
            try:
                found = space.decide(lambda decision, asked=asked: _answer(asked, decision))
            except Rejected:
                found = None
            study.tell(asked, state=states.FAIL)
            if found is not None and space.canonical(found) not in observations.tried:
                return Proposal(found, FULL)
        return draw_untried(observations, history, rng) if found is None else Proposal(found, FULL)

    def _study(self, optuna: ModuleType, seed: int) -> Any:
        import warnings

        if callable(self.sampler):
            sampler = self.sampler(seed)
        else:
            kind = getattr(optuna.samplers, SAMPLERS[self.sampler])
            with warnings.catch_warnings():  # options that Optuna calls experimental
                warnings.simplefilter("ignore")
                try:
                    sampler = kind(seed=seed, **(self.options or {}))
                except (TypeError, ValueError) as error:
                    raise StrategyError(
                        f"Optuna got options={self.options!r}, which its sampler {self.sampler!r} "
                        f"refuses: {error}"
                    ) from error
        loud = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)  # it announces every study
        try:
            return optuna.create_study(direction="maximize", sampler=sampler)
        finally:
            optuna.logging.set_verbosity(loud)


def _optuna() -> ModuleType:
    try:
        import optuna
    except ImportError:
        raise StrategyError(
            "the strategy 'optuna' needs the package optuna: pip install nasturtium[optuna]"
        ) from None
    return optuna


def _answer(asked: Any, decision: Decision) -> Value:
    """Return the sampler's answer to a decision."""
    name = repr(decision)  # a decision with other options is another parameter
    if isinstance(decision, OneOf):
        place: int = asked.suggest_categorical(name, range(len(decision.options)))
        return decision.options[place]
    if isinstance(decision, Range):
        suggest = asked.suggest_int if isinstance(decision.low, int) else asked.suggest_float
        grid = {} if decision.log else {"step": decision.step}
        value = suggest(name, decision.low, decision.high, log=decision.log, **grid)
        return decision.nearest(value)
    assert isinstance(decision, Subset)
    members = [m for m in decision.options if asked.suggest_categorical(f"{name} {m}", (0, 1))]
    return decision.nearest(tuple(members))


def _parameters(
    optuna: ModuleType, space: Any, architecture: Architecture
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an architecture as parameters and their distributions."""
    recorded = _Recorder(optuna.distributions)
    space.decide(lambda decision: recorded.note(decision, architecture[decision.name]))
    return recorded.params, recorded.kinds


class _Recorder:
    """Records parameters and distributions in place of a trial of Optuna."""

    def __init__(self, distributions: Any) -> None:
        self._kinds = distributions
        self.params: dict[str, Any] = {}
        self.kinds: dict[str, Any] = {}
        self._values: list[Any] = []

    def note(self, decision: Decision, value: Value) -> Value:
        if isinstance(decision, OneOf):
            self._values = [decision.options.index(value)]
        elif isinstance(decision, Subset):
            assert isinstance(value, tuple)
            self._values = [int(member in value) for member in decision.options]
        else:
            self._values = [value]
        _answer(self, decision)
        return value

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return self._put(name, self._kinds.CategoricalDistribution(tuple(choices)))

    def suggest_int(self, name: str, low: int, high: int, *, log: bool, step: int = 1) -> Any:
        return self._put(name, self._kinds.IntDistribution(low, high, log=log, step=step))

    def suggest_float(
        self, name: str, low: float, high: float, *, log: bool, step: float | None = None
    ) -> Any:
        return self._put(name, self._kinds.FloatDistribution(low, high, log=log, step=step))

    def _put(self, name: str, kind: Any) -> Any:
        self.kinds[name] = kind
        self.params[name] = self._values.pop(0)
        return self.params[name]
