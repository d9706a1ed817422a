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


@pytest.fixture(scope="module")
def moved():
    """By a run's first temperature and what its logits are multiplied by: step `number` ->
    (parameters, losses)."""

    def compiled(temperature, scale):
        # adam would make whole steps of the rounding of a bias that batch normalisation takes away
        optim = {"temperature": temperature, "optimizer": "sgd"}
        made = tiny.model(optim=optim, model={"logits_batch_norm": scale}, train={"steps": STEPS})
        mesh = parallel.make_mesh(jax.devices()[:1])
        program = parallel.compile_step(partial(step.train_step, made), mesh)

        def after(number):
            state = create(made, 0).replace(step=np.int32(number))
            state, examples = parallel.replicate(state, mesh), parallel.replicate(tiny.examples(), mesh)
            state, metrics = program(state, examples, tiny.batch())
            return jax.device_get(state.params), jax.device_get(metrics)

        return after

    return {made: compiled(*made) for made in ((4.0, 8.0), (1.0, 2.0))}


def test_a_step_is_that_of_as_soft_a_softmax(moved):
    """A softmax of temperature t is that of logits over t."""
    chex.assert_trees_all_close(moved[4.0, 8.0](0), moved[1.0, 2.0](0), rtol=1e-4, atol=1e-6)


def test_later_steps_are_surer(moved):
    first, later, cold = (moved[4.0, 8.0](number)[1]["supervised_loss"][0] for number in (0, 2, 4))
    assert first < 0.9 * later < 0.8 * cold  # a guess costs more


def test_the_inverse_rises_to_one_over_two_thirds_of_the_run():
    schedule = inverse_temperature(tiny.model(optim={"temperature": 4.0}, train={"steps": STEPS}).config)
    assert [float(schedule(number)) for number in (0, 2, 4, 6)] == [0.25, 0.625, 1.0, 1.0]
