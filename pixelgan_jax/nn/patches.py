"""Convolutions that XLA:CPU is better given as matrix products."""

import jax
import jax.numpy as jnp

from pixelgan_jax.nn.dense import product
from pixelgan_jax.nn.sums import kept

Array = jax.Array


def has_few_channels(x: Array) -> bool:
    """Whether x [N, H, W, C] has so few channels, as images have, that its convolution is better made `by_patches`."""
    return x.shape[-1] < 4 and jax.default_backend() == "cpu"


def patches(x: Array, side: tuple[int, int], strides: tuple[int, int], padding: str) -> Array:
    """The pixels of x [N, H, W, C] under a kernel of kh × kw at each of its places, [N, h, w, kw · kh · C]."""
    pads = jax.lax.padtype_to_pads(x.shape[1:3], side, strides, padding)
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    (rows, columns), (down, right) = side, strides
    height, width = x.shape[1] - rows + 1, x.shape[2] - columns + 1
    # rows first: two copies of long runs take half the time of one of short ones
    x = kept(jnp.concatenate([x[:, i : i + height : down] for i in range(rows)], axis=-1))
    return kept(jnp.concatenate([x[:, :, j : j + width : right] for j in range(columns)], axis=-1))


def flat(kernel: Array) -> Array:
    """A kernel [kh, kw, C, F] as the matrix [kw · kh · C, F] that `patches` are multiplied with."""
    return kernel.swapaxes(0, 1).reshape(-1, kernel.shape[-1])


def by_patches(x: Array, kernel: Array, strides: tuple[int, int], padding: str, **_) -> Array:
    """nn.Conv's convolution as one matrix product with the pixels under the kernel side by side.

    For images, whose few channels fill no vector. For maps smaller than the kernel: XLA:CPU exchanges their roles in
    the gradient, which then takes ten times longer. And for transposed convolutions, whose gradient takes it several
    times longer. Not for others: patches are several times the map, and to write them costs a step more time than the
    product saves.
    """
    return product(patches(x, kernel.shape[:2], strides, padding), flat(kernel))
