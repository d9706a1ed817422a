"""A dense layer: flax's, but for how XLA:CPU is given its gradients."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.initializers import lecun_normal, zeros_init

from pixelgan_jax.nn.sums import kept, spread

Array = jax.Array


@jax.custom_vjp
def _product(x: Array, kernel: Array) -> Array:
    return x @ kernel


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return x @ kernel, (x, kernel)


def _backward(given: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = given
    gradient = kept(gradient)  # else it is computed twice, once while it is transposed
    if x.shape[0] < x.shape[1]:  # faster on XLA:CPU with the longer of the two first
        return kept(kernel @ gradient.T).T, x.T @ gradient
    return gradient @ kernel.T, x.T @ gradient


_product.defvjp(_forward, _backward)


def product(x: Array, kernel: Array) -> Array:
    """x [..., C] @ kernel [C, F] -> [..., F]."""
    if jax.default_backend() != "cpu":
        return x @ kernel
    return _product(x.reshape(-1, x.shape[-1]), kernel).reshape(*x.shape[:-1], kernel.shape[-1])


class Dense(nn.Module):
    """x @ kernel + bias over the last axis, with flax's names and initial values."""

    features: int
    use_bias: bool = True
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """x [..., C] -> [..., F]."""
        kernel = self.param("kernel", lecun_normal(), (x.shape[-1], self.features))
        y = product(x.astype(self.dtype), kernel.astype(self.dtype))
        if not self.use_bias:
            return y
        bias = self.param("bias", zeros_init(), (self.features,)).astype(self.dtype)
        return y + spread(bias, y.shape)
