"""Virtual adversarial perturbations: small changes of an image that change its code much (Miyato et al. 2018)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from pixelgan_jax.data.randomness import Stream, normal

Array = jax.Array


def perturbed(encode: Callable[[Array], Array], x: Array, keys: Array, length: float) -> Array:
    """x [N, H, W, C], each changed by an L2 norm of `length`, in the unit of its pixels, along the direction in which
    log q(k | x) [N, K], which is encode(x), changes most, as far as one gradient tells.

    From a random direction of the image's key [N] one step of power iteration (Miyato et al. 2018, section 3.3): the
    gradient of KL(q(k | x) ‖ q(k | x + r)) at an r of that length. It costs two passes through the encoder and one
    back. encode may couple the images, as BatchNorm does. No gradient flows through what is returned.
    """
    log_q = encode(x)

    def divergence(r: Array) -> Array:
        return jnp.sum(jnp.exp(log_q) * (log_q - encode(x + r)))

    start = length * _unit(normal(keys, Stream.PERTURBATION, x.shape[1:]))
    return jax.lax.stop_gradient(x + length * _unit(jax.grad(divergence)(start)))


def _unit(r: Array) -> Array:
    # scaled first: a sure code's gradient is so small that its square would be 0; where all of it is 0 there is no way
    r = r / (jnp.max(jnp.abs(r), axis=(1, 2, 3), keepdims=True) + jnp.finfo(r.dtype).tiny)
    return r * jax.lax.rsqrt(jnp.maximum(jnp.sum(jnp.square(r), axis=(1, 2, 3), keepdims=True), 1e-6))
