"""Virtual adversarial perturbations, and the views that they move."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pixelgan_jax.methods.autoencoder import step
from pixelgan_jax.methods.autoencoder.phases import create
from pixelgan_jax.methods.virtual_adversarial import perturbed
from pixelgan_jax.training import parallel
from tests import tiny

KEYS = jax.random.split(jax.random.key(0), 8)


def divergence(encode, x, moved):
    """KL(q(k | x) ‖ q(k | moved)) of each image, nats [N]."""
    before, after = encode(x), encode(moved)
    return np.asarray(jnp.sum(jnp.exp(before) * (before - after), axis=1))


def test_of_two_categories_told_by_one_pixel_it_moves_that_pixel():
    """Whatever the random direction was, along the only pixel that matters, by the whole length."""
    x = jax.random.normal(jax.random.key(1), (8, 4, 4, 1))

    def encode(x):
        return jax.nn.log_softmax(jnp.stack([x[:, 1, 2, 0], jnp.zeros(len(x))], axis=1))

    change = np.array(perturbed(encode, x, KEYS, 0.5) - x)
    np.testing.assert_allclose(np.abs(change[:, 1, 2, 0]), 0.5, rtol=1e-5)
    change[:, 1, 2, 0] = 0.0
    np.testing.assert_allclose(change, 0.0, atol=1e-6)


def test_it_changes_a_code_more_than_random_changes_of_its_length():
    weights = jax.random.normal(jax.random.key(2), (48, 5))
    x = jax.random.normal(jax.random.key(3), (8, 4, 4, 3))

    def encode(x):
        return jax.nn.log_softmax(jnp.tanh(x.reshape(len(x), -1)) @ weights)

    found = divergence(encode, x, perturbed(encode, x, KEYS, 0.5))
    for seed in range(5):
        r = jax.random.normal(jax.random.key(seed), x.shape)
        r = 0.5 * r / jnp.sqrt(jnp.sum(r**2, axis=(1, 2, 3), keepdims=True))
        assert (found > divergence(encode, x, x + r)).mean() >= 7 / 8


def test_a_code_that_nothing_changes_leaves_the_image():
    x = jnp.ones((8, 4, 4, 1))
    moved = perturbed(lambda x: jnp.full((len(x), 3), -np.log(3.0)), x, KEYS, 1.0)
    np.testing.assert_array_equal(moved, x)


def test_no_gradient_flows_through_it():
    x = jax.random.normal(jax.random.key(1), (8, 4, 4, 1))

    def moved(slope):
        return perturbed(lambda x: jax.nn.log_softmax(slope * x.reshape(len(x), -1)), x, KEYS, 1.0).sum()

    assert jax.grad(moved)(2.0) == 0.0


@pytest.mark.parametrize("scale", [1e-3, 60.0])
def test_the_length_is_whole_however_sure_the_code_is(scale):
    """A margin of 60 nats leaves a gradient whose square is 0 in float32."""
    x = jnp.ones((8, 4, 4, 1))
    x = x + 0.01 * jax.random.normal(jax.random.key(1), x.shape)

    def encode(x):
        return jax.nn.log_softmax(scale / 2 * jnp.stack([x[:, 1, 2, 0], -x[:, 1, 2, 0]], axis=1))

    change = perturbed(encode, x, KEYS, 0.1) - x
    np.testing.assert_allclose(jnp.sqrt(jnp.sum(change**2, axis=(1, 2, 3))), 0.1, rtol=1e-4)


def test_the_second_view_alone_is_moved_and_agrees_less():
    views, told = {}, {}
    images, view_keys = tiny.examples().images(jnp.arange(8)), [KEYS, jax.random.split(jax.random.key(1), 8)]
    for length in (0.0, 3.0):
        optim = {"view_information": 1.0, "view_perturbation": length}
        made = tiny.model(optim=optim, model={"encoder_batch_norm": False, "input_shear": 0.5})
        state = create(made, 0)
        views[length] = np.asarray(step.views_of(made, state, images, view_keys))
        log_q = step.posterior_of(made, state, state.params["encoder"], views[length], jnp.concatenate(view_keys))[0][0]
        told[length] = divergence(lambda x: x, log_q[:8], log_q[8:])
    np.testing.assert_array_equal(views[3.0][:8], views[0.0][:8])
    lengths = np.sqrt(np.square(views[3.0][8:] - views[0.0][8:]).sum(axis=(1, 2, 3)))
    np.testing.assert_allclose(lengths, 3.0, rtol=1e-4)
    assert told[3.0].mean() > 1.5 * told[0.0].mean()


def test_a_steps_generator_is_told_of_the_perturbed_view():
    mesh = parallel.make_mesh(jax.devices()[:1])
    information = {}
    for length in (0.0, 3.0):
        made = tiny.model(optim={"view_information": 1.0, "view_perturbation": length})
        program = parallel.compile_step(partial(step.train_step, made), mesh)
        state, examples = parallel.replicate(create(made, 0), mesh), parallel.replicate(tiny.examples(), mesh)
        _, metrics = program(state, examples, tiny.batch())
        information[length] = float(np.ravel(metrics["generator_view_information_nats"])[0])
    assert information[3.0] < 0.9 * information[0.0]
