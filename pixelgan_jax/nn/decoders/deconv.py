"""The adversarial autoencoder's decoder (Makhzani et al. 2015): pixels independent given the code."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pixelgan_jax.nn.layers import Conv, ConvTranspose, Dense

Array = jax.Array


class Deconv(nn.Module):
    """Dense layers to a quarter-size map, then two transposed convolutions of stride 2, then the likelihood's
    parameters of every pixel. The image has no part in it, so there is nothing to mask."""

    shape: tuple[int, int, int]
    num_parameters: int
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
        h = nn.relu(ConvTranspose(2 * self.features, dtype=self.dtype)(h))
        h = nn.relu(ConvTranspose(self.features, dtype=self.dtype)(h))
        h = h[:, :height, :width]  # sides that 4 does not divide
        return Conv(self.num_parameters, dtype=jnp.float32)(h)
