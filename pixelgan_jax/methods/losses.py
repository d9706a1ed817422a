"""The losses: arrays in, one scalar out, means over the mini-batch."""

import jax
import jax.numpy as jnp

Array = jax.Array


def reconstruction_nats(log_prob: Array) -> Array:
    """-log p(x | z), nats an image: log_prob [N, H, W] -> []."""
    return -jnp.mean(jnp.sum(log_prob, axis=(1, 2)))


def discriminator_loss(prior_logits: Array, code_logits: Array) -> Array:
    """-E log D(z_prior) - E log(1 - D(z_code)) (Goodfellow et al. 2014), logits [N] each -> nats []; with logits [N, P]
    of P discriminators their mean.

    ln 4 where D cannot tell the two apart.
    """
    return jnp.mean(jax.nn.softplus(-prior_logits)) + jnp.mean(jax.nn.softplus(code_logits))


def generator_loss(code_logits: Array) -> Array:
    """The non-saturating -E log D(z_code), logits [N] or [N, P] as above -> nats []; ln 2 where D cannot tell."""
    return jnp.mean(jax.nn.softplus(-code_logits))


def joint_of_views(one: Array, other: Array) -> Array:
    """The joint distribution of the categorical codes k and l of two views of an image: the mean over the mini-batch
    of q(k | one view) q(l | the other view), made symmetric.

    one, other: log q(z | view) [N, K] -> [K, K], of sum 1.
    """
    product = jnp.exp(one).T @ jnp.exp(other) / one.shape[0]
    return (product + product.T) / 2


def information_nats(joint: Array) -> Array:
    """The mutual information of two codes of a symmetric joint distribution [K, K], nats [] (Ji et al. 2019, eq. 3).

    At most ln K, when two views agree on K equally likely codes; 0 when neither tells of the other.
    """
    tiny = jnp.finfo(joint.dtype).tiny
    log_marginal = jnp.log(jnp.sum(joint, axis=0) + tiny)
    return jnp.sum(joint * (jnp.log(joint + tiny) - log_marginal[:, None] - log_marginal[None, :]))


def expected_log_prior(joint: Array, shares: Array) -> Array:
    """E log p(k) of codes of a symmetric joint distribution [K, K] under a prior [K], nats []; ours, of no paper.

    Added to `information_nats` where two views agree it gives -KL(codes ‖ prior): greatest where categories are used
    as often as the prior has them, while the information alone is greatest where all are used alike.
    """
    return jnp.sum(joint, axis=0) @ jnp.log(shares)


def supervised_loss(log_probabilities: Array, labels: Array) -> Array:
    """Cross-entropy of the softmax head, log_probabilities [N, K], labels int [N] -> nats []."""
    return -jnp.mean(jnp.take_along_axis(log_probabilities, labels[:, None], axis=1))
