"""Our batch normalisation against flax's."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pixelgan_jax.nn.batch_norm import BatchNorm


def both(learnt):
    """(ours, flax's) in training and in evaluation: functions of (variables, x)."""

    def theirs(train):
        return nn.BatchNorm(not train, momentum=0.9, use_bias=learnt, use_scale=learnt)

    ours = BatchNorm(learnt=learnt)
    functions = (
        lambda variables, x: ours.apply(variables, x, True, mutable=["batch_stats"]),
        lambda variables, x: theirs(True).apply(variables, x, mutable=["batch_stats"]),
        lambda variables, x: ours.apply(variables, x, False),
        lambda variables, x: theirs(False).apply(variables, x),
    )
    return [jax.jit(function) for function in functions]


def variables(random, learnt, width):
    params = {"scale": random.randn(width), "bias": random.randn(width)} if learnt else {}
    stats = {"mean": random.randn(width), "var": random.rand(width) + 0.5}
    return jax.tree.map(jnp.float32, {"params": params, "batch_stats": stats})


@pytest.mark.parametrize("learnt", [True, False])
@pytest.mark.parametrize("shape", [(6, 5, 4, 3), (7, 3)])
def test_values_statistics_and_gradients_are_flaxs(shape, learnt):
    random = np.random.RandomState(0)
    held, x = variables(random, learnt, 3), jnp.float32(2 * random.randn(*shape) + 1)
    weight = jnp.float32(random.randn(*shape))
    ours, theirs, ours_still, theirs_still = both(learnt)
    chex.assert_trees_all_close(ours(held, x), theirs(held, x), rtol=1e-5, atol=1e-5)
    chex.assert_trees_all_close(ours_still(held, x), theirs_still(held, x), rtol=1e-5, atol=1e-5)

    def gradients(function):
        slope = jax.grad(lambda p, x: jnp.sum(weight * function(held | {"params": p}, x)[0]), (0, 1))
        return jax.jit(slope)(held["params"], x)

    chex.assert_trees_all_close(gradients(ours), gradients(theirs), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("learnt", [True, False])
def test_of_a_product_is_that_of_the_products_values(learnt):
    random = np.random.RandomState(2)
    held, x = variables(random, learnt, 3), jnp.float32(2 * random.randn(6, 5, 4, 7) + 1)
    kernel, weight = jnp.float32(random.randn(7, 3)), jnp.float32(random.randn(6, 5, 4, 3))
    norm, moving = BatchNorm(learnt=learnt), {"mutable": ["batch_stats"]}

    def fused(params, kernel, x):
        y, moved = norm.apply(held | {"params": params}, x, kernel, method="of_patches", **moving)
        return jnp.sum(weight * y), (y, moved)

    def plain(params, kernel, x):
        y, moved = norm.apply(held | {"params": params}, x @ kernel, True, **moving)
        return jnp.sum(weight * y), (y, moved)

    slopes = (jax.value_and_grad(function, (0, 1, 2), has_aux=True) for function in (fused, plain))
    results = (jax.jit(slope)(held["params"], kernel, x) for slope in slopes)
    chex.assert_trees_all_close(*results, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", ["__call__", "of_patches"])
def test_statistics_are_of_all_devices(method):
    random = np.random.RandomState(1)
    argument = True if method == "__call__" else jnp.float32(random.randn(2, 2))  # train, or the kernel
    held, x = variables(random, True, 2), jnp.float32(random.randn(8, 3, 2))

    def norm(x, axis_name):
        return BatchNorm(axis_name=axis_name).apply(held, x, argument, method=method, mutable=["batch_stats"])

    spread_out = jax.jit(jax.vmap(lambda x: norm(x, "data"), axis_name="data"))(x.reshape(4, 2, 3, 2))
    at_once = jax.jit(lambda x: norm(x, None))(x)
    chex.assert_trees_all_close(spread_out[0].reshape(x.shape), at_once[0], rtol=1e-5, atol=1e-5)
    moved = jax.tree.map(lambda leaf: leaf[0], spread_out[1])
    chex.assert_trees_all_close(moved, at_once[1], rtol=1e-5, atol=1e-5)


def test_initialising_moves_nothing():
    made = BatchNorm().init(jax.random.key(0), 3 + jnp.arange(8.0).reshape(4, 2), True)
    chex.assert_trees_all_equal(made["batch_stats"], {"mean": jnp.zeros(2), "var": jnp.ones(2)})
    chex.assert_trees_all_equal(made["params"], {"scale": jnp.ones(2), "bias": jnp.zeros(2)})
