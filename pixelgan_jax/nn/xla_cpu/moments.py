"""Batch statistics with the gradient that XLA:CPU is faster with."""

import jax
import jax.numpy as jnp

from pixelgan_jax.nn.xla_cpu.sums import channel_sums

Array = jax.Array


@jax.custom_vjp
def batch_moments(x: Array) -> Array:
    """x [N, ..., F] -> the means of x and of its square over all but the last axis, [2, F]."""
    square = jax.lax.optimization_barrier(jnp.square(x))
    return jnp.stack([channel_sums(x), channel_sums(square)]) * (x.shape[-1] / x.size)


def _forward(x: Array) -> tuple[Array, Array]:
    return batch_moments(x), x


def _backward(x: Array, gradient: Array) -> tuple[Array]:
    # by hand, since the sums' own gradients would each write a map of one value per channel
    by_mean, by_square = (jnp.broadcast_to(g, x.shape) for g in gradient * (x.shape[-1] / x.size))
    return (by_mean + 2 * by_square * x,)


batch_moments.defvjp(_forward, _backward)
