"""A chain between the pixels of a sampler, for XLA:CPU."""

import jax

from pixelgan_jax.nn import xla_cpu

Array = jax.Array


def after(column: Array, pixel: Array) -> Array:
    """`column` [], once `pixel` [N, C] in [-1, 1] has been written and read back.

    XLA:CPU runs kernels without scheduling them, twice as fast, where each needs the one before. So the count of pixels
    is made to wait for the last one's value, which never exceeds 1.
    """
    if not xla_cpu.chosen("sampler_chain"):
        return column
    return column + (pixel[0, 0] > 2).astype(column.dtype)
