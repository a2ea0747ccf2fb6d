"""Surrogates learn, say how sure they are, and are the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from nasturtium.errors import EstimateError
from nasturtium.predict.boosting import Boosting
from nasturtium.predict.forest import Forest
from nasturtium.predict.gcn import GCN
from nasturtium.predict.gp import GP
from nasturtium.predict.mlp import MLPEnsemble

PREDICTORS = {
    "extra trees": Forest(trees=20),
    "random forest": Forest(trees=20, kind="random"),
    "boosting": Boosting(bags=3, rounds=30),
    "process": GP(),
    "cosine process": GP("dot"),
    "networks": MLPEnsemble(members=3, layers=3, epochs=60),
    "networks, percentage": MLPEnsemble(members=3, layers=3, epochs=60, loss="mape"),
    "graph networks": GCN(epochs=40),
}
every = pytest.mark.parametrize("predictor", PREDICTORS.values(), ids=PREDICTORS)


def table(count, seed=0):
    """Return one-hot rows of six decisions with four options, and an additive target."""
    draw = np.random.default_rng(seed)
    answers = draw.integers(0, 4, (count, 6))
    worth = np.random.default_rng(99).normal(size=(6, 4))
    target = worth[np.arange(6), answers].sum(1) + 0.05 * draw.normal(size=count)
    return np.eye(4, dtype=np.float32)[answers].reshape(count, -1), 90 + target


@every
def test_orders_what_it_has_not_seen(predictor):
    x, y = table(80)
    unseen, truth = table(200, seed=1)
    mean, spread = predictor.fit(x, y, seed=3).predict(unseen)
    assert spearmanr(mean, truth)[0] > 0.6
    assert mean.shape == spread.shape == (200,)
    assert (spread > 0).all() and np.isfinite(spread).all()
    assert abs(mean.mean() - truth.mean()) < 1.0  # on the scale of the targets


@every
def test_is_less_sure_of_what_it_has_not_seen(predictor):
    x, y = table(40)
    fitted = predictor.fit(x, y)
    far, _ = table(200, seed=1)
    assert fitted.predict(x).spread.mean() < fitted.predict(far).spread.mean()


@every
def test_is_a_function_of_points_and_seed(predictor):
    x, y = table(30)
    new, _ = table(10, seed=1)
    first = predictor.fit(x, y, seed=5).predict(new)
    np.random.default_rng().normal()
    torch.rand(3)
    again = predictor.fit(x.copy(), y.copy(), seed=5).predict(new)
    assert np.array_equal(first.mean, again.mean)
    assert np.array_equal(first.spread, again.spread)
    if not isinstance(predictor, GP):
        assert not np.array_equal(first.mean, predictor.fit(x, y, seed=6).predict(new).mean)


@every
def test_equal_targets_are_learned_too(predictor):
    x, _ = table(12)
    mean, spread = predictor.fit(x, np.full(12, 7.0)).predict(x)
    assert np.allclose(mean, 7.0, atol=0.5) and np.isfinite(spread).all()


@every
def test_messages(predictor):
    x, y = table(20)
    with pytest.raises(EstimateError, match=r"targets of shape \(19,\)"):
        predictor.fit(x, y[:-1])
    with pytest.raises(EstimateError, match="at least two points"):
        predictor.fit(x[:1], y[:1])
    with pytest.raises(EstimateError, match="1 of 20 targets that are not finite"):
        predictor.fit(x, np.where(np.arange(20) == 3, np.nan, y))
    with pytest.raises(EstimateError, match="features that are not finite"):
        predictor.fit(np.full_like(x, np.inf), y)
    fitted = predictor.fit(x, y)
    with pytest.raises(EstimateError, match=r"\(points, 24\)"):
        fitted.predict(x[:, :5])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Forest(trees=1),
        lambda: Forest(kind="oak"),
        lambda: Boosting(bags=1),
        lambda: GP("cubic"),
        lambda: GP(noises=(0.0,)),
        lambda: MLPEnsemble(members=1),
        lambda: MLPEnsemble(loss="mse"),
        lambda: GCN(batch=1),
    ],
)
def test_settings_that_make_no_sense(make):
    with pytest.raises(EstimateError, match=r"expected|use rbf or dot"):
        make()


def test_percentage_error_needs_a_bound_above_all():
    x, y = table(20)
    with pytest.raises(EstimateError, match="reaches; give a larger one"):
        MLPEnsemble(loss="mape", bound=float(y.max())).fit(x, y)


def test_training_lowers_the_error_and_leaves_members_apart():
    x, y = table(16)
    mean, spread = MLPEnsemble(members=4, layers=1, epochs=1, batch=16).fit(x, y).predict(x)
    few = MLPEnsemble(members=4, layers=1, epochs=200, batch=16).fit(x, y)
    assert np.abs(few.predict(x).mean - y).mean() < np.abs(mean - y).mean()
    assert (spread > 1e-6).all()
