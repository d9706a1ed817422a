"""Convolutions that XLA:CPU is better given as matrix products."""

import jax
import jax.numpy as jnp

from pixelgan_jax.nn.dense import product
from pixelgan_jax.nn.sums import kept

Array = jax.Array


def few(channels: int) -> bool:
    """Whether a convolution of so few channels, an image's, is better computed `by_patches`."""
    return channels < 4 and jax.default_backend() == "cpu"


def by_patches(x: Array, kernel: Array, strides: tuple[int, int], padding: str, **_) -> Array:
    """nn.Conv's convolution as one matrix product with the pixels under the kernel side by side.

    For images, whose `few` channels fill no vector. For maps smaller than the kernel: XLA:CPU exchanges their roles in
    the gradient, which then takes ten times longer. And for transposed convolutions, whose gradient takes it several
    times longer. Not for others, where the patches take more memory than the product saves time.
    """
    pads = jax.lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], strides, padding)
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    (rows, columns), (down, right) = kernel.shape[:2], strides
    height, width = x.shape[1] - rows + 1, x.shape[2] - columns + 1
    # rows first: two copies of long runs take half the time of one of short ones
    x = kept(jnp.concatenate([x[:, i : i + height : down] for i in range(rows)], axis=-1))
    x = kept(jnp.concatenate([x[:, :, j : j + width : right] for j in range(columns)], axis=-1))
    return product(x, kernel.swapaxes(0, 1).reshape(-1, kernel.shape[-1]))
