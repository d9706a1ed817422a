"""Convolutions that XLA:CPU is better given as matrix products."""

import jax
import jax.numpy as jnp

Array = jax.Array


def by_patches(x: Array, kernel: Array, strides: tuple[int, int], padding: str, **_) -> Array:
    """nn.Conv's convolution as one matrix product with the pixels under the kernel side by side.

    For maps smaller than the kernel: XLA:CPU exchanges their roles in the gradient, which then takes ten times longer.
    And for transposed convolutions, whose gradient takes it several times longer.
    """
    pads = jax.lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], strides, padding)
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    (rows, columns), (down, right) = kernel.shape[:2], strides
    height, width = x.shape[1] - rows + 1, x.shape[2] - columns + 1
    seen = [x[:, i : i + height : down, j : j + width : right] for i in range(rows) for j in range(columns)]
    return jnp.concatenate(seen, axis=-1) @ kernel.reshape(-1, kernel.shape[-1])
