"""A chain between the pixels of a sampler, and a few images by turns, for XLA:CPU."""

from collections.abc import Callable
from typing import Any

import jax

from pixelgan_jax.nn import xla_cpu

Array = jax.Array

FEW = 4  # images; from 8 on, matrix products of all of them are as fast or faster


def by_turns(draw: Callable[..., Any], *rows: Array) -> Any:
    """draw(*rows), whose rows [N, ...] and results [N, ...] belong to one image each, one image after the other where
    there are a few.

    An image's product with a matrix is a loop that XLA:CPU compiles; two images' are a call of Eigen's, which for so
    small a product takes several times as long.
    """
    if not xla_cpu.chosen("sampler_turns") or not 1 < len(rows[0]) <= FEW:
        return draw(*rows)
    drawn = jax.lax.map(lambda row: draw(*row), [x[:, None] for x in rows])
    return jax.tree.map(lambda x: x[:, 0], drawn)


def after(column: Array, pixel: Array) -> Array:
    """`column` [], once `pixel` [N, C] in [-1, 1] has been written and read back.

    XLA:CPU runs kernels without scheduling them, twice as fast, where each needs the one before. So the count of pixels
    is made to wait for the last one's value, which never exceeds 1.
    """
    if not xla_cpu.chosen("sampler_chain"):
        return column
    return column + (pixel[0, 0] > 2).astype(column.dtype)
