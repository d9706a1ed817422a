"""A mini-batch's mean loss and gradient, a few images after the other where memory is the limit.

XLA:CPU keeps the maps of all layers of all images until their gradient has passed; once that is more than the caches
hold, a step waits for memory. Where images do not depend on each other, which leaves out whatever normalises over the
mini-batch, a portion's gradient can be complete before the next portion begins.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

Array = jax.Array
Loss = Callable[[Any, Array, Array], Array]

VALUES = 2**19  # of one map, in a portion: 2 MB, of which a decoder's gradient keeps a dozen
MOST = 8  # portions: each is compiled for itself, since convolutions in a loop are slow here


def sizes(count: int, values: int) -> list[int]:
    """How many images of `count` each portion has, where a layer's map of an image has so many values."""
    if jax.default_backend() != "cpu":
        return [count]
    portions = min(-(-count // max(1, VALUES // values)), MOST)
    return [(count + i) // portions for i in range(portions)]


def mean(loss: Loss, values: int, params: Any, code: Array, images: Array) -> Array:
    """loss(params, code, images), which must be a mean over independent code [N, D] and images [N, ...], with its
    gradient with respect to params and code, but not images, and in reverse mode alone; `values` as in `sizes`."""
    counts = sizes(len(images), values)
    if len(counts) == 1:
        return loss(params, code, images)

    def share(params, code, part):
        return loss(params, code, part) * (len(part) / len(images))

    @jax.custom_vjp
    def whole(params, code, images):
        return loss(params, code, images)

    def forward(params, code, images):
        value, slope, slopes, start = jnp.zeros(()), jax.tree.map(jnp.zeros_like, params), [], 0
        for count in counts:
            # not before the portion before has ended
            code, images, value, slope = jax.lax.optimization_barrier((code, images, value, slope))
            part = slice(start, start + count)
            more, (by_params, by_code) = jax.value_and_grad(share, argnums=(0, 1))(params, code[part], images[part])
            value, slope, start = value + more, jax.tree.map(jnp.add, slope, by_params), start + count
            slopes.append(by_code)
        return value, (slope, jnp.concatenate(slopes))

    def backward(slopes, gradient):
        return *jax.tree.map(lambda slope: gradient * slope, slopes), None

    whole.defvjp(forward, backward)
    return whole(params, code, images)
