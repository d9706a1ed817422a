"""Training's softmax cools from `optim.temperature` to 1; what evaluation sees is at 1."""

from functools import partial

import chex
import jax
import numpy as np
import pytest

from pixelgan_jax.methods.autoencoder import step
from pixelgan_jax.methods.autoencoder.phases import create, inverse_temperature
from pixelgan_jax.training import parallel
from tests import tiny

STEPS = 6  # cold after four


def moved(temperature, scale, number):
    """(parameters, losses) after step `number` of a run that begins at `temperature`, its logits times `scale`."""
    # adam would make whole steps of the rounding of a bias that batch normalisation takes away
    optim = {"temperature": temperature, "optimizer": "sgd"}
    made = tiny.model(optim=optim, model={"logits_batch_norm": scale}, train={"steps": STEPS})
    mesh = parallel.make_mesh(jax.devices()[:1])
    state = create(made, 0).replace(step=np.int32(number))
    state, examples = parallel.replicate(state, mesh), parallel.replicate(tiny.examples(), mesh)
    state, metrics = parallel.compile_step(partial(step.train_step, made), mesh)(state, examples, tiny.batch())
    return jax.device_get(state.params), jax.device_get(metrics)


# a softmax of temperature t is that of logits over t
@pytest.mark.parametrize("number, scale", [(0, 2.0), (2, 5.0), (4, 8.0), (5, 8.0)])
def test_a_step_is_that_of_as_soft_a_softmax(number, scale):
    warm, plain = moved(4.0, 8.0, number), moved(1.0, scale, number)
    chex.assert_trees_all_close(warm, plain, rtol=1e-4, atol=1e-6)


def test_a_temperature_matters():
    warm, cold = moved(4.0, 8.0, 0), moved(1.0, 8.0, 0)
    assert warm[1]["supervised_loss"][0] < 0.9 * cold[1]["supervised_loss"][0]  # a guess is less sure


def test_the_inverse_rises_to_one_over_two_thirds_of_the_run():
    schedule = inverse_temperature(tiny.model(optim={"temperature": 4.0}, train={"steps": STEPS}).config)
    assert [float(schedule(number)) for number in (0, 2, 4, 6)] == [0.25, 0.625, 1.0, 1.0]
