"""The losses: arrays in, one scalar out, means over the mini-batch."""

import jax
import jax.numpy as jnp

Array = jax.Array


def reconstruction_nats(log_prob: Array) -> Array:
    """-log p(x | z), nats an image: log_prob [N, H, W] -> []."""
    return -jnp.mean(jnp.sum(log_prob, axis=(1, 2)))


def discriminator_loss(prior_logits: Array, code_logits: Array) -> Array:
    """-E log D(z_prior) - E log(1 - D(z_code)) (Goodfellow et al. 2014), logits [N] each -> nats [].

    ln 4 where D cannot tell the two apart.
    """
    return jnp.mean(jax.nn.softplus(-prior_logits)) + jnp.mean(jax.nn.softplus(code_logits))


def generator_loss(code_logits: Array) -> Array:
    """The non-saturating -E log D(z_code), logits [N] -> nats []; ln 2 where D cannot tell."""
    return jnp.mean(jax.nn.softplus(-code_logits))


def consistency_nats(given: Array, log_probabilities: Array) -> Array:
    """KL(q(z | one view) ‖ q(z | another)) of the categorical codes of two views of the same images, nats [].

    Laine & Aila (2017, Temporal Ensembling, their Π-model) draw views together by squared error.
    given, log_probabilities [N, K]; the first is what the second is drawn to, and has no gradient.
    """
    given = jax.lax.stop_gradient(given)
    return jnp.mean(jnp.sum(jnp.exp(given) * (given - log_probabilities), axis=1))


def supervised_loss(log_probabilities: Array, labels: Array) -> Array:
    """Cross-entropy of the softmax head, log_probabilities [N, K], labels int [N] -> nats []."""
    return -jnp.mean(jnp.take_along_axis(log_probabilities, labels[:, None], axis=1))
