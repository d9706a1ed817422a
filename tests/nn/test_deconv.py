"""The adversarial autoencoder's transposed convolution is flax's, parameter by parameter."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from pixelgan_jax.nn.deconv import Doubling


@pytest.mark.parametrize("shape", [(3, 7, 5, 2), (2, 1, 4, 3)])
def test_doubling_is_the_transposed_convolution_and_has_its_gradients(shape):
    x, weights = (jax.random.normal(jax.random.key(i), (*shape[:1], *sides, f)) for i, sides, f in _sides(shape))
    results = []
    for module in (Doubling(4), nn.ConvTranspose(4, (4, 4), (2, 2))):
        params = jax.tree.map(lambda p: p + 0.1, nn.ConvTranspose(4, (4, 4), (2, 2)).init(jax.random.key(2), x))
        chex.assert_trees_all_equal_shapes(params, module.init(jax.random.key(2), x))

        def value(params, x, module=module):
            out = module.apply(params, x)
            return jnp.vdot(weights, out), out

        results.append(jax.jit(jax.value_and_grad(value, (0, 1), has_aux=True))(params, x))
    chex.assert_trees_all_close(*results, rtol=1e-4, atol=1e-4)


def _sides(shape):
    return (0, shape[1:3], shape[3]), (1, (2 * shape[1], 2 * shape[2]), 4)
