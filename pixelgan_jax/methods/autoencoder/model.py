"""The networks of one configuration and how images and codes pass through them.

Shapes: N images, H rows, W columns, C channels, K categories, d Gaussian dimensions, D = K + d code width.
"""

from dataclasses import fields
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from pixelgan_jax.data.levels import binarise, network_input, quantise, scale
from pixelgan_jax.data.randomness import Stream, fold, normal, uniform
from pixelgan_jax.data.views import Views, random_view
from pixelgan_jax.methods.autoencoder import likelihoods
from pixelgan_jax.methods.autoencoder.likelihoods import Likelihood
from pixelgan_jax.methods.autoencoder.settings import AutoencoderConfig
from pixelgan_jax.methods.state import training_dtype
from pixelgan_jax.nn.decoders.deconv import Deconv
from pixelgan_jax.nn.decoders.gated import GatedPixelCNN
from pixelgan_jax.nn.decoders.pixelcnn import PixelCNN
from pixelgan_jax.nn.discriminator import Discriminator
from pixelgan_jax.nn.encoder import Encoder, Posterior
from pixelgan_jax.nn.initial import first_variables

Array = jax.Array
Params = dict[str, Any]


class Autoencoder(NamedTuple):
    """Networks without their parameters; `shape` is an image's (H, W, C), `width` the code's D."""

    config: AutoencoderConfig
    shape: tuple[int, int, int]
    width: int
    encoder: Encoder
    decoder: nn.Module
    discriminator: Discriminator
    likelihood: Likelihood


def build(config: AutoencoderConfig, shape: tuple[int, int, int], axis_name: str | None = None) -> Autoencoder:
    """The model of `config` for images of `shape` (H, W, C).

    `axis_name` is the device axis over which BatchNorm averages in training. Raises InputError where the likelihood
    cannot model C channels.
    """
    settings = config.model
    code = config.prior.code
    likelihood = likelihoods.make(config, shape[2])
    encoder = Encoder(
        channels=settings.encoder_channels,
        units=settings.encoder_units,
        categories=code.categories,
        dimensions=code.dimensions,
        gaussian=settings.encoder == "gaussian",
        minimum_sd=settings.minimum_sd,
        batch_norm=settings.encoder_batch_norm,
        logits_batch_norm=settings.logits_batch_norm,
        mean_batch_norm=settings.mean_batch_norm,
        pooling=settings.encoder_pooling,
        axis_name=axis_name,
    )
    return Autoencoder(
        config=config,
        shape=tuple(shape),
        width=code.width,
        encoder=encoder,
        decoder=_decoder(config, shape, likelihood.num_parameters),
        discriminator=Discriminator(settings.discriminator_units, _discriminated(config)),
        likelihood=likelihood,
    )


def _discriminated(config: AutoencoderConfig) -> tuple[int, ...]:
    """The widths of the parts of a code, each of which a discriminator looks at apart."""
    code = config.prior.code
    if not config.model.discriminator_apart:
        return (code.width,)
    return tuple(width for width in (code.categories, code.dimensions) if width)


def in_training(model: Autoencoder) -> Autoencoder:
    """The model with networks that compute in `train.dtype`; parameters, batch statistics, heads, losses and optimizers
    are float32 either way, and so is everything outside training, where two samplers must draw the same images."""
    dtype = training_dtype(model.config.train.dtype)
    return model._replace(
        encoder=model.encoder.clone(dtype=dtype),
        decoder=model.decoder.clone(dtype=dtype),
        discriminator=model.discriminator.clone(dtype=dtype),
    )


def _decoder(config: AutoencoderConfig, shape: tuple[int, int, int], num_parameters: int) -> nn.Module:
    settings = config.model
    if settings.decoder == "deconv":
        return Deconv(shape, num_parameters, settings.channels)
    kind = {"pixelcnn": PixelCNN, "gated_pixelcnn": GatedPixelCNN}[settings.decoder]
    return kind(
        shape=shape,
        num_parameters=num_parameters,
        features=settings.channels,
        layers=settings.layers,
        first_kernel_size=settings.first_kernel,
        kernel_size=settings.kernel,
        location_dependent=settings.conditioning == "location_dependent",
        code_units=settings.code_units,
        code_maps=settings.code_maps,
    )


def initialise(model: Autoencoder, seed: int | Array) -> tuple[dict[str, Params], dict[str, Params]]:
    """(params by role, batch statistics by role) of a seed. A model without code has no encoder parameters."""
    key = fold(jax.random.key(seed), Stream.INITIALISATION)
    image, code = jnp.zeros((1, *model.shape)), jnp.zeros((1, model.width))
    params = {"encoder": {}, "discriminator": {}}
    stats: Params = {}
    params["decoder"] = first_variables(fold(key, 1), model.decoder, image, code)["params"]
    if model.width:
        noise = jnp.zeros((1, noise_width(model)))
        variables = first_variables(fold(key, 0), model.encoder, image, noise, train=False)
        params["encoder"], stats = variables["params"], variables.get("batch_stats", {})
        params["discriminator"] = first_variables(fold(key, 2), model.discriminator, code)["params"]
    return params, {"encoder": stats}


def noise_width(model: Autoencoder) -> int:
    """Width of the noise n that the encoder is fed; 0 but for the "noise" encoder."""
    settings = model.config.model
    return settings.noise_dimensions if settings.encoder == "noise" else 0


def encode(model: Autoencoder, params: Params, stats: Params, images: Array, keys: Array) -> Posterior:
    """q(z | x) of images uint8 [N, H, W, C], each with its key [N], by BatchNorm's running statistics."""
    if not model.width:
        return _no_posterior(images)
    variables = {"params": params, "batch_stats": stats}
    x = network_input(images, model.config.model.input_standardised)
    return model.encoder.apply(variables, x, _encoder_noise(model, keys), train=False)


def encode_in_training(
    model: Autoencoder, params: Params, stats: Params, images: Array, keys: Array
) -> tuple[Posterior, Params]:
    """q(z | x) of a random view of each image uint8 [N, H, W, C], with noise on its pixels; and the encoder's batch
    statistics, moved by those of the mini-batch, by which BatchNorm normalises it."""
    if not model.width:
        return _no_posterior(images), stats
    settings = model.config.model
    views = Views(**{field.name: getattr(settings, f"input_{field.name}") for field in fields(Views)})
    x = random_view(views, network_input(images, settings.input_standardised), keys)
    if settings.input_noise:
        x = x + settings.input_noise * normal(keys, Stream.INPUT_NOISE, model.shape)
    variables = {"params": params, "batch_stats": stats}
    posterior, moved = model.encoder.apply(
        variables, x, _encoder_noise(model, keys), train=True, mutable=["batch_stats"]
    )
    return posterior, moved.get("batch_stats", stats)


def _no_posterior(images: Array) -> Posterior:
    empty = jnp.zeros((images.shape[0], 0))
    return Posterior(empty, empty, empty)


def _encoder_noise(model: Autoencoder, keys: Array) -> Array:
    return normal(keys, Stream.ENCODER_NOISE, (noise_width(model),))


def targets(model: Autoencoder, images: Array, keys: Array) -> Array:
    """The levels that the decoder models, int32 [N, H, W, C], of images uint8: quantised, or binarised at random
    with each image's key where the configuration says so."""
    data = model.config.data
    if data.levels == 2 and data.binarisation == "stochastic":
        return binarise(images, uniform(keys, Stream.BINARISATION, model.shape))
    return quantise(images, data.levels)


def log_prob(model: Autoencoder, params: Params, levels_of: Array, code: Array) -> Array:
    """log p(x | z) of every pixel, nats [N, H, W]: levels_of int [N, H, W, C], code [N, D]."""
    x = scale(levels_of, model.config.data.levels)
    parameters = model.decoder.apply({"params": params}, x, code)
    return model.likelihood.log_prob(parameters, levels_of)
