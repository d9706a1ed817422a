"""Batch normalisation (Ioffe & Szegedy 2015), with flax's parameters and statistics."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pixelgan_jax.nn import ops, xla_cpu
from pixelgan_jax.nn.layers import Conv
from pixelgan_jax.nn.xla_cpu import patches

Array = jax.Array


class BatchNorm(nn.Module):
    """(x - mean) / sqrt(variance + 1e-5) per channel, times a learnt scale plus a learnt shift where `learnt`.

    In training with the mini-batch's mean and variance, averaged over the device axis `axis_name` where given, towards
    which the running ones (collection "batch_stats") move by 1 - `momentum`; otherwise with the running ones.
    """

    momentum: float = 0.9
    learnt: bool = True
    axis_name: str | None = None

    def __call__(self, x: Array, train: bool) -> Array:
        """x [N, ..., F] -> float32 [N, ..., F]."""
        x = x.astype(jnp.float32)
        scale, shift = self._affine(ops.batch_moments(x) if train else None, x.shape[-1])
        return x * ops.broadcast(scale, x.shape) + ops.broadcast(shift, x.shape)

    def of_patches(self, x: Array, kernel: Array) -> Array:
        """self(x @ kernel, train=True), by a scaled kernel: x [N, ..., C], kernel [C, F] -> float32 [N, ..., F].

        Nothing passes over the product to normalise it or for its statistics, which pays where C is much less than F.
        """
        scale, shift = self._affine(patches.moments_of_product(x, kernel), kernel.shape[-1])
        y = ops.dense(x, (kernel * ops.broadcast(scale, kernel.shape)).astype(x.dtype)).astype(jnp.float32)
        return y + ops.broadcast(shift, y.shape)

    @nn.compact
    def _affine(self, batch: Array | None, width: int) -> tuple[Array, Array]:
        """(scale, shift), [F] each with F = `width`: the result is x · scale + shift. `batch`: the mini-batch's moments
        [2, F], towards which the running ones move; None: the running ones are used."""
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, (width,))
        running_var = self.variable("batch_stats", "var", jnp.ones, (width,))
        mean, var = running_mean.value, running_var.value
        if batch is not None:
            if self.axis_name is not None:
                batch = jax.lax.pmean(batch, self.axis_name)
            mean, var = batch[0], jnp.maximum(0.0, batch[1] - jnp.square(batch[0]))
            if not self.is_initializing():
                running_mean.value = self.momentum * running_mean.value + (1 - self.momentum) * mean
                running_var.value = self.momentum * running_var.value + (1 - self.momentum) * var
        scale = jax.lax.rsqrt(var + 1e-5)
        if self.learnt:
            scale = scale * self.param("scale", nn.initializers.ones_init(), (width,))
        shift = -mean * scale
        if self.learnt:
            shift = shift + self.param("bias", nn.initializers.zeros_init(), (width,))
        return scale, shift


def conv_norm(conv: Conv, norm: BatchNorm, x: Array, train: bool) -> Array:
    """norm(conv(x), train): x [N, H, W, C] -> float32 [N, H', W', F]. The convolution has no bias.

    An image's first map is the largest of all; on CPU its statistics follow from those of the image's patches, which
    are far smaller, so that no pass over it is needed.
    """
    by_patches = xla_cpu.chosen("patch_statistics") and patches.has_few_channels(x)
    if not (by_patches and train) or conv.is_initializing():
        return norm(conv(x), train)
    seen = patches.patches(x.astype(conv.dtype), (3, 3), (conv.stride, conv.stride), "SAME")
    return norm.of_patches(seen, patches.flat(conv.variables["params"]["kernel"]))
