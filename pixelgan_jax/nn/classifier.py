"""A convolutional classifier: the consistency methods' (Laine & Aila 2017, table 5) and CatGAN's discriminator."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pixelgan_jax.data.randomness import Stream, fold_each, normal, uniform
from pixelgan_jax.nn import ops
from pixelgan_jax.nn.batch_norm import BatchNorm, conv_norm
from pixelgan_jax.nn.layers import Conv, Dense

Array = jax.Array


class Classifier(nn.Module):
    """Blocks of 3×3 convolutions of one width, each block followed by a maximum over 2×2 pixels and dropout; then the
    head's widths, the first by a 3×3 convolution and the others pixel by pixel; the mean over all pixels; K logits.

    Leaky rectifiers of slope 0.1. Laine & Aila have weight normalisation with mean-only batch normalisation in place
    of batch normalisation, and do not pad the head's 3×3 convolution. Dropout, and noise on what every convolution
    sees, are drawn with each image's own key, so that they depend on neither devices nor batches.
    """

    blocks: tuple[int, ...]
    convolutions: int  # in a block
    head: tuple[int, ...]
    classes: int
    dropout: float = 0.0
    noise: float = 0.0  # s.d.
    axis_name: str | None = None
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: Array, keys: Array, train: bool) -> Array:
        """x [N, H, W, C] in [-1, 1], a key for each [N] -> log p(class | x) [N, K]. train: dropout and noise, and
        BatchNorm over the mini-batch."""
        for number, width in enumerate(self.blocks):
            for index in range(self.convolutions):
                x = self._noisy(x, keys, number * self.convolutions + index, train)
                x = self._normalised(Conv(width, use_bias=False, dtype=self.dtype), x, train)
            x = ops.max_pool(x)
            if train and self.dropout:
                kept = uniform(fold_each(keys, number), Stream.DROPOUT, x.shape[1:]) >= self.dropout
                x = jnp.where(kept, x / (1 - self.dropout), 0.0)
        x = self._noisy(x, keys, len(self.blocks) * self.convolutions, train)
        x = self._normalised(Conv(self.head[0], use_bias=False, dtype=self.dtype), x, train)
        for width in self.head[1:]:
            x = nn.leaky_relu(
                BatchNorm(axis_name=self.axis_name)(Dense(width, use_bias=False, dtype=self.dtype)(x), train), 0.1
            )
        return nn.log_softmax(Dense(self.classes, dtype=jnp.float32)(jnp.mean(x, axis=(1, 2))))

    def _noisy(self, x: Array, keys: Array, number: int, train: bool) -> Array:
        if not train or not self.noise:
            return x
        return x + self.noise * normal(fold_each(keys, number), Stream.INPUT_NOISE, x.shape[1:])

    def _normalised(self, conv: Conv, x: Array, train: bool) -> Array:
        return nn.leaky_relu(conv_norm(conv, BatchNorm(axis_name=self.axis_name), x, train), 0.1)
