"""Random views of images for the encoder; each example's draws come from its own key."""

import jax
import jax.numpy as jnp

from pixelgan_jax.randomness import Stream, uniform

Array = jax.Array


def translate(images: Array, keys: Array, reach: int) -> Array:
    """images [N, H, W, C], each moved by -reach to reach pixels along either side; the border's pixels are repeated
    where nothing is left."""
    offsets = jnp.int32(uniform(keys, Stream.TRANSLATION, (2,)) * (2 * reach + 1))
    padded = jnp.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge")

    def cut(image: Array, offset: Array) -> Array:
        return jax.lax.dynamic_slice(image, (offset[0], offset[1], 0), images.shape[1:])

    return jax.vmap(cut)(padded, offsets)
