"""The losses against values computed by hand."""

import jax
import jax.numpy as jnp
import numpy as np

from pixelgan_jax import objective


def test_reconstruction_sums_pixels_and_averages_images():
    log_prob = jnp.array([[[-1.0, -2.0], [-3.0, -4.0]], [[0.0, -1.0], [0.0, -1.0]]])
    assert float(objective.reconstruction_nats(log_prob)) == (10.0 + 2.0) / 2


def test_discriminator_loss_by_hand():
    # D(prior) = 3/4 and 1/2, D(code) = 1/4: -mean(ln 3/4, ln 1/2) - ln(1 - 1/4)
    prior, code = jnp.array([np.log(3.0), 0.0]), jnp.array([-np.log(3.0), -np.log(3.0)])
    expected = -(np.log(0.75) + np.log(0.5)) / 2 - np.log(0.75)
    np.testing.assert_allclose(objective.discriminator_loss(prior, code), expected, rtol=1e-6)
    # told apart rightly it is small, the wrong way round large: a slip of the labels shows
    assert objective.discriminator_loss(jnp.array([9.0]), jnp.array([-9.0])) < 1e-3
    assert objective.discriminator_loss(jnp.array([-9.0]), jnp.array([9.0])) > 17


def test_generator_loss_by_hand():
    # D(code) = 1/4 and 1/2
    code = jnp.array([-np.log(3.0), 0.0])
    np.testing.assert_allclose(objective.generator_loss(code), -(np.log(0.25) + np.log(0.5)) / 2, rtol=1e-6)
    assert objective.generator_loss(jnp.array([9.0])) < 1e-3


def test_equilibrium_values():
    zero = jnp.zeros(3)
    np.testing.assert_allclose(objective.discriminator_loss(zero, zero), np.log(4.0), rtol=1e-6)
    np.testing.assert_allclose(objective.generator_loss(zero), np.log(2.0), rtol=1e-6)


def test_supervised_loss_by_hand():
    probabilities = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    loss = objective.supervised_loss(jnp.log(probabilities), jnp.array([1, 2]))
    np.testing.assert_allclose(loss, -(np.log(0.25) + np.log(0.8)) / 2, rtol=1e-6)


def test_consistency_is_the_divergence_by_hand_and_moves_the_second_view_alone():
    one, other = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]), np.array([[0.25, 0.25, 0.5], [0.1, 0.1, 0.8]])
    by_hand = (0.5 * np.log(2) + 0.25 * np.log(0.5)) / 2
    value, gradients = jax.value_and_grad(objective.consistency_nats, (0, 1))(jnp.log(one), jnp.log(other))
    np.testing.assert_allclose(value, by_hand, rtol=1e-6)
    np.testing.assert_array_equal(gradients[0], 0)
    np.testing.assert_allclose(gradients[1], -one / 2, rtol=1e-6)
