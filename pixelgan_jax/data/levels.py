"""Pixels outside the model are uint8 0-255, inside they are levels 0 .. L-1, and networks see [-1, 1]."""

import jax
import jax.numpy as jnp

Array = jax.Array


def quantise(images: Array, levels: int) -> Array:
    """uint8 [...] -> the nearest of L levels, int32 [...]: round(x / 255 · (L - 1)); there are no ties."""
    return jnp.round(images.astype(jnp.float32) * ((levels - 1) / 255.0)).astype(jnp.int32)


def binarise(images: Array, uniform: Array) -> Array:
    """uint8 [...] and uniform [...] in [0, 1) -> level 1 with probability x / 255, int32 [...]."""
    return (uniform < images.astype(jnp.float32) / 255.0).astype(jnp.int32)


def scale(levels_of: Array, levels: int) -> Array:
    """Levels int [...] -> float32 [...] in [-1, 1]."""
    return levels_of.astype(jnp.float32) * (2.0 / (levels - 1)) - 1.0


def standardise(x: Array) -> Array:
    """Images [N, H, W, C], each less its mean over all pixels and channels and divided by their s.d., where this is
    above 1 / 255: what is left of a photograph says little of its light."""
    mean = jnp.mean(x, axis=(1, 2, 3), keepdims=True)
    deviation = jnp.std(x, axis=(1, 2, 3), keepdims=True)
    return (x - mean) / jnp.maximum(deviation, 1 / 255)


def network_input(images: Array, standardised: bool) -> Array:
    """uint8 [N, H, W, C] -> float32 [N, H, W, C]: what a network sees of an image, in [-1, 1] or standardised."""
    x = scale(images, 256)
    return standardise(x) if standardised else x


def to_uint8(levels_of: Array, levels: int) -> Array:
    """Levels [...] (means between two levels too) -> uint8 [...]: round(level · 255 / (L - 1))."""
    return jnp.round(levels_of.astype(jnp.float32) * 255.0 / (levels - 1)).astype(jnp.uint8)
