"""Layers under flax's names, with flax's parameters and initial values."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.initializers import Initializer, lecun_normal, zeros_init

from pixelgan_jax.nn import ops

Array = jax.Array


class Dense(nn.Module):
    """x @ kernel + bias over the last axis."""

    features: int
    use_bias: bool = True
    dtype: jnp.dtype = jnp.float32
    kernel_init: Initializer = lecun_normal()

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """x [..., C] -> [..., F]."""
        kernel = self.param("kernel", self.kernel_init, (x.shape[-1], self.features))
        y = ops.dense(x.astype(self.dtype), kernel.astype(self.dtype))
        if not self.use_bias:
            return y
        return ops.add_bias(y, self.param("bias", zeros_init(), (self.features,)))


class Conv(nn.Module):
    """A 3×3 convolution with zero padding."""

    features: int
    stride: int = 1
    use_bias: bool = True
    dtype: jnp.dtype = jnp.float32
    kernel_init: Initializer = lecun_normal()

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """x [N, H, W, C] -> [N, ceil(H / stride), ceil(W / stride), F]."""
        kernel = self.param("kernel", self.kernel_init, (3, 3, x.shape[-1], self.features))
        y = ops.conv(x.astype(self.dtype), kernel.astype(self.dtype), (self.stride, self.stride))
        if not self.use_bias:
            return y
        return ops.add_bias(y, self.param("bias", zeros_init(), (self.features,)))


class ConvTranspose(nn.Module):
    """A transposed 4×4 convolution of stride 2, which doubles an image's sides."""

    features: int
    use_bias: bool = True
    dtype: jnp.dtype = jnp.float32
    kernel_init: Initializer = lecun_normal()

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """x [N, H, W, C] -> [N, 2 H, 2 W, F]."""
        kernel = self.param("kernel", self.kernel_init, (4, 4, x.shape[-1], self.features))
        y = ops.conv_transpose(x.astype(self.dtype), kernel.astype(self.dtype))
        if not self.use_bias:
            return y
        return ops.add_bias(y, self.param("bias", zeros_init(), (self.features,)))
