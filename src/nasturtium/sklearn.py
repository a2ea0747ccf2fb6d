"""A classifier for scikit-learn: a search and its retrained network.

``fit`` searches, retrains the best network on all examples and keeps it; ``predict`` uses it. The
examples are tables (N, features) or images (N, H, W), (N, C, H, W) or (N, H, W, C). The tests run
scikit-learn's own estimator checks; those that do not apply are listed there with their reasons.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, final

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from nasturtium.errors import TaskError
from nasturtium.execute.base import Executor
from nasturtium.renamed import with_new_arguments
from nasturtium.retraining.retrain import retrain
from nasturtium.run.search import search
from nasturtium.space.base import Space
from nasturtium.study.stores.base import Store
from nasturtium.study.strategy import Strategy
from nasturtium.task.load import load
from nasturtium.train.numerics import Numerics
from nasturtium.train.recipe import Recipe

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["NasturtiumClassifier"]

BATCH = 512


@final
class NasturtiumClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Searches a network for the data to which it is fitted.

    Args:
        space: a space, its name, ``file.py:name``, or ``auto``: ``mobilenet`` for images and
            ``mlp`` for tables.
        strategy: what proposes candidates.
        objectives: metrics to maximise or minimise.
        constraints: constraints to meet, e.g. ``("params<50k",)``.
        trials: number of candidates.
        hours: stop the search after so much time.
        recipe: how candidates are trained.
        finish_recipe: how the best network is retrained; the recipe of the search with four times
            as many epochs if not given.
        validation_fraction: share of the examples on which candidates are compared.
        control: uniformly drawn candidates beside the search, as a share of its trials.
        executor: ``here`` or ``processes(workers=2)``; measured if not given.
        numerics: threads, precision and memory format; measured if not given.
        store: where the study is kept; in memory if not given.
        random_state: a seed, or a generator that draws one.
        verbose: show the progress; scikit-learn's estimators do not by default.

    Attributes:
        classes_: the labels.
        n_features_in_: number of features of a table; of images, the length of the axis after the
            axis of examples.
        study_: the study of the search.
        finished_: the retrained network, with its recipe and architecture.

    Example:
        >>> from sklearn.datasets import load_wine
        >>> from nasturtium import NasturtiumClassifier
        >>> X, y = load_wine(return_X_y=True)
        >>> model = NasturtiumClassifier(trials=1, executor="here").fit(X, y)
        >>> model.predict(X).shape, model.score(X, y) > 0.8
        ((178,), True)
    """

    @with_new_arguments("NasturtiumClassifier")
    def __init__(
        self,
        space: Space | str = "auto",
        *,
        strategy: Strategy | str = "portfolio",
        objectives: Iterable[str] = ("accuracy",),
        constraints: Iterable[str] = (),
        trials: int = 30,
        hours: float | None = None,
        recipe: Recipe | str | None = None,
        finish_recipe: Recipe | str | None = None,
        validation_fraction: float = 0.2,
        control: float = 0.1,
        executor: Executor | str | None = None,
        numerics: Numerics | str | None = None,
        store: Store | str | None = None,
        random_state: int | np.random.RandomState | None = 0,
        verbose: bool = False,
    ) -> None:
        self.space = space
        self.strategy = strategy
        self.objectives = objectives
        self.constraints = constraints
        self.trials = trials
        self.hours = hours
        self.recipe = recipe
        self.finish_recipe = finish_recipe
        self.validation_fraction = validation_fraction
        self.control = control
        self.executor = executor
        self.numerics = numerics
        self.store = store
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike) -> NasturtiumClassifier:
        """Search, and retrain the best network on all examples.

        Args:
            X: (N, features), (N, H, W), (N, C, H, W) or (N, H, W, C) numbers.
            y: (N,) labels.

        Raises:
            ValueError: the data cannot be used, e.g. a class has too few examples.
        """
        examples, y = validate_data(self, X, y, allow_nd=True, dtype=NUMBERS)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        seed = int(check_random_state(self.random_state).randint(2**31))
        if isinstance(self.random_state, int):
            seed = self.random_state
        try:
            fractions = (self.validation_fraction, 0.0)
            named = self.classes_.dtype.kind not in "biuf"
            task = load(
                (examples, labels),
                seed=seed,
                name="data",
                fractions=fractions,
                class_names=[str(name) for name in self.classes_] if named else None,
            )
        except TaskError as error:
            raise ValueError(f"these examples cannot be used: {error}") from error
        space = self.space
        if isinstance(space, str) and space == "auto":
            space = "mlp" if len(task.inputs) == 1 else "mobilenet"
        self.study_ = search(
            task,
            space=space,
            strategy=self.strategy,
            objectives=tuple(self.objectives),
            constraints=tuple(self.constraints),
            trials=self.trials,
            hours=self.hours,
            recipe=self.recipe,
            control=self.control,
            executor=self.executor,
            numerics=self.numerics,
            store=self.store,
            seed=seed,
            progress=bool(self.verbose),
        )
        self.finished_ = retrain(
            self.study_, data=task, recipe=self.finish_recipe, progress=bool(self.verbose)
        )
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the probability of each class, in the order of ``classes_``: (N, classes)."""
        import torch

        check_is_fitted(self)
        examples = validate_data(self, X, allow_nd=True, dtype=NUMBERS, reset=False)
        task = self.finished_.task
        inputs = _to_layout(examples, task.inputs)
        shape = (-1, *(1,) * (len(task.inputs) - 1))
        mean = torch.tensor(task.mean, dtype=torch.float32).view(shape)
        std = torch.tensor(task.std, dtype=torch.float32).view(shape)
        model = self.finished_.model.cpu().eval()
        with torch.inference_mode():
            parts = [
                model((torch.from_numpy(part).float() - mean) / std).double().softmax(1)
                for part in np.array_split(inputs, max(1, -(-len(inputs) // BATCH)))
            ]
        probabilities: NDArray[np.float64] = torch.cat(parts).numpy()
        return probabilities

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most likely label of each example: (N,)."""
        probabilities = self.predict_proba(X)
        labels: NDArray[Any] = self.classes_[probabilities.argmax(1)]
        return labels


# These types are kept; anything else (lists, other integers) becomes the first of them.
NUMBERS = (np.float64, np.float32, np.uint8)


def _to_layout(examples: NDArray[Any], inputs: tuple[int, ...]) -> NDArray[Any]:
    """Return the examples in the layout of the network's inputs, (N, C, H, W) or (N, F)."""
    if examples.shape[1:] == inputs:
        result = examples
    elif examples.ndim == 3 and (1, *examples.shape[1:]) == inputs:
        result = examples[:, None]
    elif examples.ndim == 4 and (examples.shape[3], *examples.shape[1:3]) == inputs:
        result = examples.transpose(0, 3, 1, 2)
    else:
        raise ValueError(
            f"X has examples of shape {examples.shape[1:]}; the classifier was fitted to {inputs}"
        )
    return np.ascontiguousarray(result, dtype=np.float32)
