"""The samplers: the fast ones draw the oracle's images, keep what is given, and follow the model's probabilities."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.pallas import tpu as pltpu
from scipy.stats import chisquare

from experiments import base
from pixelgan_jax.data.levels import scale
from pixelgan_jax.evaluation import trained as evaluation
from pixelgan_jax.evaluation.trained import Trained
from pixelgan_jax.methods import registry
from pixelgan_jax.methods.autoencoder import model, sampling
from pixelgan_jax.methods.method import DataSpec
from pixelgan_jax.methods.registry import from_dict
from pixelgan_jax.nn.decoders import tpu_row
from pixelgan_jax.nn.decoders.gated import GatedPixelCNN
from pixelgan_jax.nn.decoders.pixelcnn import PixelCNN
from pixelgan_jax.nn.platform import made_for
from pixelgan_jax.nn.xla_cpu.sampler import FEW
from pixelgan_jax.training import parallel
from tests.decoders import CASES, HEIGHT, WIDTH, build, codes

PIXELS = HEIGHT * WIDTH


def request(made, count=4, width=3, known=0, seed=7, temperature=1.0):
    """A request of `count` images of which random beginnings of `known` pixels are given."""
    given = np.random.RandomState(2).randint(0, made.config.data.levels, (count, *made.shape)).astype(np.int32)
    draws = sampling.pixel_uniforms(made, jax.random.split(jax.random.key(seed), count))
    known = jnp.broadcast_to(jnp.asarray(known, jnp.int32), (count,))
    return sampling.Request(codes(count, width), draws, given, known, jnp.float32(temperature))


def devices(count=1):
    return parallel.make_mesh(jax.devices()[:count])


def trained(made, params, mesh=None):
    """The decoder as a trained model."""
    method = registry.make(made.config, DataSpec(made.shape, 0))
    return Trained(made.config, method, ({"decoder": params}, {}), mesh or devices(), 0)


def draw(made, params, code, seed=0, method="auto", *, mesh=None, **options):
    return evaluation.draw(trained(made, params, mesh), np.asarray(code), seed, method, **options)


@pytest.mark.parametrize(("decoder", "kind", "condition"), CASES)
def test_every_method_draws_the_oracles_images(decoder, kind, condition):
    """Half of the images complete a beginning; the oracle is the iteration by blocks of one pixel."""
    made, params = build(decoder, kind, condition, layers=2, first=5)
    asked = request(made, known=[0, 0, 7, 13], temperature=0.8)
    fast, parameters = jax.jit(lambda p: sampling.cached(made, p, asked))(params)
    iterated = jax.jit(lambda p, block: sampling.iterated(made, p, asked, block))
    oracle, passes = iterated(params, 1)
    assert passes == PIXELS
    assert np.array_equal(fast, oracle)
    assert len(np.unique(fast)) > 1
    for block in (PIXELS, 2 * WIDTH):  # all pixels at once, and rows by two
        fixed_point, passes = iterated(params, block)
        assert np.array_equal(fixed_point, oracle)
        assert 1 < passes < 2 * PIXELS
    # teacher-forced: the parameters that the whole network gives the finished image
    forced = jax.jit(made.decoder.apply)({"params": params}, scale(fast, made.config.data.levels), asked.code)
    np.testing.assert_allclose(parameters, forced, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("condition", ["linear", pytest.param("network", marks=pytest.mark.slow)])
def test_on_a_tpu_a_kernel_draws_a_row_as_the_loop_does(condition):
    """In Pallas's interpreter; more images than a kernel takes at a time, and of some the beginning is given."""
    made, params = build("pixelcnn", "bernoulli", condition, layers=2, first=5)
    known = np.resize([0, 7, 13, PIXELS], tpu_row.LANES + 3)
    asked = request(made, count=len(known), known=known, temperature=0.8)
    drawn, parameters = jax.jit(lambda p: sampling.cached(made, p, asked))(params)
    with made_for("tpu"), pltpu.force_tpu_interpret_mode():
        by_kernel = jax.jit(lambda p: sampling.cached(made, p, asked, kernel=sampling.by_kernel(made)))
        assert "pallas_call" in str(jax.make_jaxpr(by_kernel)(params))
        also_drawn, also_parameters = by_kernel(params)
    assert np.array_equal(drawn, also_drawn)
    np.testing.assert_allclose(parameters, also_parameters, atol=1e-5, rtol=1e-5)


def test_on_a_tpu_auto_takes_the_kernel_and_cached_does_without(monkeypatch):
    """Through all that drawing is, on two devices."""
    made, params = build("pixelcnn", "bernoulli", "linear", layers=1)
    plain, calls, by_kernel = draw(made, params, codes(6), mesh=devices(2)), [], tpu_row.draw
    monkeypatch.setattr(tpu_row, "draw", lambda *given: calls.append(1) or by_kernel(*given))
    with made_for("tpu"), pltpu.force_tpu_interpret_mode():
        for method in ("cached", "auto"):
            assert np.array_equal(draw(made, params, codes(6), method=method, mesh=devices(2)), plain)
            assert bool(calls) == (method == "auto")


def test_no_kernel_draws_rows_that_are_not_its_own_or_too_large():
    def fits(kind=PixelCNN, shape=(28, 28, 1), features=32, layers=4):
        return tpu_row.fits(kind(shape, 1, features, layers, 7, 3, location_dependent=True))

    assert not fits()  # this is no TPU
    with made_for("tpu"):
        assert fits()
        assert not fits(GatedPixelCNN) and not fits(shape=(8, 8, 3))
        assert not fits(features=12) and not fits(layers=40) and not fits(shape=(128, 128, 1))


@pytest.mark.parametrize("sampler", ["cached", "fixed_point", "oracle"])
def test_the_code_network_runs_once_an_image(sampler):
    """Not once a row, a pixel or a pass: its widths occur in no product inside the sampler's loops."""
    made, params = build("pixelcnn", "bernoulli", "network")
    draw = partial(sampling.cached if sampler == "cached" else partial(sampling.iterated, block=1), made)
    outside, inside = products(jax.make_jaxpr(draw)(params, request=request(made, count=FEW + 1)).jaxpr)
    of_network = [(3, 7), (7, 11), (11, HEIGHT * WIDTH * 2)]
    assert [shape for shape in outside if shape in of_network] == of_network
    assert inside and not set(inside) & set(of_network)


def products(jaxpr, in_loop=False):
    """The right factors' shapes of the matrix products of a program: (outside loops, inside)."""
    found = [], []
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            found[in_loop].append(equation.invars[1].aval.shape)
        for inner in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda x: hasattr(x, "jaxpr")):
            if hasattr(inner, "jaxpr"):
                loop = in_loop or equation.primitive.name in ("scan", "while")
                for own, more in zip(found, products(inner.jaxpr, loop), strict=True):
                    own.extend(more)
    return found


def test_iteration_stops_when_nothing_changes():
    """Draws that decide every pixel whatever its probability: two passes, the second to see that nothing changed."""
    made, params = build("pixelcnn", "bernoulli")
    asked = request(made)
    certain = asked._replace(draws=jnp.ones_like(asked.draws))  # no probability exceeds 1: level 0
    drawn, passes = sampling.iterated(made, params, certain, PIXELS)
    assert passes == 1 and not np.any(drawn)  # it starts from 0
    drawn, passes = sampling.iterated(made, params, certain._replace(draws=-certain.draws), PIXELS)
    assert passes == 2 and np.all(drawn == 1)


@pytest.mark.parametrize(("side", "known", "temperature"), [(2, 0, 1.0), (2, 1, 1.0), (2, 2, 0.5), (2, 1, 2.0)])
@pytest.mark.parametrize("decoder", ["pixelcnn", "gated_pixelcnn"])
def test_images_follow_the_models_probabilities(decoder, side, known, temperature):
    """Frequencies of whole images of 2×2 pixels, given their beginning, against the product of the conditionals."""
    made, params = build(decoder, "bernoulli", layers=1, shape=(side, side, 1), width=2)
    count, pixels = 4000, side * side
    beginning = np.array([1, 0, 1, 1])[:known]
    every = np.array([i for i in itertools.product((0, 1), repeat=pixels) if list(i[:known]) == list(beginning)])
    code = np.repeat(codes(1, 2), count, axis=0)
    logits = made.decoder.apply(
        {"params": params}, scale(every.reshape(-1, side, side, 1), 2), jnp.asarray(code[: len(every)])
    )
    logits = np.asarray(logits, np.float64).reshape(-1, pixels)[:, known:] / temperature
    expected = np.exp(-np.logaddexp(0, -logits * (2 * every[:, known:] - 1)).sum(axis=1))
    assert expected.sum() == pytest.approx(1.0)
    given = np.zeros((count, side, side, 1), np.uint8)
    given.reshape(count, pixels)[:, :known] = 255 * beginning
    drawn = draw(made, params, code, temperature=temperature, given=given, known=np.full(count, known, np.int32))
    drawn = drawn.reshape(count, pixels) // 255
    assert np.all(drawn[:, :known] == beginning)
    observed = np.array([np.sum(np.all(drawn == image, axis=1)) for image in every])
    assert chisquare(observed, count * expected).pvalue > 1e-3


@pytest.mark.parametrize("method", ["cached", "fixed_point", "oracle"])
def test_a_beginning_is_kept_byte_for_byte(method):
    """Also where its bytes are between the model's levels; what follows depends on it, what precedes does not."""
    made, params = build("pixelcnn", "categorical")
    given = np.random.RandomState(0).randint(0, 256, (5, *made.shape)).astype(np.uint8)
    known = np.array([0, 1, 11, PIXELS - 1, PIXELS], np.int32)
    drawn = draw(made, params, codes(5), 3, method, given=given, known=known)
    free = draw(made, params, codes(5), 3, method)
    for image, whole, start, count in zip(drawn, free, given, known, strict=True):
        image, whole, start = (a.reshape(PIXELS, 1) for a in (image, whole, start))
        assert np.array_equal(image[:count], start[:count])
        assert count == 0 or not np.array_equal(image[:count], whole[:count])
    assert np.array_equal(drawn[0], free[0]) and np.array_equal(drawn[4], given[4])


def test_a_decoder_without_code_samples_too():
    made, params = build("pixelcnn", "bernoulli", width=0)
    fast = draw(made, params, np.zeros((3, 0)), seed=1)
    slow = draw(made, params, np.zeros((3, 0)), seed=1, method="oracle")
    assert fast.shape == (3, HEIGHT, WIDTH, 1) and fast.dtype == np.uint8
    assert np.array_equal(fast, slow)


def test_an_image_depends_on_its_own_index_and_code_alone(monkeypatch):
    """Neither on the size of a chunk nor on the devices that a chunk is split over."""
    made, params = build("pixelcnn", "categorical")
    z = codes(5)
    whole = draw(made, params, z, 3)
    monkeypatch.setattr(evaluation, "DRAWN", 2)
    assert np.array_equal(draw(made, params, z, 3), whole)
    for method in ("cached", "fixed_point"):
        assert np.array_equal(draw(made, params, z, 3, method, mesh=devices(8)), whole)
    assert not np.array_equal(draw(made, params, z, 4), whole)


def test_large_requests_show_a_progress_bar(monkeypatch, capsys):
    made, params = build("pixelcnn", "bernoulli")
    monkeypatch.setattr(evaluation, "DRAWN", 2)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    draw(made, params, codes(5))
    assert "5/5" in capsys.readouterr().err
    draw(made, params, codes(2))
    assert capsys.readouterr().err == ""


def test_deconv_decoder_ignores_the_image_and_gives_its_mean():
    fields = base.get_config()
    fields.model.update(decoder="deconv", channels=4)
    made = model.build(from_dict(fields), (7, 6, 1))
    params = model.initialise(made, 0)[0]["decoder"]
    z = np.eye(10, dtype=np.float32)[:2]
    apply = jax.jit(made.decoder.apply)
    parameters = [apply({"params": params}, np.full((2, 7, 6, 1), x, np.float32), z) for x in (-1.0, 1.0)]
    assert parameters[0].shape == (2, 7, 6, 1)
    assert np.array_equal(*parameters)
    image = draw(made, params, z)
    assert np.array_equal(image, np.round(255 * jax.nn.sigmoid(parameters[0])).astype(np.uint8))
