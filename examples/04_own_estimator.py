"""Your own estimator: it trains a network and measures how robust it is to noise.

On the command line:

    nasturtium search digits --estimator examples/04_own_estimator.py:Robust --objective max:robust
"""

import os

import torch

import nasturtium as nas
from nasturtium.train.fit import fit


class Robust(nas.Estimator):
    """Train a network, and evaluate it on noisy validation images as well."""

    metrics = ("accuracy", "robust")

    def __init__(self, epochs: int = 5, noise: float = 0.5) -> None:
        self.epochs = epochs
        self.noise = noise

    def estimate(self, job):
        recipe = nas.Recipe(epochs=self.epochs)
        trained = fit(job.build(), job.task, recipe, seed=job.seed("fit"))
        task = job.task
        images = torch.from_numpy(task.valid.inputs).float()
        shape = (1, -1, *[1] * (images.ndim - 2))
        mean, std = (torch.tensor(values).reshape(shape) for values in (task.mean, task.std))
        generator = torch.Generator().manual_seed(job.seed("noise"))
        noise = self.noise * torch.randn(images.shape, generator=generator)
        with torch.no_grad():
            answers = trained.model((images - mean) / std + noise).argmax(dim=1).numpy()
        return {
            "accuracy": trained.metrics["accuracy"],
            "robust": float((answers == task.valid.labels).mean()),
        }


if __name__ == "__main__":
    smoke = "NASTURTIUM_SMOKE" in os.environ
    study = nas.search(
        "digits",
        estimator=Robust(epochs=1 if smoke else 5),
        objectives=("max:robust", "min:params"),
        trials=2 if smoke else 30,
        executor="here" if smoke else None,
        numerics="threads=1" if smoke else None,
        store=None,
    )
    for trial in study.front:
        print(f"robust {trial.metrics['robust']:.3f}  params {trial.metrics['params']:,.0f}")
