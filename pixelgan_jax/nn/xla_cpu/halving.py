"""A convolution that halves an image, for XLA:CPU."""

import jax
import jax.numpy as jnp

Array = jax.Array


def _convolve(x: Array, kernel: Array, stride: int, padding: str | tuple) -> Array:
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


@jax.custom_vjp
def _halved(x: Array, kernel: Array) -> Array:
    return _convolve(x, kernel, 2, "SAME")


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _halved(x, kernel), (x, kernel)


def _backward(given: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = given
    (by_kernel,) = jax.linear_transpose(lambda kernel: _convolve(x, kernel, 2, "SAME"), kernel)(gradient)
    # a place in an even row was seen by the kernel's first row, and by its last one a row before; in an odd row, by the
    # middle one alone; columns alike
    turned = kernel.swapaxes(2, 3)
    parities = ((slice(None, None, -2), (1, 0)), (slice(1, 2), (0, 0)))  # the kernel's rows, padding before and after
    rows = [
        jnp.stack([_convolve(gradient, turned[i, j], 1, (up, left)) for j, left in parities], axis=3)
        for i, up in parities
    ]
    return jnp.stack(rows, axis=2).reshape(x.shape), by_kernel


_halved.defvjp(_forward, _backward)


def conv(x: Array, kernel: Array) -> Array:
    """The convolution of x [N, H, W, C], H and W even, with kernel [3, 3, C, F], strides (2, 2) and padding "SAME":
    [N, H / 2, W / 2, F].

    Its gradient with respect to x by places of even and odd rows and columns, four small convolutions: XLA:CPU would
    make it one convolution over a gradient filled up with zeros, which gains little from a second core.
    """
    return _halved(x, kernel)


def fits(x: Array, kernel: Array, strides: tuple[int, int], padding) -> bool:
    """Whether a convolution is of that kind."""
    even = x.shape[1] % 2 == x.shape[2] % 2 == 0
    return even and (kernel.shape[:2], strides, padding) == ((3, 3), (2, 2), "SAME")
