"""The critic on the code."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pixelgan_jax.nn.layers import Dense


class Discriminator(nn.Module):
    """Dense layers with leaky ReLU from a code to the logit that it came from the prior. The parts of the code, of the
    widths `parts`, have layers of their own."""

    units: tuple[int, ...]
    parts: tuple[int, ...]
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        """z [N, D] -> logits [N, P] of P parts."""
        logits, end = [], 0
        for part in self.parts:
            h, end = z[:, end : end + part], end + part
            for width in self.units:
                h = nn.leaky_relu(Dense(width, dtype=self.dtype)(h), 0.2)
            logits.append(Dense(1, dtype=jnp.float32)(h))
        return jnp.concatenate(logits, axis=1)
