"""The encoder's views: what each draw does to an image, held to scipy's or to shifts by hand."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from pixelgan_jax.data.randomness import Stream, uniform
from pixelgan_jax.data.views import Views, erase, random_view, thicken, warp

IMAGES = jnp.float32(np.random.RandomState(0).rand(3, 7, 6, 2))
FIELDS = ("translation", "rotation", "scaling", "shear", "thickness", "inversion", "erasing")
STILL = {"angle": jnp.zeros(3), "size": jnp.ones(3), "shear": jnp.zeros(3), "offset": jnp.zeros((3, 2))}


def test_an_image_is_moved_as_a_whole_and_its_border_repeated():
    offset = jnp.array([[1.0, 0.0], [0.0, -2.0], [-1.0, 1.0]])
    moved = warp(IMAGES, **STILL | {"offset": offset})
    padded = np.pad(IMAGES, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    for before, after, (down, right) in zip(padded, moved, np.int32(offset), strict=True):
        np.testing.assert_allclose(after, before[2 + down : 9 + down, 2 + right : 8 + right], atol=1e-6)


def test_a_quarter_turn_is_a_quarter_turn_and_a_mirrored_size_a_half():
    square = IMAGES[:, :6]
    turned = warp(square, **STILL | {"angle": jnp.full(3, jnp.pi / 2)})
    assert min(np.abs(turned - np.rot90(square, k, (1, 2))).max() for k in (1, 3)) < 1e-5
    np.testing.assert_allclose(warp(square, **STILL | {"size": -jnp.ones(3)}), square[:, ::-1, ::-1], atol=1e-5)


def test_every_map_is_scipys():
    angle, size, shear = jnp.array([0.3, -0.2, 0.1]), jnp.array([0.8, 1.2, 1.0]), jnp.array([0.0, 0.3, -0.2])
    offset = jnp.array([[0.5, -1.0], [0.0, 0.0], [1.5, 0.25]])
    for i, after in enumerate(warp(IMAGES, angle, size, shear, offset)):
        turn = np.array([[np.cos(angle[i]), -np.sin(angle[i])], [np.sin(angle[i]), np.cos(angle[i])]])
        matrix = size[i] * (turn + np.array([[0, 0], [shear[i], 0]]))
        centre = np.array([3.0, 2.5])
        start = centre + offset[i] - matrix @ centre
        for channel in range(2):
            expected = ndimage.affine_transform(IMAGES[i, ..., channel], matrix, start, order=1, mode="nearest")
            np.testing.assert_allclose(after[..., channel], expected, atol=1e-5)


def test_strokes_widen_and_thin_by_scipys_extremes():
    amount = jnp.array([1.0, -1.0, 0.0])
    widest, thinnest, same = thicken(IMAGES, amount)
    np.testing.assert_allclose(widest, ndimage.maximum_filter(IMAGES[0], (3, 3, 1)), atol=1e-6)
    np.testing.assert_allclose(thinnest, ndimage.minimum_filter(IMAGES[1], (3, 3, 1)), atol=1e-6)
    np.testing.assert_array_equal(same, IMAGES[2])
    half = thicken(IMAGES, jnp.full(3, 0.5))[0]
    np.testing.assert_allclose(half, (IMAGES[0] + widest) / 2, atol=1e-6)


@pytest.mark.parametrize("field", FIELDS)
def test_each_setting_changes_an_image_by_its_own_key_and_none_changes_none(field):
    keys = jax.random.split(jax.random.key(0), 3)
    some = Views(**{field: {"rotation": 20.0, "inversion": 1.0, "erasing": 1.0}.get(field, 0.5)})
    seen = random_view(some, IMAGES, keys)
    assert all(np.abs(a - b).max() > 1e-3 for a, b in zip(seen, IMAGES, strict=True))
    chex.assert_trees_all_close(random_view(some, IMAGES[1:], keys[1:]), seen[1:], atol=1e-6)
    np.testing.assert_array_equal(random_view(Views(), IMAGES, keys), IMAGES)


@pytest.mark.parametrize(
    ("field", "most", "argument", "of_the_draws"),
    [
        ("rotation", 20.0, "angle", lambda draws: jnp.pi / 9 * draws[:, 0]),  # degrees
        ("scaling", 0.3, "size", lambda draws: 1 + 0.3 * draws[:, 1]),
        ("shear", 0.4, "shear", lambda draws: 0.4 * draws[:, 2]),
        ("translation", 2.0, "offset", lambda draws: 2.0 * draws[:, 3:5]),
    ],
)
def test_a_field_is_the_argument_of_its_name_in_its_unit(field, most, argument, of_the_draws):
    keys = jax.random.split(jax.random.key(3), 3)
    draws = 2 * uniform(keys, Stream.VIEW, (6,)) - 1
    expected = warp(IMAGES, **STILL | {argument: of_the_draws(draws)})
    np.testing.assert_allclose(random_view(Views(**{field: most}), IMAGES, keys), expected, atol=1e-5)


def test_draws_stay_within_their_reach_on_both_sides():
    ramp = jnp.broadcast_to(jnp.arange(20.0)[:, None, None], (500, 20, 20, 1))
    moved = random_view(Views(translation=3.0), ramp, jax.random.split(jax.random.key(1), 500))[:, 10, 10, 0] - 10
    assert -3 <= moved.min() < -2.8 and 2.8 < moved.max() <= 3 and abs(float(moved.mean())) < 0.3


def test_an_image_is_its_negative_with_the_probability_asked_for():
    images = jnp.broadcast_to(IMAGES[:1], (1000, *IMAGES.shape[1:]))
    seen = np.asarray(random_view(Views(inversion=0.3), images, jax.random.split(jax.random.key(2), 1000)))
    negative = np.all(seen == -np.asarray(IMAGES[0]), axis=(1, 2, 3))
    assert np.all(negative | np.all(seen == np.asarray(IMAGES[0]), axis=(1, 2, 3)))
    assert 0.25 < negative.mean() < 0.35


def test_a_band_of_a_fifth_of_the_rows_is_as_dark_as_the_darkest_pixel():
    """By hand, of ten rows: two, the uppermost, the fourth and fifth, and the lowest."""
    images = jnp.float32(np.random.RandomState(1).rand(3, 10, 4, 2))
    seen = np.asarray(erase(images, jnp.array([0.0, 0.34, 0.999])))
    for before, after, first in zip(np.asarray(images), seen, (0, 3, 8), strict=True):
        expected = before.copy()
        expected[first : first + 2] = before.min()
        np.testing.assert_array_equal(after, expected)


def test_an_image_has_a_blank_band_with_the_probability_asked_for():
    images = jnp.broadcast_to(IMAGES[:1], (1000, *IMAGES.shape[1:]))
    seen = np.asarray(random_view(Views(erasing=0.3), images, jax.random.split(jax.random.key(2), 1000)))
    changed = np.any(seen != np.asarray(IMAGES[0]), axis=(2, 3))
    assert set(changed.sum(axis=1)) == {0, 1} and 0.25 < changed.any(axis=1).mean() < 0.35
    assert np.all(changed.sum(axis=0) > 20)  # every row
