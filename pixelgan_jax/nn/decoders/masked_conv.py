"""What every autoregressive layer is made of: a causal convolution and the code's adaptive bias, and the network that
may stand between the code and all the biases.

Shapes: N images, H rows, W columns, C input and F output channels, D code width, M maps, k the kernel's size,
p = k // 2 its reach.
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


class CodeNetwork(nn.Module):
    """The conditioning network from the code to what every layer's adaptive bias is linear in.

    Dense ReLU layers of `units`; with `maps` > 0 then a linear layer to so many maps of the image's size, which all
    layers share. A bias that is linear in a code of two dimensions can only add multiples of two fixed pictures; with
    a network before it the code moves every pixel as freely as its widths allow. A one-hot code needs none: a linear
    bias already gives each category a picture of its own.
    """

    height: int
    width: int
    units: tuple[int, ...]
    maps: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, z: Array) -> Array:
        """z [N, D] -> features [N, U] of the last dense layer, or with `maps` [N, H, W, M]."""
        h = z
        for width in self.units:
            h = nn.relu(Dense(width, dtype=self.dtype)(h))
        if not self.maps:
            return h
        h = Dense(self.height * self.width * self.maps, dtype=self.dtype)(h)
        return h.reshape(z.shape[0], self.height, self.width, self.maps)


class AdaptiveBias(nn.Module):
    """The code's bias in a decoder layer (Makhzani & Frey 2017, section 2), linear in its condition, no constant term.
    It is FiLM's shift (Perez et al. 2018) without FiLM's scale.

    location_invariant: one bias per channel, the same at every pixel, [N, 1, 1, F].
    location_dependent: one bias per pixel and channel, [N, H, W, F].

    The condition is the code itself, or what a CodeNetwork makes of it. The paper's location-dependent bias is one map
    for each layer, added to all its channels alike; ours of a code alone has a map for each channel, and ours of a
    CodeNetwork's M maps mixes these anew for each channel of each layer.
    A condition of width 0 gives no bias: the decoder is then a plain PixelCNN.
    """

    height: int
    width: int
    features: int
    location_dependent: bool
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, condition: Array, row: Array | None = None) -> Array:
        """condition [N, D], or maps [N, H, W, M], -> [N, H or 1, W or 1, F]; or of row number `row` alone, computed
        alone, [N, W or 1, F]."""
        count = condition.shape[0]
        if condition.shape[-1] == 0:
            places = (1, 1) if row is None else (1,)
            return jnp.zeros((count, *places, self.features), self.dtype)
        if condition.ndim == 4:
            maps = condition if row is None else jax.lax.dynamic_index_in_dim(condition, row, axis=1, keepdims=False)
            return Dense(self.features, use_bias=False, dtype=self.dtype)(maps)
        height, width = (self.height, self.width) if self.location_dependent else (1, 1)
        dense = Dense(height * width * self.features, use_bias=False, dtype=self.dtype)
        if row is None:
            return dense(condition).reshape(count, height, width, self.features)
        kernel = dense.variables["params"]["kernel"].reshape(condition.shape[1], height, width * self.features)
        kernel = jax.lax.dynamic_index_in_dim(kernel, jnp.minimum(row, height - 1), axis=1, keepdims=False)
        return (condition.astype(self.dtype) @ kernel.astype(self.dtype)).reshape(count, width, self.features)
