"""Studies with made-up estimates, for the tests of the evidence."""

from __future__ import annotations

from random import Random

import nasturtium as nas
from nasturtium.analyse.comparison.retrained import Network, Training
from nasturtium.analyse.comparison.selection import select_trials, split_pools


class Unsaid(nas.Strategy):
    """Random search that does not mark its draws."""

    def propose(self, state, history, rng):
        return nas.Proposal(history.space.sample(rng))


def study_of(estimates, control=(), *, strategy=None, seconds=1.0, **options):
    """A study whose search and control were given these estimates."""
    study = nas.Study(nas.zoo.nasbench201, strategy or Unsaid(), **options)
    for arm, given in (("search", estimates), ("control", control)):
        for value in given:
            study.tell(study.ask(arm), {"accuracy": value}, seconds=seconds)
    return study


def drawn(count, mean=0.0, seed=0):
    """Estimates from a normal distribution."""
    rng = Random(seed)
    return [0.5 + 0.05 * rng.gauss(mean, 1.0) for _ in range(count)]


def trained(study, truth, *, top=3, spread=4, noise=0.0, seed=0):
    """Pools, selection and finished networks, where a finished value is ``truth(estimate)``."""
    rng = Random(seed)
    parted = split_pools(study.history)
    chosen = select_trials(parted, top, spread)
    found = {}
    for trial in (*chosen.search, *chosen.control, *chosen.spread):
        value = truth(trial.metrics["accuracy"]) + noise * rng.gauss(0, 1)
        key = trial.architecture.key
        found[key] = Network(key, trial.number, (value, value), {}, 1.0)
    return parted, chosen, found


def trainings(study, truth=lambda value: value, *, top=3, spread=4, seeds=(0, 1)):
    """Trainings in full of what would be chosen."""
    chosen = select_trials(split_pools(study.history), top, spread)
    unique = {t.architecture.key: t for t in (*chosen.search, *chosen.control, *chosen.spread)}
    return [
        Training(
            key,
            seed,
            trial.number,
            {"accuracy": truth(trial.metrics["accuracy"]) + 0.01 * seed, "params": 10, "macs": 20},
            2.0,
        )
        for key, trial in unique.items()
        for seed in seeds
    ]
