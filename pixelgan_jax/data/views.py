"""Random views of images for a network that is to see past them; each example's draws come from its own key."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from pixelgan_jax.config.fields import real
from pixelgan_jax.data.randomness import Stream, uniform

Array = jax.Array


@dataclass(frozen=True)
class Views:
    """Fields of a method that trains on random views."""

    translation: float = real(0, 0.0, "in training a random view, moved by at most so many pixels along either side")
    rotation: float = real(0, 0.0, "turned by at most so many degrees", high=180)
    scaling: float = real(0, 0.0, "scaled by a factor from 1 / (1 + this) to 1 / (1 - this)", high=1, below=True)
    shear: float = real(0, 0.0, "sheared sideways by at most this part of its height")
    thickness: float = real(0, 0.0, "strokes widened or thinned by at most this part of 3×3 pixels' extremes", high=1)
    inversion: float = real(0, 0.0, "probability of the negative, light for dark", high=1, absent=0.0)
    erasing: float = real(0, 0.0, "probability that a band of a fifth of its rows is blank", high=1, absent=0.0)


def random_view(views: Views, images: Array, keys: Array) -> Array:
    """images [N, H, W, C], each changed by draws of its own key [N], uniform from minus to plus each field.

    With a probability of `inversion` an image is its negative, which of images about 0 is their opposite. Strokes widen
    or thin by at most `thickness` (of 1), then the image is turned (degrees), scaled and sheared (fractions) and moved
    (pixels) about its centre, all by where each of its pixels is looked up; where nothing is left the border's pixels
    are repeated. Last, with a probability of `erasing`, a band of it is blank.
    """
    if views.inversion:
        images = jnp.where(uniform(keys, Stream.INVERSION, (1, 1, 1)) < views.inversion, -images, images)
    draws = 2 * uniform(keys, Stream.VIEW, (6,)) - 1
    if views.thickness:
        images = thicken(images, views.thickness * draws[:, 5])
    affine = (views.rotation, views.scaling, views.shear, views.translation)
    if any(affine):
        degrees, relative_size, sideways = (most * draws[:, i] for i, most in enumerate(affine[:3]))
        images = warp(images, jnp.deg2rad(degrees), 1 + relative_size, sideways, views.translation * draws[:, 3:5])
    if views.erasing:
        where, whether = uniform(keys, Stream.ERASING, (2,)).T
        images = jnp.where((whether < views.erasing)[:, None, None, None], erase(images, where), images)
    return images


def thicken(images: Array, amount: Array) -> Array:
    """images [N, H, W, C] moved by amount [N] towards the maximum of 3×3 pixels, the minimum where it is negative."""
    window = {"window_dimensions": (1, 3, 3, 1), "window_strides": (1, 1, 1, 1), "padding": "SAME"}
    largest = jax.lax.reduce_window(images, -jnp.inf, jax.lax.max, **window)
    smallest = jax.lax.reduce_window(images, jnp.inf, jax.lax.min, **window)
    amount = amount[:, None, None, None]
    return images + jnp.abs(amount) * (jnp.where(amount > 0, largest, smallest) - images)


def erase(images: Array, where: Array) -> Array:
    """images [N, H, W, C], each of the least value it has in a band of a fifth of its rows; where [N] in [0, 1): from
    the uppermost band to the lowest. After random erasing (Zhong et al. 2020), whose regions are rectangles."""
    height = images.shape[1]
    band = max(1, round(height / 5))
    above = jnp.arange(height)[None] - jnp.floor(where * (height - band + 1))[:, None]
    inside = ((above >= 0) & (above < band))[:, :, None, None]
    return jnp.where(inside, images.min(axis=(1, 2, 3), keepdims=True), images)


def warp(images: Array, angle: Array, size: Array, shear: Array, offset: Array) -> Array:
    """images [N, H, W, C] seen through an affine map about their centre, between pixels by linear interpolation.

    angle [N], radians; size and shear [N]; offset [N, 2], pixels down and right: of where a pixel is looked up.
    """
    height, width = images.shape[1:3]
    middle, centre = (height - 1) / 2, (width - 1) / 2
    down, right = jnp.meshgrid(jnp.arange(height) - middle, jnp.arange(width) - centre, indexing="ij")

    def one(image: Array, angle: Array, size: Array, shear: Array, offset: Array) -> Array:
        sine, cosine = jnp.sin(angle), jnp.cos(angle)
        rows = size * (cosine * down - sine * right) + middle + offset[0]
        columns = size * (sine * down + cosine * right + shear * down) + centre + offset[1]
        # channel by channel: mapped over them, a TPU copies what it looked up into another layout, which takes longer
        looked_up = [
            jax.scipy.ndimage.map_coordinates(image[..., channel], [rows, columns], 1, "nearest")
            for channel in range(images.shape[-1])
        ]
        return jnp.stack(looked_up, axis=-1)

    return jax.vmap(one)(images, angle, size, shear, offset)
