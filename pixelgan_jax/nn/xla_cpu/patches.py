"""Convolutions that XLA:CPU is better given as matrix products, and batch statistics that follow from them."""

import jax
import jax.numpy as jnp

from pixelgan_jax.nn.xla_cpu.dense import dense
from pixelgan_jax.nn.xla_cpu.sums import channel_sums

Array = jax.Array


def has_few_channels(x: Array) -> bool:
    """Whether x [N, H, W, C] has so few channels, as images have, that they fill no vector."""
    return x.shape[-1] < 4


def is_small(x: Array, kernel: Array, strides: tuple[int, int]) -> bool:
    """Whether the convolution of x [N, H, W, C] has fewer pixels than the kernel [kh, kw, C, F]."""
    (height, width), (down, right) = x.shape[1:3], strides
    return -(-height // down) * -(-width // right) < kernel.shape[0] * kernel.shape[1]


def patches(x: Array, size: tuple[int, int], strides: tuple[int, int], padding) -> Array:
    """The pixels of x [N, H, W, C] under a kernel of kh × kw at each of its places, [N, h, w, kw · kh · C]."""
    pads = jax.lax.padtype_to_pads(x.shape[1:3], size, strides, padding) if isinstance(padding, str) else padding
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    (rows, columns), (down, right) = size, strides
    height, width = x.shape[1] - rows + 1, x.shape[2] - columns + 1
    # rows first: two copies of long runs take half the time of one of short ones
    # kept in memory for all that read them, but for a sampler's single rows, which JAX 0.12 then fails to compile
    kept = jax.lax.optimization_barrier if height > 1 else lambda x: x
    x = kept(jnp.concatenate([x[:, i : i + height : down] for i in range(rows)], axis=-1))
    return kept(jnp.concatenate([x[:, :, j : j + width : right] for j in range(columns)], axis=-1))


def flat(kernel: Array) -> Array:
    """A kernel [kh, kw, C, F] as the matrix [kw · kh · C, F] that `patches` are multiplied with."""
    return kernel.swapaxes(0, 1).reshape(-1, kernel.shape[-1])


def conv(x: Array, kernel: Array, strides: tuple[int, int], padding) -> Array:
    """A convolution as one matrix product with the pixels under the kernel side by side.

    For images, whose few channels fill no vector. For maps smaller than the kernel: XLA:CPU exchanges their roles in
    the gradient, which then takes ten times longer. Not for others: patches are several times the map, and to write
    them costs a step more time than the product saves.
    """
    return dense(patches(x, kernel.shape[:2], strides, padding), flat(kernel))


def moments_of_product(x: Array, kernel: Array) -> Array:
    """The means of x @ kernel and of its square over all but the last axis, [2, F], by those of x [..., C], without the
    product. Loses digits of the variance where the kernel [C, F] cancels on x."""
    x = x.reshape(-1, x.shape[-1]).astype(jnp.float32)
    mean, square = channel_sums(x) / len(x), x.T @ x / len(x)
    return jnp.stack([mean @ kernel, jnp.sum(kernel * (square @ kernel), axis=0)])
