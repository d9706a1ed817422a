"""The recognition network f(x, n)."""

from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from pixelgan_jax.nn.batch_norm import BatchNorm
from pixelgan_jax.nn.dense import Dense
from pixelgan_jax.nn.halving import halving
from pixelgan_jax.nn.patches import by_patches, flat, has_few_channels, patches

Array = jax.Array


class Posterior(NamedTuple):
    """Parameters of q(z | x) for N images; what a prior does not have is of width 0.

    log_probabilities [N, K]: of the categorical code. mean [N, d] and log_sd [N, d]: of the continuous code; log_sd
    is -inf where the encoder is deterministic given its noise, so that mean is the code.
    """

    log_probabilities: Array
    mean: Array
    log_sd: Array


def convolution(x: Array, stride: int) -> Callable:
    """The function that computes a 3×3 convolution of x [N, H, W, C] fastest: XLA's own, or another form of it."""
    height, width = x.shape[1:3]
    small = -(-height // stride) * -(-width // stride) < 9  # the result has fewer pixels than the kernel
    if small or has_few_channels(x):
        return by_patches
    if jax.default_backend() == "cpu" and stride == 2 and height % 2 == width % 2 == 0:
        return halving
    return jax.lax.conv_general_dilated


def _activation(x: Array) -> Array:
    return nn.leaky_relu(x, 0.2)


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
        return _activation(self._norm(x, train) if self.batch_norm else x)

    def _convolved(self, x: Array, width: int, stride: int, train: bool) -> Array:
        function = convolution(x, stride)
        conv = nn.Conv(
            *(width, (3, 3), (stride, stride)),
            use_bias=not self.batch_norm,
            dtype=self.dtype,
            conv_general_dilated_cls=lambda: function,
        )
        if self.batch_norm and train and has_few_channels(x) and not self.is_initializing():
            # an image's first map is the largest of all; its statistics follow from those of the patches, which are
            # far smaller, so that no pass over it is needed
            seen = patches(x.astype(self.dtype), (3, 3), (stride, stride), "SAME")
            kernel = flat(conv.variables["params"]["kernel"])
            return _activation(BatchNorm(axis_name=self.axis_name).of_product(seen, kernel))
        return self._hidden(conv(x), train)

    @nn.compact
    def __call__(self, x: Array, noise: Array, train: bool) -> Posterior:
        """x [N, H, W, C] in [-1, 1], noise [N, w] -> Posterior. train: BatchNorm over the mini-batch."""
        count = x.shape[0]
        for index, width in enumerate(self.channels):
            x = self._convolved(x, width, 1 if index == 0 else 2, train)
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
