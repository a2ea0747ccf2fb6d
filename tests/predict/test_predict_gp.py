"""Gaussian processes against dense formulae."""

from __future__ import annotations

import numpy as np
import pytest

from nasturtium.predict.gp import GP

ONE = GP(lengths=(1.0,), weights=(1.0,), noises=(0.1,))


def points(count=12, seed=0):
    draw = np.random.default_rng(seed)
    x = np.eye(3, dtype=np.float32)[draw.integers(0, 3, (count, 4))].reshape(count, -1)
    return x, draw.normal(size=count) + 2.0 * x[:, 0]


def dense(x, y, new, noise=0.1):
    """Compute mean, covariance and log evidence by the textbook, at the targets' best scale."""

    def squares(a, b):
        return ((a[:, None, :].astype(float) - b[None]) ** 2).sum(2)

    size = squares(x, x).mean()
    cover = np.exp(-squares(x, x) / size) + noise * np.eye(len(x))
    target = (y - y.mean()) / y.std()
    amplitude = target @ np.linalg.inv(cover) @ target / len(y)
    cross = np.exp(-squares(new, x) / size)
    mean = y.mean() + y.std() * cross @ np.linalg.inv(cover) @ target
    left = np.exp(-squares(new, new) / size) - cross @ np.linalg.inv(cover) @ cross.T
    logdet = np.linalg.slogdet(cover)[1]
    evidence = -0.5 * len(y) * np.log(amplitude) - 0.5 * logdet
    return mean, amplitude * y.var() * left, evidence


def test_mean_spread_and_evidence():
    x, y = points()
    new, _ = points(7, seed=1)
    fitted = ONE.fit(x, y)
    mean, cover, evidence = dense(x, y, new)
    found = fitted.predict(new)
    assert np.allclose(found.mean, mean, atol=1e-5)
    assert np.allclose(found.spread, np.sqrt(np.diag(cover)), atol=1e-4)
    assert fitted.likelihood == pytest.approx(evidence, abs=1e-4)


def test_the_grid_point_of_most_evidence_is_taken():
    x, y = points(20)
    grid = (0.003, 0.03, 0.3, 3.0)
    alone = [GP(lengths=(1.0,), noises=(noise,)).fit(x, y) for noise in grid]
    best = max(alone, key=lambda fitted: fitted.likelihood)
    chosen = GP(lengths=(1.0,), noises=grid).fit(x, y)
    assert chosen.noise == best.noise and chosen.likelihood == best.likelihood


def test_a_group_that_says_nothing_has_little_weight():
    draw = np.random.default_rng(4)
    told, noise = draw.normal(size=(60, 2)), draw.normal(size=(60, 2))
    fitted = GP(groups=(2,)).fit(np.hstack([told, noise]), np.sin(told[:, 0]) + told[:, 1])
    assert fitted.weights == (1.0, 0.1)


def test_hamming_distance():
    """Check that the kernel of one-hot rows depends only on the number of different decisions."""
    x = np.eye(3, dtype=np.float32)[[[0, 0, 0], [1, 0, 0], [0, 2, 0], [1, 2, 1]]].reshape(4, -1)
    fitted = ONE.fit(x, [0.0, 1.0, 2.0, 3.0])
    kernel = fitted._kernel([x], [x])
    assert kernel[0, 1] == pytest.approx(kernel[0, 2])
    assert np.log(kernel[0, 3]) == pytest.approx(3 * np.log(kernel[0, 1]), rel=1e-5)


def test_functions_drawn_have_the_moments_of_the_posterior():
    x, y = points()
    new, _ = points(5, seed=1)
    fitted = ONE.fit(x, y)
    drawn = fitted.draw(new, np.random.default_rng(0), 20_000)
    mean, cover, _ = dense(x, y, new)
    assert np.allclose(drawn.mean(0), mean, atol=0.05)
    assert np.allclose(np.cov(drawn.T), cover, atol=0.1)


def test_again_is_the_same_kernel_on_other_points():
    x, y = points(20)
    one = ONE.fit(x, y)
    assert np.array_equal(one.again(x, y).predict(x).mean, one.predict(x).mean)
    more = one.again(x[:10], y[:10])
    assert more.noise == one.noise and len(more.predict(x).mean) == 20


def test_cosine_kernel_does_not_depend_on_size():
    draw = np.random.default_rng(0)
    x, y = draw.integers(0, 5, (15, 6)).astype(np.float32) + 1.0, draw.normal(size=15)
    fitted = GP("dot").fit(x, y)
    assert np.allclose(fitted.predict(3 * x).mean, fitted.predict(x).mean, atol=1e-4)
