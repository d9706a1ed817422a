"""The operations that the networks are made of, in their plain forms; on CPU, XLA is given the forms of nn/xla_cpu.

Shapes: N images, H rows, W columns, C input and F output channels, kernels [kh, kw, C, F].
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pixelgan_jax.nn import xla_cpu
from pixelgan_jax.nn.xla_cpu import dense as cpu_dense
from pixelgan_jax.nn.xla_cpu import doubling, halving, maxima, moments, patches, sums

Array = jax.Array
Padding = str | tuple[tuple[int, int], tuple[int, int]]

LAYOUT = ("NHWC", "HWIO", "NHWC")


def dense(x: Array, kernel: Array) -> Array:
    """x [..., C] @ kernel [C, F] -> [..., F]."""
    if xla_cpu.chosen("dense"):
        return cpu_dense.dense(x, kernel)
    return x @ kernel


def conv(x: Array, kernel: Array, strides: tuple[int, int] = (1, 1), padding: Padding = "SAME") -> Array:
    """x [N, H, W, C] -> [N, H', W', F]."""
    if xla_cpu.chosen("patches") and (patches.has_few_channels(x) or patches.is_small(x, kernel, strides)):
        return patches.conv(x, kernel, strides, padding)
    if xla_cpu.chosen("halving") and halving.fits(x, kernel, strides, padding):
        return halving.conv(x, kernel)
    return jax.lax.conv_general_dilated(x, kernel, strides, padding, dimension_numbers=LAYOUT)


def conv_transpose(x: Array, kernel: Array) -> Array:
    """A transposed convolution of stride 2: x [N, H, W, C], kernel [4, 4, C, F] -> [N, 2 H, 2 W, F]."""
    if xla_cpu.chosen("doubling"):
        return doubling.conv_transpose(x, kernel)
    return jax.lax.conv_transpose(x, kernel, (2, 2), "SAME", dimension_numbers=LAYOUT)


def max_pool(x: Array) -> Array:
    """x [N, H, W, C] -> the maxima over 2×2 pixels [N, ceil(H / 2), ceil(W / 2), C]."""
    if xla_cpu.chosen("maxima"):
        return maxima.max_pool(x)
    return nn.max_pool(x, (2, 2), (2, 2), "SAME")


def causal_conv(x: Array, above: Array, own: Array) -> Array:
    """The masked convolution of x [N, H, W, C] with the weights of the p rows above [p, 2 p + 1, C, F] and of the own
    row [1, p or p + 1, C, F], leftmost pixel first, p at least 1: [N, H, W, F]."""
    p, unseen = len(above), above.shape[1] - own.shape[1]
    own = jnp.pad(own, ((0, 0), (0, unseen), (0, 0), (0, 0)))  # zeros for the pixels that must not be seen
    return conv(x, jnp.concatenate([above, own]), padding=((p, 0), (p, p)))


def channel_sums(x: Array) -> Array:
    """x [N, ..., F] summed over all but the last axis, [F]."""
    if xla_cpu.chosen("sums"):
        return sums.channel_sums(x)
    return jnp.sum(x, axis=tuple(range(x.ndim - 1)))


def broadcast(v: Array, shape: tuple[int, ...]) -> Array:
    """v [F], or [N, 1, ..., 1, F] or of `shape` already, at every place of `shape` [N, ..., F]."""
    if xla_cpu.chosen("sums") and v.shape != shape:
        return sums.broadcast(v, shape)
    return jnp.broadcast_to(v, shape)


def add_bias(x: Array, bias: Array) -> Array:
    """x [N, ..., F] plus a bias [F], or [N, 1, ..., 1, F] or of x's shape, in x's type."""
    return x + broadcast(bias.astype(x.dtype), x.shape)


def batch_moments(x: Array) -> Array:
    """x [N, ..., F] -> the means of x and of its square over all but the last axis, [2, F]."""
    if xla_cpu.chosen("moments"):
        return moments.batch_moments(x)
    return jnp.stack([channel_sums(x), channel_sums(jnp.square(x))]) * (x.shape[-1] / x.size)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), element by element."""
    if xla_cpu.chosen("sigmoid"):
        return 0.5 + 0.5 * jnp.tanh(0.5 * x)
    return jax.nn.sigmoid(x)


def barrier(x: Array) -> Array:
    """x, which XLA:CPU is to keep in memory for all that read it; elsewhere XLA decides.

    It would compute cheap operations anew for every reader: in a residual stack every layer the sums of all before it,
    and an activation once more, at half the speed, while it is transposed for a weight's gradient.
    """
    return jax.lax.optimization_barrier(x) if xla_cpu.chosen("barriers") else x
