"""Our layers are flax's, parameter by parameter, in the forms that XLA:CPU is given and in the plain ones."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pixelgan_jax.nn import xla_cpu
from pixelgan_jax.nn.layers import Conv, ConvTranspose, Dense

FORMS = pytest.mark.parametrize("turned_off", [(), tuple(xla_cpu.FORMS)], ids=["cpu", "plain"])


def check(ours, theirs, shape, turned_off):
    """Both layers give the same values and gradients for the same parameters, and begin with the same."""
    random = np.random.RandomState(0)
    x = jnp.float32(random.randn(*shape))
    variables = theirs.init(jax.random.key(0), x)
    chex.assert_trees_all_equal(ours.init(jax.random.key(0), x), variables)
    variables = jax.tree.map(lambda leaf: leaf + 0.1, variables)
    weights = jnp.float32(random.randn(*jax.eval_shape(theirs.apply, variables, x).shape))

    def slopes(layer):
        return jax.jit(jax.value_and_grad(lambda v, x: jnp.sum(weights * layer.apply(v, x)), (0, 1)))(variables, x)

    with xla_cpu.without(*turned_off):
        found = slopes(ours)
    chex.assert_trees_all_close(found, slopes(theirs), rtol=1e-4, atol=1e-4)


@FORMS
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("shape", [(3, 7), (9, 2), (2, 3, 4, 5), (1, 1)])
def test_dense_is_flaxs(shape, use_bias, turned_off):
    check(Dense(6, use_bias=use_bias), nn.Dense(6, use_bias=use_bias), shape, turned_off)


@FORMS
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shape", [(2, 8, 6, 1), (2, 8, 6, 5), (2, 7, 6, 5), (2, 3, 2, 5)])
def test_a_convolution_is_flaxs(shape, stride, turned_off):
    check(Conv(4, stride), nn.Conv(4, (3, 3), (stride, stride)), shape, turned_off)


@FORMS
@pytest.mark.parametrize("shape", [(3, 7, 5, 2), (2, 1, 4, 3)])
def test_a_transposed_convolution_is_flaxs(shape, turned_off):
    check(ConvTranspose(4), nn.ConvTranspose(4, (4, 4), (2, 2)), shape, turned_off)


def test_the_networks_arithmetic_is_that_of_dtype():
    x, layer = jnp.ones((4, 3)), Dense(2, dtype=jnp.bfloat16)
    variables = layer.init(jax.random.key(0), x)
    assert layer.apply(variables, x).dtype == jnp.bfloat16
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(variables))
    assert all(
        leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(jax.grad(lambda v: layer.apply(v, x).sum())(variables))
    )
