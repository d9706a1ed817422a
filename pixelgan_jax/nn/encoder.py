"""The recognition network f(x, n)."""

import math
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from pixelgan_jax.nn import ops
from pixelgan_jax.nn.batch_norm import BatchNorm, conv_norm
from pixelgan_jax.nn.layers import Conv, Dense

Array = jax.Array


class Posterior(NamedTuple):
    """Parameters of q(z | x) for N images; what a prior does not have is of width 0.

    log_probabilities [N, K]: of the categorical code. mean [N, d] and log_sd [N, d]: of the continuous code; log_sd
    is -inf where the encoder is deterministic given its noise, so that mean is the code.
    """

    log_probabilities: Array
    mean: Array
    log_sd: Array


def _activation(x: Array) -> Array:
    return nn.leaky_relu(x, 0.2)


class Encoder(nn.Module):
    """3×3 convolutions (every one but the first halves the image), a dense layer, then one head per code.

    With `pooling` every convolution is of stride 1 and followed by the maximum over 2×2 pixels, which halves the image.
    `logits_batch_norm` > 0 batch-normalises the softmax head without learnt scale or shift and multiplies by it,
    which keeps clusters from emptying. `mean_batch_norm` batch-normalises the head of the continuous code's mean
    likewise, which keeps the code from growing. `gaussian` adds a head for the log standard deviation, and `minimum_sd`
    is what this cannot fall below: noise of so much is added to that of the head. `noise` is n [N, w], fed beside the
    image's features, w = 0 for none (Makhzani & Frey 2017, section 2).
    """

    channels: tuple[int, ...]
    units: int
    categories: int
    dimensions: int
    gaussian: bool
    minimum_sd: float
    batch_norm: bool
    logits_batch_norm: float
    mean_batch_norm: bool
    pooling: bool = False
    axis_name: str | None = None
    dtype: jnp.dtype = jnp.float32

    def _convolved(self, x: Array, width: int, stride: int, train: bool) -> Array:
        conv = Conv(width, stride, use_bias=not self.batch_norm, dtype=self.dtype)
        if not self.batch_norm:
            return _activation(conv(x))
        return _activation(conv_norm(conv, BatchNorm(axis_name=self.axis_name), x, train))

    def _dense(self, x: Array, train: bool) -> Array:
        y = Dense(self.units, use_bias=not self.batch_norm, dtype=self.dtype)(x)
        return _activation(BatchNorm(axis_name=self.axis_name)(y, train) if self.batch_norm else y)

    @nn.compact
    def __call__(self, x: Array, noise: Array, train: bool) -> Posterior:
        """x [N, H, W, C], images in [-1, 1] or noisy views of them, noise [N, w] -> Posterior. train: BatchNorm over
        the mini-batch."""
        count = x.shape[0]
        for index, width in enumerate(self.channels):
            x = self._convolved(x, width, 1 if index == 0 or self.pooling else 2, train)
            if self.pooling:
                x = ops.max_pool(x)
        h = jnp.concatenate([x.reshape(count, -1), noise.astype(x.dtype)], axis=1)
        h = self._dense(h, train)
        return Posterior(self._log_probabilities(h, train), *self._continuous(h, train))

    def _log_probabilities(self, h: Array, train: bool) -> Array:
        if not self.categories:
            return jnp.zeros((h.shape[0], 0))
        logits = Dense(self.categories, dtype=jnp.float32, name="logits")(h)
        if self.logits_batch_norm:
            logits = self.logits_batch_norm * BatchNorm(learnt=False, axis_name=self.axis_name)(logits, train)
        return nn.log_softmax(logits)

    def _continuous(self, h: Array, train: bool) -> tuple[Array, Array]:
        if not self.dimensions:
            return jnp.zeros((h.shape[0], 0)), jnp.zeros((h.shape[0], 0))
        mean = Dense(self.dimensions, use_bias=not self.mean_batch_norm, dtype=jnp.float32, name="mean")(h)
        if self.mean_batch_norm:
            mean = BatchNorm(learnt=False, axis_name=self.axis_name)(mean, train)
        if not self.gaussian:
            return mean, jnp.full_like(mean, -jnp.inf)
        log_sd = Dense(self.dimensions, dtype=jnp.float32, name="log_sd")(h)
        if self.minimum_sd:
            log_sd = jnp.logaddexp(2 * log_sd, 2 * math.log(self.minimum_sd)) / 2  # variances add up
        return mean, log_sd
