"""A masked convolution whose weights' gradient XLA:CPU has two cores work at.

Shapes: N images, H rows, W columns, C input and F output channels, p the reach of the kernel.
"""

import jax
import jax.numpy as jnp

Array = jax.Array


def whole_kernel(above: Array, own: Array) -> Array:
    """The kernel [p + 1, 2 p + 1, C, F] with zeros for the pixels of the own row that must not be seen."""
    unseen = above.shape[1] - own.shape[1]
    return jnp.concatenate([above, jnp.pad(own, ((0, 0), (0, unseen), (0, 0), (0, 0)))])


def padding(above: Array) -> tuple[tuple[int, int], tuple[int, int]]:
    """The zeros around an image under which every pixel has the p rows above it and p columns to either side."""
    p = len(above)
    return (p, 0), (p, p)


def _convolve(x: Array, kernel: Array, pads: tuple[tuple[int, int], tuple[int, int]]) -> Array:
    return jax.lax.conv_general_dilated(x, kernel, (1, 1), pads, dimension_numbers=("NHWC", "HWIO", "NHWC"))


@jax.custom_vjp
def causal_conv(x: Array, above: Array, own: Array) -> Array:
    """nn.ops.causal_conv, with the weights' gradient by the two parts: what is masked needs none, and XLA:CPU has two
    cores work at the two."""
    return _convolve(x, whole_kernel(above, own), padding(above))


def _forward(x: Array, above: Array, own: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    return causal_conv(x, above, own), (x, above, own)


def _backward(given: tuple[Array, Array, Array], gradient: Array) -> tuple[Array, ...]:
    x, above, own = given
    p, seen = len(above), own.shape[1]
    parts = (
        (lambda x: _convolve(x, whole_kernel(above, own), padding(above)), x),
        (lambda above: _convolve(x, above, ((p, -1), (p, p))), above),
        (lambda own: _convolve(x, own, ((0, 0), (p, seen - p - 1))), own),
    )
    return tuple(jax.linear_transpose(function, value)(gradient)[0] for function, value in parts)


causal_conv.defvjp(_forward, _backward)
