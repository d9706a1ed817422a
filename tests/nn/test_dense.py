"""The dense layer against flax's."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pixelgan_jax.nn.dense import Dense


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("shape", [(3, 7), (9, 2), (2, 3, 4, 5), (1, 1)])
def test_values_and_gradients_are_those_of_flax(shape, use_bias, platform, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: platform)
    random = np.random.RandomState(0)
    x, weights = jnp.float32(random.randn(*shape)), jnp.float32(random.randn(*shape[:-1], 6))
    ours, theirs = Dense(6, use_bias=use_bias), nn.Dense(6, use_bias=use_bias)
    variables = theirs.init(jax.random.key(0), x)
    chex.assert_trees_all_equal(ours.init(jax.random.key(0), x), variables)
    variables = jax.tree.map(lambda leaf: leaf + 0.5, variables)

    def slopes(layer):
        return jax.jit(jax.value_and_grad(lambda v, x: jnp.sum(weights * layer.apply(v, x)), (0, 1)))(variables, x)

    chex.assert_trees_all_close(slopes(ours), slopes(theirs), rtol=1e-5, atol=1e-5)


def test_the_networks_arithmetic_is_that_of_dtype():
    x, layer = jnp.ones((4, 3)), Dense(2, dtype=jnp.bfloat16)
    variables = layer.init(jax.random.key(0), x)
    assert layer.apply(variables, x).dtype == jnp.bfloat16
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(variables))
    assert all(
        leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(jax.grad(lambda v: layer.apply(v, x).sum())(variables))
    )
