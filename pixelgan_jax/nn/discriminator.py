"""The critic on the code."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pixelgan_jax.nn.layers import Dense


class Discriminator(nn.Module):
    """Dense layers with leaky ReLU from a code to the logit that it came from the prior."""

    units: tuple[int, ...]
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        """z [N, D] -> logits [N]."""
        for width in self.units:
            z = nn.leaky_relu(Dense(width, dtype=self.dtype)(z), 0.2)
        return Dense(1, dtype=jnp.float32)(z)[:, 0]
