"""A transposed convolution of stride 2, for XLA:CPU."""

import jax
import jax.numpy as jnp

from pixelgan_jax.nn.xla_cpu import patches

Array = jax.Array


def conv_transpose(x: Array, kernel: Array) -> Array:
    """x [N, H, W, C], kernel [4, 4, C, F], stride 2 and padding "SAME" -> [N, 2 H, 2 W, F].

    Every second row and column of the result is a 2×2 convolution of the map as it is (Shi et al. 2016, sub-pixel
    convolution). All four are computed as one, whose gradient XLA:CPU has several times faster.
    """
    count, height, width, inputs = x.shape
    features = kernel.shape[-1]
    # rows 0 and 2 of the kernel make the even rows of the result, 1 and 3 the odd ones; columns alike
    by_parity = kernel.reshape(2, 2, 2, 2, inputs, features).transpose(0, 2, 4, 1, 3, 5)
    framed = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    y = patches.conv(framed, by_parity.reshape(2, 2, inputs, -1), (1, 1), "VALID")
    y = y.reshape(count, height + 1, width + 1, 2, 2, features)
    rows = [[y[:, i : i + height, j : j + width, i, j] for j in (0, 1)] for i in (0, 1)]
    woven = jnp.stack([jnp.stack(row, axis=3) for row in rows], axis=2)
    return woven.reshape(count, 2 * height, 2 * width, features)
