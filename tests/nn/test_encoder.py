"""The recognition network against its layers written out."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.ndimage import correlate

from pixelgan_jax.nn.encoder import Encoder
from tests.variables import drawn


def convolved(x, layer, stride):
    """x [H, W, C] by a 3×3 kernel with zeros around, a pixel of every `stride` in either direction, rectified."""
    kernel, bias = np.asarray(layer["kernel"]), np.asarray(layer["bias"])
    rows, columns, _ = x.shape
    maps = [
        sum(correlate(x[..., c], kernel[..., c, f], mode="constant") for c in range(x.shape[2])) + bias[f]
        for f in range(kernel.shape[3])
    ]
    # with an even side a strided convolution that keeps "the same" size begins at the second pixel
    y = np.stack(maps, axis=-1)[(stride - 1) * (1 - rows % 2) :: stride, (stride - 1) * (1 - columns % 2) :: stride]
    return np.where(y > 0, y, 0.2 * y)


def largest(x):
    """Of every 2×2 pixels of x [H, W, C], fewer at an odd side's end."""
    rows, columns = range(0, x.shape[0], 2), range(0, x.shape[1], 2)
    return np.array([[x[i : i + 2, j : j + 2].max(axis=(0, 1)) for j in columns] for i in rows])


@pytest.mark.parametrize("pooling", [False, True])
def test_an_encoder_is_its_convolutions_one_dense_layer_and_a_head(pooling):
    x, noise = jnp.float32(np.random.RandomState(0).randn(2, 7, 6, 3)), jnp.float32([[0.3], [-2.0]])
    encoder = Encoder((4, 5, 6), 8, 3, 0, False, 0.0, False, 0.0, False, pooling=pooling)
    params = drawn(partial(encoder.init, train=False), jax.random.key(0), x, noise)["params"]
    found = jax.jit(partial(encoder.apply, train=False))({"params": params}, x, noise).log_probabilities
    for image, n, told in zip(np.asarray(x), np.asarray(noise), found, strict=True):
        for index in range(3):
            image = convolved(image, params[f"Conv_{index}"], 1 if pooling or index == 0 else 2)
            image = largest(image) if pooling else image
        assert image.shape == ((1, 1, 6) if pooling else (2, 2, 6))
        h = np.concatenate([image.ravel(), n]) @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"]
        h = np.where(h > 0, h, 0.2 * h)
        np.testing.assert_allclose(
            nn.log_softmax(h @ params["logits"]["kernel"] + params["logits"]["bias"]), told, atol=1e-5
        )
