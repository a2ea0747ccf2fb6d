"""The scikit-learn face: tables, images, labels, and a part of scikit-learn's own checks.

All of scikit-learn's checks run in ``scripts/reproduce/estimator_checks.py``; here those that are
quick and say most.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks as checks

import nasturtium as nas

QUICK = {"trials": 1, "executor": "here", "recipe": "epochs=1"}


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = nas.NasturtiumClassifier(**QUICK, finish_recipe="epochs=20,batch_size=16,lr=0.05")
    return model.fit(X, names), X, names


def test_a_table_with_names_for_classes(iris):
    model, X, names = iris
    assert set(model.predict(X)) <= set(names)
    assert model.score(X, names) > 0.85
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (150, 3)
    np.testing.assert_allclose(probabilities.sum(1), 1.0, rtol=1e-6)
    assert (model.classes_[probabilities.argmax(1)] == model.predict(X)).all()


def test_lists_are_learnt_from_like_arrays(iris):
    model, X, names = iris
    again = clone(model).fit(X.tolist(), names.tolist())
    np.testing.assert_array_equal(model.predict(X), again.predict(X.tolist()))


def test_the_same_seed_gives_the_same_predictions(iris):
    model, X, names = iris
    again = clone(model).fit(X, names)
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))


@pytest.mark.parametrize("shape", [(8, 8), (1, 8, 8), (8, 8, 1)])
def test_images_in_any_layout(shape):
    X, y = load_digits(return_X_y=True)
    X, y = X[:200], y[:200]
    space = nas.zoo.nasbench201.bind(cells=1, channels=4)
    model = nas.NasturtiumClassifier(space, **QUICK, finish_recipe="epochs=2").fit(
        X.reshape(-1, *shape), y
    )
    assert model.predict(X[:7].reshape(-1, *shape)).shape == (7,)
    with pytest.raises(ValueError, match=r"fitted to|features as input"):
        model.predict(np.zeros((2, *(side + 1 for side in shape))))


def test_a_class_of_one_example_is_refused_in_words():
    X = np.arange(20.0).reshape(10, 2)
    with pytest.raises(ValueError, match=r"examples cannot be used: .*class"):
        nas.NasturtiumClassifier(**QUICK).fit(X, [0] * 9 + [1])


def test_predicting_before_fitting():
    with pytest.raises(NotFittedError):
        nas.NasturtiumClassifier().predict(np.zeros((1, 2)))


@pytest.mark.parametrize(
    "check",
    [
        checks.check_no_attributes_set_in_init,
        checks.check_parameters_default_constructible,
        checks.check_get_params_invariance,
        checks.check_set_params,
        checks.check_estimator_repr,
        checks.check_estimators_nan_inf,
        checks.check_n_features_in,
        checks.check_estimators_unfitted,
    ],
    ids=lambda check: check.__name__,
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own(check):
    model = nas.NasturtiumClassifier(**QUICK, finish_recipe="epochs=2")
    check("NasturtiumClassifier", model)


def test_few_examples_of_many_classes_named_by_words():
    X = np.random.default_rng(0).random((90, 4))
    names = np.array([f"kind {k % 30}" for k in range(90)])
    model = nas.NasturtiumClassifier(**QUICK, finish_recipe="epochs=1").fit(X, names)
    assert set(model.predict(X)) <= set(names)
    assert model.finished_.task.class_names == tuple(model.classes_)
    with pytest.raises(ValueError, match=r"30 different whole numbers.*labels.astype.str."):
        model.fit(X, np.arange(90) % 30)
