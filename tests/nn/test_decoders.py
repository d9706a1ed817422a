"""The decoders: what a pixel may see, and where the code enters."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pixelgan_jax.methods.autoencoder import likelihoods
from pixelgan_jax.nn.decoders.masked_conv import AdaptiveBias
from pixelgan_jax.nn.decoders.pixelcnn import reach
from tests.decoders import CASES, CONDITIONS, DECODERS, HEIGHT, WIDTH, build, codes


@pytest.mark.parametrize(("decoder", "kind", "condition"), CASES)
def test_parameters_depend_on_earlier_pixels_and_the_code_alone(decoder, kind, condition):
    made, params = build(decoder, kind, condition)
    channels = made.shape[2]
    count = 4  # a rectifier may be shut for one image; not for all of them
    z = codes(count)
    # a weight for each parameter: their sum has a gradient wherever one of them has
    weight = jax.random.normal(jax.random.key(9), (made.likelihood.num_parameters,))

    def output(x, z):
        return (made.decoder.apply({"params": params}, x, z) @ weight).sum(axis=0).reshape(HEIGHT * WIDTH)

    x = jax.random.uniform(jax.random.key(2), (count, *made.shape), minval=-1.0)
    by_pixel, by_code = jax.jit(jax.jacrev(output, argnums=(0, 1)))(x, z)
    by_pixel = np.moveaxis(by_pixel, 1, 3).reshape(HEIGHT * WIDTH, HEIGHT * WIDTH, count * channels)
    later = np.triu(np.ones((HEIGHT * WIDTH, HEIGHT * WIDTH), bool))  # itself or later in raster order
    assert np.all(by_pixel[later] == 0.0)
    assert np.all(np.any(np.asarray(by_code) != 0.0, axis=1))
    seen = np.abs(by_pixel).sum(axis=2) > 0
    assert np.array_equal(seen, expected_field(decoder))


def expected_field(decoder, layers=2, first=3, side=3):
    """Which pixels each pixel sees, by walking the kernels' offsets: rows of pixels [H·W, H·W]."""
    above, p = first // 2, side // 2
    if decoder == "pixelcnn":
        offsets = {(0, -i) for i in range(1, above + 1)}
        offsets |= {(-r, c) for r in range(1, above + 1) for c in range(-above, above + 1)}
        step = {(0, -i) for i in range(p + 1)} | {(-r, c) for r in range(1, p + 1) for c in range(-p, p + 1)}
    else:  # the two stacks together see a full half plane within their reach
        total = reach(layers, first, side)
        offsets = {(0, -i) for i in range(1, total + 1)}
        offsets |= {(-r, c) for r in range(1, total + 1) for c in range(-total, total + 1)}
        step = {(0, 0)}
    pixels = list(itertools.product(range(HEIGHT), range(WIDTH)))
    seen = np.zeros((len(pixels), len(pixels)), bool)
    for index, (row, column) in enumerate(pixels):
        places = {(row, column)}
        for _ in range(layers):
            places = {(r + dr, c + dc) for r, c in places for dr, dc in step}
            places = {place for place in places if 0 <= place[0] < HEIGHT and 0 <= place[1] < WIDTH}
        places = {(r + dr, c + dc) for r, c in places for dr, dc in offsets}
        for r, c in places:
            if 0 <= r < HEIGHT and 0 <= c < WIDTH:
                seen[index, r * WIDTH + c] = True
    return seen


def test_a_channel_depends_on_earlier_channels_of_its_pixel_alone():
    made, _ = build("pixelcnn", "rgb_mixture")
    parameters = jax.random.normal(jax.random.key(0), (made.likelihood.num_parameters,))
    mixture = likelihoods.split_mixture(parameters, 3)
    means = jax.jacobian(lambda x: likelihoods.channel_means(mixture, x))(jnp.array([0.3, -0.2, 0.6]))
    depends = np.asarray(means) != 0.0  # [mean's channel, component, pixel's channel]
    assert np.array_equal(depends.all(axis=1), np.tril(np.ones((3, 3), bool), -1))
    assert np.array_equal(depends.any(axis=1), np.tril(np.ones((3, 3), bool), -1))


@pytest.mark.parametrize("condition", CONDITIONS)
def test_location_invariant_bias_is_the_same_everywhere_and_the_dependent_one_not(condition):
    """Far from the borders, a blank image's outputs differ from place to place only by a location-dependent code."""
    made, params = build("pixelcnn", "bernoulli", condition, layers=1, shape=(8, 8, 1))
    inner = made.decoder.apply({"params": params}, jnp.zeros((1, 8, 8, 1)), codes(1))[0, 3:6, 3:5, 0]
    assert (np.ptp(np.asarray(inner)) > 1e-3) == ("invariant" not in condition)


@pytest.mark.parametrize("condition", ["network", "network_invariant"])
def test_a_code_network_is_dense_layers_of_rectified_units_then_maps_that_every_layer_mixes(condition):
    """The condition and one layer's bias of it, in plain NumPy, from the parameters alone."""
    made, params = build("pixelcnn", "bernoulli", condition)
    z, network = codes(4), jax.tree.map(np.asarray, params["code_network"])
    h = z
    for name in ("Dense_0", "Dense_1"):
        h = np.maximum(h @ network[name]["kernel"] + network[name]["bias"], 0.0)
    if condition == "network":
        h = (h @ network["Dense_2"]["kernel"] + network["Dense_2"]["bias"]).reshape(4, HEIGHT, WIDTH, 2)
    found = made.decoder.apply({"params": params}, z, method="condition")
    np.testing.assert_allclose(found, h, atol=1e-5, rtol=1e-5)
    bias = AdaptiveBias(HEIGHT, WIDTH, 8, "invariant" not in condition)
    own = {"params": params["biases_1"]}
    whole = bias.apply(own, found)
    expected = h @ params["biases_1"]["Dense_0"]["kernel"]
    np.testing.assert_allclose(whole, expected.reshape(whole.shape), atol=1e-5, rtol=1e-5)
    for row in range(HEIGHT):
        alone = np.broadcast_to(bias.apply(own, found, row), (4, *whole.shape[2:]))
        np.testing.assert_allclose(alone, whole[:, min(row, whole.shape[1] - 1)], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_network_lets_a_code_of_one_dimension_move_pixels_out_of_proportion(decoder):
    """What a bias that is linear in the code cannot: the logits of a blank image under three codes on a line."""
    z = jnp.array([[-1.0], [0.0], [1.0]])
    for condition, bends in (("linear", False), ("network", True)):
        made, params = build(decoder, "bernoulli", condition, layers=0, width=1)
        biases = params["stack_0"]["vertical_bias"] if decoder == "gated_pixelcnn" else params["biases_0"]
        features = biases["Dense_0"]["kernel"].shape[-1] // (1 if bends else HEIGHT * WIDTH)
        bias = AdaptiveBias(HEIGHT, WIDTH, features, True)
        low, middle, high = bias.apply(
            {"params": biases}, made.decoder.apply({"params": params}, z, method="condition")
        )
        assert (np.abs((low + high) / 2 - middle).max() > 1e-2) == bends
