"""The networks of generative adversarial networks on images: a generator, and InfoGAN's discriminator."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.initializers import normal

from pixelgan_jax.nn.batch_norm import BatchNorm, conv_norm
from pixelgan_jax.nn.layers import Conv, ConvTranspose, Dense

Array = jax.Array
# As published. Before batch normalisation their size is free, and Adam outgrows a small one in a few steps: so the
# generator soon finds which of its inputs matter.
DCGAN_INIT = normal(0.02)


class Generator(nn.Module):
    """Dense layers to a quarter-size map, a transposed convolution to half the size and one to the pixels; batch
    normalisation and ReLU before the last (after Chen et al. 2016, appendix C.1)."""

    shape: tuple[int, int, int]
    units: int
    features: int
    axis_name: str | None = None
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, z: Array, train: bool) -> Array:
        """z [N, D] -> images [N, H, W, C] in [-1, 1]. train: BatchNorm over the mini-batch."""
        height, width, channels = self.shape
        rows, columns = -(-height // 4), -(-width // 4)

        def normalised(x: Array) -> Array:
            return nn.relu(BatchNorm(axis_name=self.axis_name)(x, train))

        h = normalised(Dense(self.units, use_bias=False, dtype=self.dtype, kernel_init=DCGAN_INIT)(z))
        h = normalised(
            Dense(rows * columns * 2 * self.features, use_bias=False, dtype=self.dtype, kernel_init=DCGAN_INIT)(h)
        )
        h = h.reshape(z.shape[0], rows, columns, 2 * self.features)
        h = normalised(ConvTranspose(self.features, use_bias=False, dtype=self.dtype, kernel_init=DCGAN_INIT)(h))
        h = ConvTranspose(channels, dtype=jnp.float32, kernel_init=DCGAN_INIT)(h)
        return jnp.tanh(h[:, :height, :width])  # sides that 4 does not divide


class InfoDiscriminator(nn.Module):
    """3×3 convolutions that each halve the image and a dense layer, shared by two heads: the discriminator's, and Q's,
    which has a dense layer of its own (Chen et al. 2016, appendix C.1, with 4×4 convolutions)."""

    channels: tuple[int, ...]
    units: int
    code_units: int
    categories: int
    dimensions: int
    axis_name: str | None = None
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Array, train: bool) -> tuple[Array, Array, Array]:
        """x [N, H, W, C] in [-1, 1] -> the logit [N] that x is an image of the data, log Q(k | x) [N, K], and the means
        [N, d] of the Gaussians Q(z | x), of s.d. 1. train: BatchNorm over the mini-batch."""
        for index, width in enumerate(self.channels):
            conv = Conv(width, 2, use_bias=index == 0, dtype=self.dtype, kernel_init=DCGAN_INIT)
            x = nn.leaky_relu(conv(x) if index == 0 else self._normalised(conv, x, train), 0.1)
        x = self._dense(x.reshape(x.shape[0], -1), self.units, train)
        told = self._dense(x, self.code_units, train)
        real = Dense(1, dtype=jnp.float32, kernel_init=DCGAN_INIT, name="real")(x)[:, 0]
        category = nn.log_softmax(
            Dense(self.categories, dtype=jnp.float32, kernel_init=DCGAN_INIT, name="category")(told)
        )
        if not self.dimensions:
            return real, category, jnp.zeros((x.shape[0], 0))
        return real, category, Dense(self.dimensions, dtype=jnp.float32, kernel_init=DCGAN_INIT, name="mean")(told)

    def _normalised(self, conv: Conv, x: Array, train: bool) -> Array:
        return conv_norm(conv, BatchNorm(axis_name=self.axis_name), x, train)

    def _dense(self, x: Array, width: int, train: bool) -> Array:
        y = Dense(width, use_bias=False, dtype=self.dtype, kernel_init=DCGAN_INIT)(x)
        return nn.leaky_relu(BatchNorm(axis_name=self.axis_name)(y, train), 0.1)
