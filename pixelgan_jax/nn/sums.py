"""Sums over all pixels of a batch and their adjoint, as matrix products with ones; and results that are kept.

XLA:CPU reduces maps whose channels lie innermost by windows, which takes several times as long as a matrix product that
reads them once. Batch statistics and biases' gradients are such sums. Where XLA does well by itself, all three are the
plain operations.
"""

import math

import jax
import jax.numpy as jnp

Array = jax.Array


def total(x: Array) -> Array:
    """x [N, ..., F] summed over all but the last axis, [F]."""
    if jax.default_backend() != "cpu":
        return jnp.sum(x, axis=tuple(range(x.ndim - 1)))
    over_images = jnp.ones((1, x.shape[0]), x.dtype) @ x.reshape(x.shape[0], -1)
    return jnp.sum(over_images.reshape(-1, x.shape[-1]), axis=0)


def spread(v: Array, shape: tuple[int, ...]) -> Array:
    """v [F], or [N, 1, ..., 1, F] or of `shape` already, at every place of `shape` [N, ..., F]; XLA turns this product
    into a broadcast, but its gradient, `total` or that of each image, is the same product."""
    if jax.default_backend() != "cpu" or v.shape == shape:
        return jnp.broadcast_to(v, shape)
    if v.ndim == 1:
        one_image = jnp.broadcast_to(v, shape[1:]).reshape(1, -1)
        return (jnp.ones((shape[0], 1), v.dtype) @ one_image).reshape(shape)
    places = math.prod(shape[1:-1])
    return (jnp.ones((shape[0], places, 1), v.dtype) @ v.reshape(shape[0], 1, -1)).reshape(shape)


def kept(x: Array) -> Array:
    """x, held in memory for all that read it.

    XLA:CPU would compute cheap operations anew for every reader: in a residual stack every layer the sums of all before
    it, and an activation once more, at half the speed, while it is transposed for a weight's gradient.
    """
    return x if jax.default_backend() != "cpu" else jax.lax.optimization_barrier(x)
