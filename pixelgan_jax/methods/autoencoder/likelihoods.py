"""Three likelihoods p(pixel | parameters), of any decoder's outputs: log_prob, sample and mean beside each other.

Shapes: C image channels, L grey levels, M mixture components, P parameters of a pixel, S uniforms to draw one.
Sampling is a function of the parameters and of uniform draws: with the draws fixed, every sampler that computes the
same parameters draws the same image.
"""

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from pixelgan_jax.data.levels import scale
from pixelgan_jax.errors import InputError
from pixelgan_jax.methods.autoencoder.settings import AutoencoderConfig

Array = jax.Array

# of a logistic: at e^-7 it lies within one of 256 levels, at e^7 it is flat; beyond, masses round to 0 and gradients
# cease to be finite
LOG_SCALES = (-7.0, 7.0)


class Likelihood(NamedTuple):
    """A pixel's distribution over levels.

    num_parameters: P. uniforms: S. log_prob(parameters [..., P], levels int [..., C]) -> nats [...].
    sample(parameters [..., P], uniform [..., S], temperature=1) -> levels int32 [..., C]: at a temperature T every
    logit is divided by T, and a mixture's logistics have T times their scale as well.
    mean(parameters [..., P]) -> levels float32 [..., C].
    """

    num_parameters: int
    uniforms: int
    log_prob: Callable[[Array, Array], Array]
    sample: Callable[..., Array]
    mean: Callable[[Array], Array]


def make(config: AutoencoderConfig, channels: int) -> Likelihood:
    """The likelihood of `config` for images of C channels. Raises InputError where it has none for that C."""
    return _make(config.model.likelihood, config.data.levels, config.model.mixtures, channels)


@lru_cache  # equal settings give the same object, so that a model built again is not compiled again
def _make(name: str, levels: int, mixtures: int, channels: int) -> Likelihood:
    if name == "bernoulli" and channels == 1:
        return Likelihood(1, 1, bernoulli_log_prob, bernoulli_sample, jax.nn.sigmoid)
    if name == "categorical" and channels == 1:
        return Likelihood(levels, 1, categorical_log_prob, categorical_sample, categorical_mean)
    if name == "logistic_mixture" and channels == 3 and levels == 2:  # colours of one bit are nobody's wish
        raise InputError(f"config.data.levels: {levels} is not allowed for images in colour: must be more, such as 256")
    if name == "logistic_mixture" and channels in (1, 3):
        count = 3 * mixtures if channels == 1 else 10 * mixtures
        known = dict(levels=levels, channels=channels)
        bound = (partial(f, **known) for f in (mixture_log_prob, mixture_sample, mixture_mean))
        return Likelihood(count, 1 + channels, *bound)
    allowed = "none has a likelihood here" if channels != 1 else name
    if channels == 3:
        allowed = "logistic_mixture, with config.data.levels above 2, such as 256"
    raise InputError(
        f"config.model.likelihood: {name!r} is not allowed for images of {channels} channels: must be {allowed}"
    )


def bernoulli_log_prob(parameters: Array, levels_of: Array) -> Array:
    """parameters [..., 1] logits of level 1, levels [..., 1] of {0, 1} -> nats [...]."""
    sign = 2.0 * levels_of[..., 0] - 1.0
    return jax.nn.log_sigmoid(sign * parameters[..., 0])


def bernoulli_sample(parameters: Array, uniform: Array, temperature: float | Array = 1.0) -> Array:
    """Level 1 where the uniform lies below its probability: [..., 1]."""
    return (uniform < jax.nn.sigmoid(parameters / temperature)).astype(jnp.int32)


def categorical_log_prob(parameters: Array, levels_of: Array) -> Array:
    """parameters [..., L] logits, levels [..., 1] -> nats [...]."""
    return jnp.take_along_axis(jax.nn.log_softmax(parameters), levels_of, axis=-1)[..., 0]


def _inverse_cdf(logits: Array, uniform: Array) -> Array:
    """The index [...] that uniform [..., 1] selects of the probabilities softmax(logits [..., K]).

    The K weights are cut into about √K blocks: sums over whole blocks find the block, sums within it the index, so
    that K cumulative sums are never formed.
    """
    options = logits.shape[-1]
    block = next(size for size in range(math.isqrt(options), 0, -1) if options % size == 0)
    weights = jnp.exp(logits - jnp.max(logits, axis=-1, keepdims=True))
    weights = weights.reshape(*logits.shape[:-1], options // block, block)
    ends = jnp.cumsum(jnp.sum(weights, axis=-1), axis=-1)
    target = uniform * ends[..., -1:]
    # a last sum is the total up to rounding: leaving it out keeps an index below the count
    whole = jnp.sum(target >= ends[..., :-1], axis=-1, keepdims=True, dtype=jnp.int32)
    before = jnp.where(whole > 0, jnp.take_along_axis(ends, jnp.maximum(whole - 1, 0), axis=-1), 0.0)
    inside = jnp.cumsum(jnp.take_along_axis(weights, whole[..., None], axis=-2)[..., 0, :], axis=-1)
    return whole[..., 0] * block + jnp.sum(target - before >= inside[..., :-1], axis=-1, dtype=jnp.int32)


def categorical_sample(parameters: Array, uniform: Array, temperature: float | Array = 1.0) -> Array:
    """parameters [..., L], uniform [..., 1] -> levels [..., 1], by inverse CDF."""
    return _inverse_cdf(parameters / temperature, uniform)[..., None]


def categorical_mean(parameters: Array) -> Array:
    """parameters [..., L] -> E[level] [..., 1]."""
    levels_of = jnp.arange(parameters.shape[-1], dtype=jnp.float32)
    return (jax.nn.softmax(parameters) @ levels_of)[..., None]


class Mixture(NamedTuple):
    """logits [..., M]; mean, log_scale [..., C, M]; slope [..., 3, M]: green on red, blue on red, blue on green."""

    logits: Array
    mean: Array
    log_scale: Array
    slope: Array | None


def split_mixture(parameters: Array, channels: int) -> Mixture:
    """Splits parameters [..., M (1 + 2C) (+ 3M where C = 3)]."""
    per = 3 if channels == 1 else 10
    split = parameters.reshape(*parameters.shape[:-1], per, parameters.shape[-1] // per)
    log_scale = jnp.clip(split[..., 1 + channels : 1 + 2 * channels, :], *LOG_SCALES)
    slope = jnp.tanh(split[..., 7:, :]) if channels == 3 else None
    return Mixture(split[..., 0, :], split[..., 1 : 1 + channels, :], log_scale, slope)


def channel_means(mixture: Mixture, x: Array) -> Array:
    """Means given the earlier channels (Salimans et al. 2017, eq. 3): x [..., C] in [-1, 1] -> [..., C, M]."""
    if mixture.slope is None:
        return mixture.mean
    red, green = x[..., 0, None], x[..., 1, None]
    on_red, blue_on_red, blue_on_green = (mixture.slope[..., i, :] for i in range(3))
    shift = [jnp.zeros_like(on_red), on_red * red, blue_on_red * red + blue_on_green * green]
    return mixture.mean + jnp.stack(shift, axis=-2)


def _logistic_mass(x: Array, mean: Array, log_scale: Array, levels: int) -> Array:
    """log of a logistic's mass on the bin of x, whose edges are x ± 1 / (L - 1); the outermost bins are open.

    With a > b the scaled edges, σ(a) - σ(b) = σ(a) σ(-b) (1 - e^(b - a)): three factors whose logarithms are each
    finite with finite gradients, where the difference itself underflows. A bin open below has b = -∞, mass σ(a);
    one open above a = ∞, mass σ(-b).
    """
    half = 1.0 / (levels - 1)
    inverse_scale = jnp.exp(-log_scale)
    below = jax.nn.log_sigmoid((x + half - mean) * inverse_scale)
    above = jax.nn.log_sigmoid((mean - x + half) * inverse_scale)
    inside = jnp.log(-jnp.expm1(-2.0 * half * inverse_scale))
    lowest, highest = x < -1.0 + half, x > 1.0 - half
    return jnp.where(lowest, below, jnp.where(highest, above, below + above + inside))


def mixture_log_prob(parameters: Array, levels_of: Array, *, levels: int, channels: int) -> Array:
    """Discretised logistic mixture (Salimans et al. 2017, PixelCNN++, section 2.1-2.2).

    parameters [..., 3M] (C = 1) or [..., 10M] (C = 3), levels [..., C] -> nats [...] of all channels together.
    """
    mixture = split_mixture(parameters, channels)
    x = scale(levels_of, levels)
    mass = _logistic_mass(x[..., None], channel_means(mixture, x), mixture.log_scale, levels)
    return jax.nn.logsumexp(jax.nn.log_softmax(mixture.logits) + jnp.sum(mass, axis=-2), axis=-1)


def mixture_sample(
    parameters: Array, uniform: Array, temperature: float | Array = 1.0, *, levels: int, channels: int
) -> Array:
    """parameters [..., P], uniform [..., 1 + C] -> levels [..., C]: one uniform selects the component, the others
    place the channels, each given the levels already drawn."""
    mixture = split_mixture(parameters, channels)
    chosen = _inverse_cdf(mixture.logits / temperature, uniform[..., :1])[..., None, None]
    picked = [None if a is None else jnp.take_along_axis(a, chosen, axis=-1) for a in mixture[1:]]
    picked = Mixture(mixture.logits, *picked)
    u = jnp.clip(uniform[..., 1:], 1e-6, 1.0 - 1e-6)
    spread = temperature * jnp.exp(picked.log_scale[..., 0]) * (jnp.log(u) - jnp.log1p(-u))
    drawn = [jnp.zeros(uniform.shape[:-1], jnp.int32)] * channels
    for channel in range(channels):
        mean = channel_means(picked, scale(jnp.stack(drawn, axis=-1), levels))[..., channel, 0]
        x = jnp.clip(mean + spread[..., channel], -1.0, 1.0)
        drawn[channel] = jnp.round((x + 1.0) * ((levels - 1) / 2.0)).astype(jnp.int32)
    return jnp.stack(drawn, axis=-1)


def mixture_mean(parameters: Array, *, levels: int, channels: int) -> Array:
    """parameters [..., P] -> levels [..., C]: the mean of the components' means, later channels given earlier means.

    It leaves aside what the open outermost bins and the rounding move, less than half a level for narrow components.
    """
    mixture = split_mixture(parameters, channels)
    weight = jax.nn.softmax(mixture.logits)
    x = jnp.zeros(parameters.shape[:-1] + (channels,), jnp.float32)
    for channel in range(channels):
        mean = jnp.clip(channel_means(mixture, x)[..., channel, :], -1.0, 1.0)
        x = x.at[..., channel].set(jnp.sum(weight * mean, axis=-1))
    return (x + 1.0) * ((levels - 1) / 2.0)
