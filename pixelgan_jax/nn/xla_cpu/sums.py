"""Sums over all pixels of a batch and their adjoint, as matrix products with ones.

XLA:CPU reduces maps whose channels lie innermost by windows, which takes several times as long as a matrix product that
reads them once. Batch statistics and biases' gradients are such sums.
"""

import math

import jax
import jax.numpy as jnp

Array = jax.Array


def channel_sums(x: Array) -> Array:
    """x [N, ..., F] summed over all but the last axis, [F]."""
    over_images = jnp.ones((1, x.shape[0]), x.dtype) @ x.reshape(x.shape[0], -1)
    return jnp.sum(over_images.reshape(-1, x.shape[-1]), axis=0)


def broadcast(v: Array, shape: tuple[int, ...]) -> Array:
    """v [F], or [N, 1, ..., 1, F], at every place of `shape` [N, ..., F]. XLA turns this product into a broadcast, but
    its gradient, `channel_sums` or that of each image, is the same product."""
    if v.ndim == 1:
        one_image = jnp.broadcast_to(v, shape[1:]).reshape(1, -1)
        return (jnp.ones((shape[0], 1), v.dtype) @ one_image).reshape(shape)
    places = math.prod(shape[1:-1])
    return (jnp.ones((shape[0], places, 1), v.dtype) @ v.reshape(shape[0], 1, -1)).reshape(shape)
