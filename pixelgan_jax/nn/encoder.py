"""The recognition network f(x, n)."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from pixelgan_jax.nn.batch_norm import BatchNorm
from pixelgan_jax.nn.dense import Dense
from pixelgan_jax.nn.patches import by_patches, has_few_channels

Array = jax.Array


class Posterior(NamedTuple):
    """Parameters of q(z | x) for N images; what a prior does not have is of width 0.

    log_probabilities [N, K]: of the categorical code. mean [N, d] and log_sd [N, d]: of the continuous code; log_sd
    is -inf where the encoder is deterministic given its noise, so that mean is the code.
    """

    log_probabilities: Array
    mean: Array
    log_sd: Array


class Encoder(nn.Module):
    """3×3 convolutions (every one but the first halves the image), a dense layer, then one head per code.

    `logits_batch_norm` > 0 batch-normalises the softmax head without learnt scale or shift and multiplies by it,
    which keeps clusters from emptying. `gaussian` adds a head for the log standard deviation. `noise` is n
    [N, w], fed beside the image's features, w = 0 for none (Makhzani & Frey 2017, section 2).
    """

    channels: tuple[int, ...]
    units: int
    categories: int
    dimensions: int
    gaussian: bool
    batch_norm: bool
    logits_batch_norm: float
    axis_name: str | None = None
    dtype: jnp.dtype = jnp.float32

    def _norm(self, x: Array, train: bool, learnt: bool = True) -> Array:
        return BatchNorm(learnt=learnt, axis_name=self.axis_name)(x, train)

    def _hidden(self, x: Array, train: bool) -> Array:
        return nn.leaky_relu(self._norm(x, train) if self.batch_norm else x, 0.2)

    @nn.compact
    def __call__(self, x: Array, noise: Array, train: bool) -> Posterior:
        """x [N, H, W, C] in [-1, 1], noise [N, w] -> Posterior. train: BatchNorm over the mini-batch."""
        count = x.shape[0]
        for index, width in enumerate(self.channels):
            stride = 1 if index == 0 else 2
            small = -(-x.shape[1] // stride) * -(-x.shape[2] // stride) < 9  # pixels of the result, and of the kernel
            conv = nn.Conv(
                *(width, (3, 3), (stride, stride)),
                use_bias=not self.batch_norm,
                dtype=self.dtype,
                conv_general_dilated_cls=(lambda: by_patches) if small or has_few_channels(x) else None,
            )
            x = self._hidden(conv(x), train)
        h = jnp.concatenate([x.reshape(count, -1), noise.astype(x.dtype)], axis=1)
        h = self._hidden(Dense(self.units, use_bias=not self.batch_norm, dtype=self.dtype)(h), train)
        return Posterior(self._log_probabilities(h, train), *self._continuous(h))

    def _log_probabilities(self, h: Array, train: bool) -> Array:
        if not self.categories:
            return jnp.zeros((h.shape[0], 0))
        logits = Dense(self.categories, dtype=jnp.float32, name="logits")(h)
        if self.logits_batch_norm:
            logits = self.logits_batch_norm * self._norm(logits, train, learnt=False)
        return nn.log_softmax(logits)

    def _continuous(self, h: Array) -> tuple[Array, Array]:
        if not self.dimensions:
            return jnp.zeros((h.shape[0], 0)), jnp.zeros((h.shape[0], 0))
        mean = Dense(self.dimensions, dtype=jnp.float32, name="mean")(h)
        if not self.gaussian:
            return mean, jnp.full_like(mean, -jnp.inf)
        return mean, Dense(self.dimensions, dtype=jnp.float32, name="log_sd")(h)
