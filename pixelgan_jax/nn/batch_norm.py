"""Batch normalisation (Ioffe & Szegedy 2015): flax's, but for how it sums (nn/sums.py)."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from pixelgan_jax.nn.dense import product
from pixelgan_jax.nn.sums import kept, spread, total

Array = jax.Array


@jax.custom_vjp
def moments(x: Array) -> Array:
    """x [N, ..., F] -> the means of x and of its square over all but the last axis, [2, F]."""
    return jnp.stack([total(x), total(kept(jnp.square(x)))]) * (x.shape[-1] / x.size)


def _forward(x: Array) -> tuple[Array, Array]:
    return moments(x), x


def _backward(x: Array, gradient: Array) -> tuple[Array]:
    # by hand, since the sums' own gradients would each write a map of one value per channel
    by_mean, by_square = (jnp.broadcast_to(g, x.shape) for g in gradient * (x.shape[-1] / x.size))
    return (by_mean + 2 * by_square * x,)


moments.defvjp(_forward, _backward)


def moments_of_product(x: Array, kernel: Array) -> Array:
    """`moments` of x @ kernel by those of x, without the product: x [..., C], kernel [C, F] -> [2, F].

    Loses digits of the variance where the kernel cancels on x.
    """
    x = x.reshape(-1, x.shape[-1]).astype(jnp.float32)
    mean, square = total(x) / len(x), x.T @ x / len(x)
    return jnp.stack([mean @ kernel, jnp.sum(kernel * (square @ kernel), axis=0)])


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
        scale, shift = self._affine(moments(x) if train else None, x.shape[-1])
        return x * spread(scale, x.shape) + spread(shift, x.shape)

    def of_product(self, x: Array, kernel: Array) -> Array:
        """self(x @ kernel, train=True), by a scaled kernel: x [N, ..., C], kernel [C, F] -> float32 [N, ..., F].

        Nothing passes over the product to normalise it or for its statistics, which pays where C is much less than F.
        """
        scale, shift = self._affine(moments_of_product(x, kernel), kernel.shape[-1])
        y = product(x, (kernel * spread(scale, kernel.shape)).astype(x.dtype)).astype(jnp.float32)
        return y + spread(shift, y.shape)

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
