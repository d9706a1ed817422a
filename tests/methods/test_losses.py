"""The losses against values computed by hand."""

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.metrics import mutual_info_score

from pixelgan_jax.methods import losses


def test_reconstruction_sums_pixels_and_averages_images():
    log_prob = jnp.array([[[-1.0, -2.0], [-3.0, -4.0]], [[0.0, -1.0], [0.0, -1.0]]])
    assert float(losses.reconstruction_nats(log_prob)) == (10.0 + 2.0) / 2


def test_discriminator_loss_by_hand():
    # D(prior) = 3/4 and 1/2, D(code) = 1/4: -mean(ln 3/4, ln 1/2) - ln(1 - 1/4)
    prior, code = jnp.array([np.log(3.0), 0.0]), jnp.array([-np.log(3.0), -np.log(3.0)])
    expected = -(np.log(0.75) + np.log(0.5)) / 2 - np.log(0.75)
    np.testing.assert_allclose(losses.discriminator_loss(prior, code), expected, rtol=1e-6)
    # told apart rightly it is small, the wrong way round large: a slip of the labels shows
    assert losses.discriminator_loss(jnp.array([9.0]), jnp.array([-9.0])) < 1e-3
    assert losses.discriminator_loss(jnp.array([-9.0]), jnp.array([9.0])) > 17


def test_generator_loss_by_hand():
    # D(code) = 1/4 and 1/2
    code = jnp.array([-np.log(3.0), 0.0])
    np.testing.assert_allclose(losses.generator_loss(code), -(np.log(0.25) + np.log(0.5)) / 2, rtol=1e-6)
    assert losses.generator_loss(jnp.array([9.0])) < 1e-3


def test_equilibrium_values():
    zero = jnp.zeros(3)
    np.testing.assert_allclose(losses.discriminator_loss(zero, zero), np.log(4.0), rtol=1e-6)
    np.testing.assert_allclose(losses.generator_loss(zero), np.log(2.0), rtol=1e-6)


def test_supervised_loss_by_hand():
    probabilities = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    loss = losses.supervised_loss(jnp.log(probabilities), jnp.array([1, 2]))
    np.testing.assert_allclose(loss, -(np.log(0.25) + np.log(0.8)) / 2, rtol=1e-6)


def test_the_joint_of_two_views_by_hand():
    one, other = np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[0.75, 0.25], [0.0, 1.0]])
    product = (np.outer(one[0], other[0]) + np.outer(one[1], other[1])) / 2
    joint = losses.joint_of_views(jnp.log(one), jnp.log(other))
    np.testing.assert_allclose(joint, (product + product.T) / 2, rtol=1e-6)
    np.testing.assert_allclose(joint.sum(), 1.0, rtol=1e-6)


def test_information_by_hand_and_against_scikit_learns():
    np.testing.assert_allclose(losses.information_nats(jnp.eye(4) / 4), np.log(4), rtol=1e-6)
    np.testing.assert_allclose(losses.information_nats(jnp.full((4, 4), 1 / 16)), 0.0, atol=1e-6)
    random = np.random.RandomState(0)
    counts = random.randint(0, 9, (5, 5))
    counts += counts.T
    expected = mutual_info_score(None, None, contingency=counts)
    np.testing.assert_allclose(losses.information_nats(jnp.float32(counts / counts.sum())), expected, rtol=1e-5)
    slope = jax.grad(losses.information_nats)(jnp.diag(jnp.array([0.5, 0.5, 0.0])))
    assert np.all(np.isfinite(slope))  # of codes that nothing has


def test_information_and_the_expected_prior_ask_for_the_priors_own_shares():
    """Where two views agree, their sum is minus the KL divergence from the codes' shares to the prior's."""
    shares, used = jnp.array([0.5, 0.3, 0.2]), np.array([0.2, 0.2, 0.6])

    def wanted(logits):
        joint = jnp.diag(jax.nn.softmax(logits))
        return losses.information_nats(joint) + losses.expected_log_prior(joint, shares)

    np.testing.assert_allclose(wanted(jnp.log(used)), -np.sum(used * np.log(used / shares)), rtol=1e-5)
    np.testing.assert_allclose(jax.grad(wanted)(jnp.log(shares)), np.zeros(3), atol=1e-6)
