"""p(z): categorical, Gaussian, or both side by side; and how codes are drawn from q(z | x).

A code z [N, D] is K one-hot (in training: softmax) entries, then d Gaussian ones; D = K + d, either may be 0.
"""

import jax
import jax.numpy as jnp

from pixelgan_jax.data.randomness import Stream, normal, uniform
from pixelgan_jax.methods.method import Code
from pixelgan_jax.nn.encoder import Posterior

Array = jax.Array


def sample(code: Code, keys: Array) -> Array:
    """z ~ p(z): one key an example, keys [N] -> one-hot and Gaussian entries [N, D]."""
    gaussian = normal(keys, Stream.GAUSSIAN, (code.dimensions,))
    if not code.categories:
        return gaussian
    shares = jnp.broadcast_to(jnp.asarray(code.shares, jnp.float32), (len(keys), code.categories))
    return jnp.concatenate([_one_hot(shares, keys), gaussian], axis=1)


def soft_code(posterior: Posterior, keys: Array) -> Array:
    """The code that training passes on, [N, D]: the softmax itself (differentiable, as in the adversarial
    autoencoder) and a reparametrised draw of the continuous part."""
    epsilon = normal(keys, Stream.GAUSSIAN, posterior.mean.shape[1:])
    continuous = posterior.mean + jnp.exp(posterior.log_sd) * epsilon
    return jnp.concatenate([jnp.exp(posterior.log_probabilities), continuous], axis=1)


def straight_through_code(posterior: Posterior, keys: Array) -> Array:
    """`hard_code` with the gradient of `soft_code` (Bengio et al. 2013), [N, D]."""
    soft = soft_code(posterior, keys)
    return soft + jax.lax.stop_gradient(hard_code(posterior, keys) - soft)


def hard_code(posterior: Posterior, keys: Array) -> Array:
    """z ~ q(z | x), [N, D]: a one-hot draw of the categorical part, a draw of the continuous part."""
    categories = posterior.log_probabilities.shape[1]
    code = soft_code(posterior, keys)
    if not categories:
        return code
    one_hot = _one_hot(jnp.exp(posterior.log_probabilities), keys)
    return jnp.concatenate([one_hot, code[:, categories:]], axis=1)


def _one_hot(probabilities: Array, keys: Array) -> Array:
    """A category of each example by inverse CDF, probabilities [N, K] -> one-hot [N, K]."""
    cdf = jnp.cumsum(probabilities, axis=1)
    drawn = jnp.sum(uniform(keys, Stream.ONE_HOT, (1,)) >= cdf[:, :-1], axis=1)
    return jax.nn.one_hot(drawn, probabilities.shape[1])
