import jax
import jax.numpy as jnp
import numpy as np

from pixelgan_jax.augmentation import translate


def test_an_image_is_moved_as_a_whole_and_its_border_repeated():
    images = jnp.float32(np.random.RandomState(0).rand(200, 5, 4, 2))
    keys = jax.random.split(jax.random.key(0), 200)
    seen = set()
    for before, after in zip(np.asarray(images), np.asarray(translate(images, keys, 1)), strict=True):
        padded = np.pad(before, ((1, 1), (1, 1), (0, 0)), mode="edge")
        offsets = [(i, j) for i in range(3) for j in range(3) if np.array_equal(padded[i : i + 5, j : j + 4], after)]
        assert len(offsets) == 1
        seen |= set(offsets)
    assert len(seen) == 9  # each of them, in 200 draws


def test_an_images_view_depends_on_its_own_key_alone():
    images = jnp.float32(np.random.RandomState(0).rand(3, 4, 4, 1))
    keys = jax.random.split(jax.random.key(0), 3)
    np.testing.assert_array_equal(translate(images, keys, 2)[1:], translate(images[1:], keys[1:], 2))
