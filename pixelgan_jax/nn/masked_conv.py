"""The two things that every autoregressive layer is made of: a causal convolution and the code's adaptive bias.

Shapes: N images, H rows, W columns, C input and F output channels, k the kernel's size, p = k // 2 its reach.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.initializers import lecun_normal, zeros_init

from pixelgan_jax.nn import ops
from pixelgan_jax.nn.layers import Dense

Array = jax.Array


class CausalConv(nn.Module):
    """A masked k×k convolution (van den Oord et al. 2016, PixelRNN, section 3.4).

    A pixel sees the p rows above it, p columns to either side, and the p pixels to its left; with `centre` (mask B)
    also itself, without (mask A) not. Only the p + 1 rows that can be seen have weights at all.

    `full` computes whole images. `above` and `left` are its two halves for one row and for one pixel:
    full = above + pixels @ left, which lets a sampler do the first once per row and the second once per pixel. Both
    take what the code adds, so that one sum over the pixels is the gradient of it and of the layer's own bias.
    """

    inputs: int
    features: int
    kernel_size: int
    centre: bool
    dtype: jnp.dtype = jnp.float32

    def setup(self):
        p = self.kernel_size // 2
        self.kernel = self.param("kernel", lecun_normal(), (p + 1, self.kernel_size, self.inputs, self.features))
        self.bias = self.param("bias", zeros_init(), (self.features,))

    @property
    def reach(self) -> int:
        """p: how many rows above and how many columns to the left are seen."""
        return self.kernel_size // 2

    def full(self, x: Array, added: Array) -> Array:
        """x [N, H, W, C], added [N, H or 1, W or 1, F] -> [N, H, W, F]."""
        above, own = self.kernel[:-1], self.kernel[-1:, : self.reach + self.centre]
        seen = ops.causal_conv(*(part.astype(self.dtype) for part in (x, above, own)))
        return ops.add_bias(seen, ops.add_bias(added, self.bias))

    def above(self, rows: Array, added: Array) -> Array:
        """What a whole row gets from the p rows above it, and the biases: rows [N, p, p + W + p, C], padded with zeros
        on either side, added [N, W or 1, F] -> [N, W, F]."""
        kernel = self.kernel[:-1].astype(self.dtype)
        seen = ops.conv(rows.astype(self.dtype), kernel, padding="VALID")[:, 0]
        return ops.add_bias(seen, ops.add_bias(added, self.bias))

    def left(self) -> Array:
        """The weights of the pixel's own row [(p + centre) · C, F], leftmost pixel first: what a pixel gets from its
        row's last p (+ 1 with `centre`) pixels is their product with these."""
        return self.kernel[-1, : self.reach + self.centre].reshape(-1, self.features).astype(self.dtype)


class AdaptiveBias(nn.Module):
    """The code's bias in a decoder layer (Makhzani & Frey 2017, section 2): linear in z, no constant term.

    location_invariant: one bias per channel, the same at every pixel, [N, 1, 1, F].
    location_dependent: one bias per pixel and channel, [N, H, W, F].
    A code of width 0 gives no bias: the decoder is then a plain PixelCNN.
    """

    height: int
    width: int
    features: int
    location_dependent: bool
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, z: Array, row: Array | None = None) -> Array:
        """z [N, D] -> [N, H or 1, W or 1, F]; or of row number `row` alone, computed alone, [N, W or 1, F]."""
        if z.shape[1] == 0:
            places = (1, 1) if row is None else (1,)
            return jnp.zeros((z.shape[0], *places, self.features), self.dtype)
        height, width = (self.height, self.width) if self.location_dependent else (1, 1)
        dense = Dense(height * width * self.features, use_bias=False, dtype=self.dtype)
        if row is None:
            return dense(z).reshape(z.shape[0], height, width, self.features)
        kernel = dense.variables["params"]["kernel"].reshape(z.shape[1], height, width * self.features)
        kernel = jax.lax.dynamic_index_in_dim(kernel, jnp.minimum(row, height - 1), axis=1, keepdims=False)
        return (z.astype(self.dtype) @ kernel.astype(self.dtype)).reshape(z.shape[0], width, self.features)
