"""The adversarial autoencoder's decoder (Makhzani et al. 2015): pixels independent given the code."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.initializers import lecun_normal, zeros_init

from pixelgan_jax.nn.dense import Dense
from pixelgan_jax.nn.masked_conv import shift
from pixelgan_jax.nn.patches import by_patches

Array = jax.Array


class Doubling(nn.Module):
    """A transposed 4×4 convolution of stride 2: nn.ConvTranspose(features, (4, 4), (2, 2)) and its parameters.

    Every second row and column of the result is a 2×2 convolution of the map as it is (Shi et al. 2016, sub-pixel
    convolution). All four are computed as one, whose gradient XLA:CPU has several times faster.
    """

    features: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """x [N, H, W, C] -> [N, 2 H, 2 W, F]."""
        count, height, width, inputs = x.shape
        kernel = self.param("kernel", lecun_normal(), (4, 4, inputs, self.features)).astype(self.dtype)
        bias = self.param("bias", zeros_init(), (self.features,))
        # rows 0 and 2 of the kernel make the even rows of the result, 1 and 3 the odd ones; columns alike
        by_parity = kernel.reshape(2, 2, 2, 2, inputs, self.features).transpose(0, 2, 4, 1, 3, 5)
        framed = jnp.pad(x.astype(self.dtype), ((0, 0), (1, 1), (1, 1), (0, 0)))
        y = by_patches(framed, by_parity.reshape(2, 2, inputs, -1), (1, 1), "VALID")
        y = y.reshape(count, height + 1, width + 1, 2, 2, self.features)
        rows = [[y[:, i : i + height, j : j + width, i, j] for j in (0, 1)] for i in (0, 1)]
        woven = jnp.stack([jnp.stack(row, axis=3) for row in rows], axis=2)
        return shift(woven.reshape(count, 2 * height, 2 * width, self.features), bias)


class Deconv(nn.Module):
    """Dense layers to a quarter-size map, then two transposed convolutions of stride 2, then the likelihood's
    parameters of every pixel. The image has no part in it, so there is nothing to mask."""

    shape: tuple[int, int, int]
    parameters: int
    features: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Array, z: Array) -> Array:
        """z [N, D] -> parameters [N, H, W, P]; x is ignored, it stands here for the decoders' common call."""
        height, width, _ = self.shape
        rows, columns = -(-height // 4), -(-width // 4)
        h = nn.relu(Dense(8 * self.features, dtype=self.dtype)(z))
        h = nn.relu(Dense(rows * columns * 2 * self.features, dtype=self.dtype)(h))
        h = h.reshape(z.shape[0], rows, columns, 2 * self.features)
        h = nn.relu(Doubling(2 * self.features, self.dtype, name="ConvTranspose_0")(h))
        h = nn.relu(Doubling(self.features, self.dtype, name="ConvTranspose_1")(h))
        h = h[:, :height, :width]  # sides that 4 does not divide
        return nn.Conv(self.parameters, (3, 3), dtype=jnp.float32)(h)
