"""Priors and draws from the posterior."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pixelgan_jax.methods import priors
from pixelgan_jax.methods.autoencoder.settings import Prior
from pixelgan_jax.nn.encoder import Posterior

COUNT = 20_000
KEYS = jax.random.split(jax.random.key(0), COUNT)


@pytest.mark.parametrize(
    ("name", "sizes"), [("none", (0, 0)), ("gaussian", (0, 3)), ("categorical", (4, 0)), ("product", (4, 3))]
)
def test_samples_have_the_prior_s_moments(name, sizes):
    code = Prior(name, 4, 3, True).code
    assert (code.categories, code.dimensions) == sizes
    z = np.asarray(priors.sample(code, KEYS))
    assert z.shape == (COUNT, sum(sizes))
    one_hot, gaussian = z[:, : sizes[0]], z[:, sizes[0] :]
    if sizes[0]:
        assert np.array_equal(np.unique(one_hot), [0.0, 1.0]) and np.all(one_hot.sum(axis=1) == 1)
        np.testing.assert_allclose(one_hot.mean(axis=0), 0.25, atol=0.015)
    if sizes[1]:
        np.testing.assert_allclose(gaussian.mean(axis=0), 0.0, atol=0.03)
        np.testing.assert_allclose(np.cov(gaussian.T), np.eye(3), atol=0.04)


def test_categories_are_drawn_by_their_frequencies():
    code = Prior("product", 3, 1, True, (10, 6, 4)).code
    np.testing.assert_allclose(code.shares, [0.5, 0.3, 0.2], rtol=1e-12)
    np.testing.assert_allclose(np.asarray(priors.sample(code, KEYS))[:, :3].mean(axis=0), code.shares, atol=0.015)
    assert np.array_equal(Prior("categorical", 4).code.shares, np.full(4, 0.25))


def posterior(probabilities, mean, log_sd):
    rows = [jnp.broadcast_to(jnp.asarray(x, jnp.float32), (COUNT, len(x))) for x in (probabilities, mean, log_sd)]
    return Posterior(jnp.log(rows[0]), *rows[1:])


def test_hard_codes_are_draws_and_soft_codes_the_softmax():
    q = posterior([0.7, 0.2, 0.1], [1.0, -2.0], [np.log(0.5), -np.inf])
    hard, soft = np.asarray(priors.hard_code(q, KEYS)), np.asarray(priors.soft_code(q, KEYS))
    assert np.array_equal(np.unique(hard[:, :3]), [0.0, 1.0])
    np.testing.assert_allclose(hard[:, :3].mean(axis=0), [0.7, 0.2, 0.1], atol=0.015)
    np.testing.assert_allclose(soft[:, :3], np.broadcast_to([0.7, 0.2, 0.1], (COUNT, 3)), rtol=1e-6)
    assert np.array_equal(hard[:, 3:], soft[:, 3:])
    np.testing.assert_allclose(soft[:, 3].mean(), 1.0, atol=0.02)
    np.testing.assert_allclose(soft[:, 3].std(), 0.5, atol=0.01)
    assert np.all(soft[:, 4] == -2.0)  # log sd of minus infinity: no noise


def test_gradient_of_a_deterministic_code_is_finite():
    def total(mean):
        q = Posterior(jnp.zeros((2, 0)), mean, jnp.full_like(mean, -jnp.inf))
        return priors.soft_code(q, KEYS[:2]).sum()

    assert np.array_equal(jax.grad(total)(jnp.zeros((2, 3))), np.ones((2, 3)))
