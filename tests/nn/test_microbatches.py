"""A decoder's gradient accumulated over micro-batches is that of all images at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pixelgan_jax.methods import losses
from pixelgan_jax.methods.autoencoder.model import log_prob
from pixelgan_jax.nn import xla_cpu
from pixelgan_jax.nn.xla_cpu import microbatches
from tests import tiny
from tests.variables import drawn


@pytest.mark.parametrize(
    ("count", "values", "expected"),
    [
        (64, 8 * 8 * 32, [64]),  # experiments/digits.py, half a batch
        (64, 28 * 28 * 32, [16, 16, 16, 16]),
        (41, 28 * 28 * 32, [13, 14, 14]),
        (10, 2**18, [2, 2, 2, 2, 2]),
        (9, 2**18, [1, 2, 2, 2, 2]),
        (1024, 28 * 28 * 32, [32] * 32),
        (3, 2**21, [1, 1, 1]),
    ],
)
def test_sizes_are_even_and_a_map_of_each_fits(count, values, expected):
    assert microbatches.sizes(count, values) == expected
    assert sum(expected) == count
    assert max(expected) * values <= microbatches.VALUES or len(expected) in (microbatches.MOST, count)


def test_without_this_form_there_is_one():
    with xla_cpu.without("microbatches"):
        assert microbatches.sizes(1024, 2**20) == [1024]


@pytest.mark.parametrize(
    ("count", "groups"),
    [
        (6, {}),
        (7, {}),
        (7, {"model": {"decoder": "gated_pixelcnn"}}),
        (7, {"model": {"decoder": "deconv"}}),
        (7, {"prior": {"name": "none"}, "data": {"labels": 0}}),
    ],
)
def test_value_and_gradients_are_those_of_the_whole_mini_batch(monkeypatch, count, groups):
    made = tiny.model(**groups)
    random = np.random.RandomState(0)
    levels_of = jnp.asarray(random.randint(0, made.config.data.levels, (count, *made.shape)))
    code = jax.nn.softmax(jnp.asarray(random.randn(count, made.width), jnp.float32))
    shown = jax.numpy.zeros((1, *made.shape)), jax.numpy.zeros((1, made.width))
    params = drawn(made.decoder.init, jax.random.key(0), *shown)["params"]
    values = np.prod(made.shape)
    monkeypatch.setattr(microbatches, "VALUES", 2 * values)
    assert len(microbatches.sizes(count, values)) == (count + 1) // 2
    seen = []

    def nats(params, code, levels_of):
        seen.append(len(code))
        return losses.reconstruction_nats(log_prob(made, params, levels_of, code))

    def twice(call):  # a gradient that does not arrive as 1
        return lambda params, code: 2.0 * call(params, code)

    def accumulated(params, code):
        return microbatches.mean_loss(nats, values, params, code, levels_of)

    def whole(params, code):
        return nats(params, code, levels_of)

    ours = jax.jit(jax.value_and_grad(twice(accumulated), (0, 1)))(params, code)
    assert max(seen) == 2  # never the whole
    theirs = jax.jit(jax.value_and_grad(twice(whole), (0, 1)))(params, code)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), ours, theirs)
    np.testing.assert_allclose(jax.jit(accumulated)(params, code), theirs[0] / 2, rtol=1e-6)
