"""Sums as matrix products against the plain ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pixelgan_jax.nn.sums import spread, total


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
@pytest.mark.parametrize("shape", [(5, 4, 3, 2), (5, 3), (1, 4, 2)])
def test_total_and_spread_are_sum_and_broadcast_and_each_others_gradients(shape, platform, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    random = np.random.RandomState(0)
    x, v = jnp.float32(random.randn(*shape)), jnp.float32(random.randn(shape[-1]))
    axes = tuple(range(len(shape) - 1))
    np.testing.assert_allclose(total(x), np.sum(np.float64(x), axes), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(spread(v, shape), np.broadcast_to(v, shape))
    np.testing.assert_array_equal(jax.vjp(total, x)[1](v)[0], spread(v, shape))
    np.testing.assert_allclose(jax.vjp(lambda v: spread(v, shape), v)[1](x)[0], total(x), rtol=1e-6)


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
@pytest.mark.parametrize("shape", [(5, 4, 3, 2), (5, 3, 2), (1, 4, 2), (5, 1, 1, 2)])
def test_what_is_spread_over_each_image_has_each_images_sum_as_gradient(shape, platform, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    random, inner = np.random.RandomState(0), (1,) * (len(shape) - 2)
    x, v = jnp.float32(random.randn(*shape)), jnp.float32(random.randn(shape[0], *inner, shape[-1]))
    np.testing.assert_array_equal(spread(v, shape), np.broadcast_to(v, shape))
    sums = np.sum(np.float64(x), tuple(range(1, len(shape) - 1)), keepdims=True)
    np.testing.assert_allclose(jax.vjp(lambda v: spread(v, shape), v)[1](x)[0], sums, rtol=1e-5, atol=1e-6)


def test_a_long_sum_is_as_exact_as_the_plain_one():
    x = jnp.float32(np.random.RandomState(0).rand(128, 784, 4))
    np.testing.assert_allclose(total(x), np.sum(np.float64(x), (0, 1)), rtol=1e-6)
