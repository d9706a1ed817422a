"""The autoregressive decoders: what a pixel may see, and the fast sampler against the slow oracle."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import base
from pixelgan_jax import config, likelihood, model, sampling
from pixelgan_jax.levels import scale
from pixelgan_jax.nn.pixelcnn import reach

HEIGHT, WIDTH, CODE = 5, 6, 3
DECODERS = ("pixelcnn", "gated_pixelcnn")
LIKELIHOODS = {"bernoulli": (1, 2), "categorical": (1, 5), "logistic_mixture": (1, 16), "rgb_mixture": (3, 16)}
CASES = list(itertools.product(DECODERS, LIKELIHOODS))


def build(decoder, kind, conditioning="location_dependent", layers=2, first=3, side=3, shape=None, width=CODE):
    channels, levels = LIKELIHOODS[kind]
    fields = base.get_config()
    fields.data.levels = levels
    fields.model.update(
        decoder=decoder,
        likelihood="logistic_mixture" if kind == "rgb_mixture" else kind,
        conditioning=conditioning,
        channels=8,
        layers=layers,
        first_kernel=first,
        kernel=side,
        mixtures=2,
    )
    fields.prior.name = "gaussian" if width else "none"
    fields.prior.dimensions = max(width, 1)
    made = model.build(config.from_dict(fields), shape or (HEIGHT, WIDTH, channels))
    params = model.initialise(made, 1)[0]["decoder"]
    # away from the initial zero biases, where a missing term would not show
    noise = np.random.RandomState(1)
    return made, jax.tree.map(lambda leaf: leaf + 0.3 * noise.randn(*leaf.shape).astype(np.float32), params)


def codes(count, width=CODE):
    return np.random.RandomState(5).randn(count, width).astype(np.float32)


@pytest.mark.parametrize(("decoder", "kind"), CASES)
def test_parameters_depend_on_earlier_pixels_and_the_code_alone(decoder, kind):
    made, params = build(decoder, kind)
    channels = made.shape[2]
    count = 4  # a rectifier may be shut for one image; not for all of them
    z = codes(count)
    # a weight for each parameter: their sum has a gradient wherever one of them has
    weight = jax.random.normal(jax.random.key(9), (made.likelihood.parameters,))

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
    parameters = jax.random.normal(jax.random.key(0), (made.likelihood.parameters,))
    mixture = likelihood.split_mixture(parameters, 3)
    means = jax.jacobian(lambda x: likelihood.channel_means(mixture, x))(jnp.array([0.3, -0.2, 0.6]))
    depends = np.asarray(means) != 0.0  # [mean's channel, component, pixel's channel]
    assert np.array_equal(depends.all(axis=1), np.tril(np.ones((3, 3), bool), -1))
    assert np.array_equal(depends.any(axis=1), np.tril(np.ones((3, 3), bool), -1))


@pytest.mark.parametrize("conditioning", ["location_invariant", "location_dependent"])
@pytest.mark.parametrize(("decoder", "kind"), CASES)
def test_cached_sampler_equals_the_oracle(decoder, kind, conditioning):
    made, params = build(decoder, kind, conditioning, layers=2, first=5)
    z = codes(4)
    draws = sampling.pixel_uniforms(made, 7, jnp.arange(4))
    both = jax.jit(lambda p: (sampling.cached(made, p, z, draws), sampling.oracle(made, p, z, draws)))
    (fast, fast_parameters), (slow, slow_parameters) = both(params)
    assert np.array_equal(fast, slow)
    assert len(np.unique(fast)) > 1
    np.testing.assert_allclose(fast_parameters, slow_parameters, atol=1e-5, rtol=1e-5)
    # teacher-forced: the parameters that the whole network gives the finished image
    forced = made.decoder.apply({"params": params}, scale(fast, made.config.data.levels), z)
    np.testing.assert_allclose(fast_parameters, forced, atol=1e-5, rtol=1e-5)


def test_a_decoder_without_code_samples_too():
    made, params = build("pixelcnn", "bernoulli", width=0)
    fast = sampling.sample(made, params, np.zeros((3, 0)), seed=1)
    slow = sampling.sample(made, params, np.zeros((3, 0)), seed=1, method="oracle")
    assert fast.shape == (3, HEIGHT, WIDTH, 1) and fast.dtype == np.uint8
    assert np.array_equal(fast, slow)


def test_an_image_depends_on_its_own_index_and_code_alone(monkeypatch):
    made, params = build("pixelcnn", "categorical")
    z = np.asarray(codes(5))
    whole = sampling.sample(made, params, z, seed=3)
    monkeypatch.setattr(sampling, "CHUNK", 2)
    assert np.array_equal(sampling.sample(made, params, z, seed=3), whole)
    assert not np.array_equal(sampling.sample(made, params, z, seed=4), whole)


def test_location_invariant_bias_is_the_same_everywhere_and_the_dependent_one_not():
    """Far from the borders, a blank image's outputs differ from place to place only by a location-dependent code."""
    for conditioning, varies in (("location_invariant", False), ("location_dependent", True)):
        made, params = build("pixelcnn", "bernoulli", conditioning, layers=1, shape=(8, 8, 1))
        inner = made.decoder.apply({"params": params}, jnp.zeros((1, 8, 8, 1)), codes(1))[0, 3:6, 3:5, 0]
        assert (np.ptp(np.asarray(inner)) > 1e-3) == varies


def test_deconv_decoder_ignores_the_image_and_gives_its_mean():
    fields = base.get_config()
    fields.model.update(decoder="deconv", channels=4)
    made = model.build(config.from_dict(fields), (7, 6, 1))
    params = model.initialise(made, 0)[0]["decoder"]
    z = np.eye(10, dtype=np.float32)[:2]
    parameters = [made.decoder.apply({"params": params}, jnp.full((2, 7, 6, 1), x), z) for x in (-1.0, 1.0)]
    assert parameters[0].shape == (2, 7, 6, 1)
    assert np.array_equal(*parameters)
    image = sampling.sample(made, params, z)
    assert np.array_equal(image, np.round(255 * jax.nn.sigmoid(parameters[0])).astype(np.uint8))
