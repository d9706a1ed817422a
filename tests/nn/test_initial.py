"""Networks' first variables, by one program each."""

import chex
import jax
import jax.numpy as jnp

from pixelgan_jax.data.randomness import example_keys
from pixelgan_jax.nn.classifier import Classifier
from pixelgan_jax.nn.initial import first_variables
from tests import tiny

NETWORK = Classifier((3,), 1, (5,), 2, dropout=0.5, noise=0.1)


def first(key):
    return first_variables(key, NETWORK, *inputs(), train=False)


def inputs():
    return jnp.zeros((1, *tiny.SHAPE)), example_keys(jax.random.key(0), jnp.arange(1))


def test_they_are_what_the_network_draws_operation_by_operation():
    key = jax.random.key(3)
    found = first(key)
    chex.assert_trees_all_close(found, NETWORK.init(key, *inputs(), train=False), rtol=1e-5, atol=1e-6)
    assert not jnp.array_equal(*(first(jax.random.key(seed))["params"]["Conv_0"]["kernel"] for seed in (3, 4)))


def test_shapes_alone_compile_nothing(caplog):
    with jax.log_compiles():
        shapes = jax.eval_shape(first, jax.random.key(3))
    assert "Compiling jit(_init)" not in caplog.text
    chex.assert_trees_all_equal_shapes_and_dtypes(shapes, first(jax.random.key(3)))
