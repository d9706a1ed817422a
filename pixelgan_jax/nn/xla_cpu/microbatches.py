"""A mini-batch's mean loss, with its gradient accumulated over micro-batches where memory is the limit.

XLA:CPU keeps the maps of all layers of all images until their gradient has passed; once that is more than the caches
hold, a step waits for memory. Where images do not depend on each other, which leaves out whatever normalises over the
mini-batch, a micro-batch's gradient can be complete before the next one begins.

Shapes: N images, D code width.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from pixelgan_jax.nn import xla_cpu

Array = jax.Array
Loss = Callable[[Any, Array, Array], Array]

VALUES = 2**19  # of one map, in a micro-batch: 2 MB, of which a decoder's gradient keeps a dozen
MOST = 32  # micro-batches: each is compiled for itself, since convolutions in a loop are slow here


def sizes(count: int, values: int) -> list[int]:
    """How many of `count` images each micro-batch has, where a layer's map of an image has so many values."""
    if not xla_cpu.chosen("microbatches"):
        return [count]
    batches = min(-(-count // max(1, VALUES // values)), MOST)
    return [(count + i) // batches for i in range(batches)]


def mean_loss(loss: Loss, values: int, params: Any, code: Array, images: Array) -> Array:
    """loss(params, code, images) [], which must be a mean over images [N, ...], each with its own row of code [N, D].

    Its gradient, in reverse mode alone, is with respect to params and code; images have none. `values` as in `sizes`.
    """
    counts = sizes(len(images), values)
    if len(counts) == 1:
        return loss(params, code, images)

    def share(params, code, part):
        return loss(params, code, part) * (len(part) / len(images))

    @jax.custom_vjp
    def whole(params, code, images):
        return loss(params, code, images)

    def forward(params, code, images):
        value, gradient, code_gradients, start = jnp.zeros(()), jax.tree.map(jnp.zeros_like, params), [], 0
        for count in counts:
            # not before the micro-batch before has ended
            code, images, value, gradient = jax.lax.optimization_barrier((code, images, value, gradient))
            part = slice(start, start + count)
            more, (by_params, by_code) = jax.value_and_grad(share, argnums=(0, 1))(params, code[part], images[part])
            value, gradient, start = value + more, jax.tree.map(jnp.add, gradient, by_params), start + count
            code_gradients.append(by_code)
        return value, (gradient, jnp.concatenate(code_gradients))

    def backward(gradients, cotangent):
        return *jax.tree.map(lambda gradient: cotangent * gradient, gradients), None

    whole.defvjp(forward, backward)
    return whole(params, code, images)
