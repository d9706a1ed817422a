"""Likelihoods: they sum to one, have finite gradients at the edges, and their samplers draw from them."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import chisquare

from pixelgan_jax.errors import InputError
from pixelgan_jax.methods.autoencoder import likelihoods
from pixelgan_jax.methods.registry import from_dict
from tests import tiny

CASES = {"bernoulli": (1, 2), "categorical": (1, 5), "logistic_mixture": (1, 256), "rgb": (3, 4)}


def make(case, **model):
    channels, levels = CASES[case]
    name = "logistic_mixture" if case == "rgb" else case
    fields = tiny.fields(model={"likelihood": name, "mixtures": 3, **model}, data={"levels": levels})
    return likelihoods.make(from_dict(fields), channels), channels, levels


def every_level(channels, levels):
    return np.array(list(itertools.product(range(levels), repeat=channels)))


@pytest.mark.parametrize("spread", [0.3, 3.0, 30.0])
@pytest.mark.parametrize("case", CASES)
def test_probabilities_of_all_levels_sum_to_one(case, spread):
    made, channels, levels = make(case)
    values = every_level(channels, levels)
    parameters = spread * jax.random.normal(jax.random.key(0), (1, made.num_parameters))
    log_prob = jax.jit(made.log_prob)(np.repeat(parameters, len(values), axis=0), values)
    np.testing.assert_allclose(np.exp(np.asarray(log_prob, np.float64)).sum(), 1.0, rtol=2e-5)


@pytest.mark.parametrize("size", [1.0, 50.0, 1e4])
@pytest.mark.parametrize("case", CASES)
def test_gradients_are_finite_at_every_level_and_for_extreme_parameters(case, size):
    made, channels, levels = make(case)
    values = np.unique(np.clip([[0] * channels, [1] * channels, [levels - 1] * channels], 0, levels - 1), axis=0)
    parameters = size * jax.random.normal(jax.random.key(1), (len(values), made.num_parameters))
    value, gradient = jax.jit(jax.value_and_grad(lambda p: made.log_prob(p, values).sum()))(parameters)
    assert np.isfinite(value) and np.all(np.isfinite(gradient))


@pytest.mark.parametrize("case", CASES)
def test_samples_follow_the_probabilities(case):
    made, channels, levels = make(case)
    parameters = 0.7 * jax.random.normal(jax.random.key(2), (1, made.num_parameters))
    count = 40_000
    uniform = jax.random.uniform(jax.random.key(3), (count, made.uniforms))
    drawn = np.asarray(jax.jit(made.sample)(np.repeat(parameters, count, axis=0), uniform))
    assert drawn.shape == (count, channels) and drawn.min() >= 0 and drawn.max() < levels
    values = every_level(channels, levels)
    log_prob = jax.jit(made.log_prob)(np.repeat(parameters, len(values), axis=0), values)
    expected = count * np.exp(np.asarray(log_prob, np.float64))
    place = np.ravel_multi_index(drawn.T, (levels,) * channels)
    observed = np.bincount(place, minlength=levels**channels)
    rare = expected < 10  # too few for χ²: together
    observed, expected = (np.append(x[~rare], x[rare].sum()) for x in (observed, expected))
    keep = expected > 1
    observed, expected = observed[keep], expected[keep]
    assert len(observed) > 1
    assert chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 1e-3


def test_logistic_mixture_by_hand():
    """One component, three levels at -1, 0, 1: the bins end at ±1/2."""
    fields = tiny.fields(model={"likelihood": "logistic_mixture", "mixtures": 1}, data={"levels": 3})
    made = likelihoods.make(from_dict(fields), 1)
    mean, scale = 0.2, 0.5
    parameters = jnp.broadcast_to(jnp.array([0.0, mean, np.log(scale)]), (3, 3))
    low, high = expit((-0.5 - mean) / scale), expit((0.5 - mean) / scale)
    found = np.exp(made.log_prob(parameters, jnp.arange(3)[:, None]))
    np.testing.assert_allclose(found, [low, high - low, 1 - high], rtol=1e-5)


def test_means_by_hand():
    bernoulli, _, _ = make("bernoulli")
    np.testing.assert_allclose(bernoulli.mean(jnp.array([[0.0]])), [[0.5]])
    categorical, _, _ = make("categorical")
    np.testing.assert_allclose(categorical.mean(jnp.log(jnp.array([[0.5, 0.0, 0.0, 0.0, 0.5]]))), [[2.0]])
    rgb = make("rgb", mixtures=1)[0]
    # red -1; green 0 + tanh(c) red; blue 0
    parameters = jnp.array([[0.0, -1.0, 0.0, 0.0, -9.0, -9.0, -9.0, jnp.arctanh(0.5), 0.0, 0.0]])
    np.testing.assert_allclose(rgb.mean(parameters), [[0.0, 0.75, 1.5]], atol=1e-5)


@pytest.mark.parametrize(("name", "channels"), [("bernoulli", 3), ("categorical", 3), ("logistic_mixture", 2)])
def test_a_likelihood_that_images_do_not_have_is_refused_by_name(name, channels):
    with pytest.raises(InputError, match=r"config\.model\.likelihood"):
        likelihoods.make(from_dict(tiny.fields(model={"likelihood": name})), channels)


@pytest.mark.parametrize("case", CASES)
def test_temperature_divides_logits_and_widens_logistics(case):
    """At temperature T a sample is that of parameters so changed."""
    made, channels, _ = make(case)
    count, temperature = 500, 0.4
    parameters = jax.random.normal(jax.random.key(2), (count, made.num_parameters))
    uniform = jax.random.uniform(jax.random.key(3), (count, made.uniforms))
    sample = jax.jit(made.sample)
    drawn = sample(parameters, uniform, temperature)
    if case in ("bernoulli", "categorical"):
        changed = parameters / temperature
    else:
        by_kind = np.array(parameters).reshape(count, -1, 3)  # three components
        by_kind[:, 0] /= temperature
        by_kind[:, 1 + channels : 1 + 2 * channels] += np.log(temperature)
        changed = jnp.asarray(by_kind.reshape(count, -1))
    expected = sample(changed, uniform)
    assert np.mean(drawn != expected) < 1e-3  # rounding may move a draw at the edge of a level
    assert np.mean(sample(parameters, uniform) != expected) > 0.05
