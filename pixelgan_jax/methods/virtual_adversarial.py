"""Virtual adversarial perturbations: what small change of an image changes its code most (Miyato et al. 2018)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from pixelgan_jax.data.randomness import Stream, normal

Array = jax.Array

# The L2 length, pixels in [-1, 1], of the random change whose effect's gradient is the direction taken.
PROBE = 0.1


def perturbed(encode: Callable[[Array], Array], x: Array, keys: Array, length: float) -> Array:
    """x [N, H, W, C], each moved by the L2 length to where encode(x), log q(k | x) [N, K], changes most.

    By one step of power iteration (Miyato et al. 2018, section 3.3) from a random direction of the image's key [N]: the
    gradient of KL(q(k | x) ‖ q(k | x + r)) at a short r points along what the divergence curves by most. No gradient
    flows through what is returned.
    """
    log_q = encode(x)

    def divergence(r: Array) -> Array:
        return jnp.sum(jnp.exp(log_q) * (log_q - encode(x + r)))

    direction = _unit(normal(keys, Stream.PERTURBATION, x.shape[1:]))
    return jax.lax.stop_gradient(x + length * _unit(jax.grad(divergence)(PROBE * direction)))


def _unit(r: Array) -> Array:
    tiny = jnp.finfo(r.dtype).tiny  # where nothing changes the code there is no direction
    return r * jax.lax.rsqrt(jnp.sum(jnp.square(r), axis=(1, 2, 3), keepdims=True) + tiny)
