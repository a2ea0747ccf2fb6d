"""A space on which searching pays: additive worth, with a condition and a bit of interaction."""

from __future__ import annotations

from random import Random

from nasturtium.space.choice_space import ChoiceSpace
from nasturtium.space.decorator import space
from nasturtium.strategy.surrogate.observations import Observations
from nasturtium.study.study import Study

OPTIONS = ("a", "b", "c", "d")
WORTH = {
    (f"layer{place}.op", option): Random(f"{place}{option}").random()
    for place in range(6)
    for option in OPTIONS
}


@space
def layered(choose):
    for place in range(6):
        with choose.scope(f"layer{place}"):
            if choose("op", OPTIONS) == "d":
                choose.range("rate", 0.001, 1.0, log=True)
    choose.subset("extras", ("x", "y", "z"), least=1, most=3)
    return lambda: None


def worth(architecture):
    total = sum(WORTH.get(answer, 0.0) for answer in architecture.items())
    rates = [value for name, value in architecture.items() if name.endswith("rate")]
    return total - 0.1 * sum(rates) + 0.2 * (architecture["extras"] == ("x", "z"))


def searched(strategy, trials, seed=0, where: ChoiceSpace = layered, metric=worth, **settings):
    """A study after so many trials."""
    study = Study(where, strategy, seed=seed, **settings)
    for _ in range(trials):
        trial = study.ask()
        study.tell(trial, {"accuracy": metric(trial.architecture)})
    return study


def mean_best(strategy, trials, seeds=6):
    """The mean best worth over some seeds."""
    found = [worth(searched(strategy, trials, s).best.architecture) for s in range(seeds)]
    return sum(found) / seeds


def observed(history, curves=None):
    """The observations of a history's trials."""
    found = Observations()
    for trial in history:
        found.update(history, trial._replace(state="pending"))
    for trial in history.ended:
        found.update(history, trial, curves)
    return found


def without_equals(study):
    """Whether no architecture was asked for twice."""
    keys = [trial.architecture.key for trial in study.history]
    return len(set(keys)) == len(keys)
