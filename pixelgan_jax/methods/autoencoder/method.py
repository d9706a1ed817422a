"""The autoencoder family as a method: PixelGAN, the adversarial autoencoder, the PixelCNN alone.

Its variables are (averaged parameters, averaged batch statistics), by role. Shapes are methods/method.py's.
"""

from functools import partial
from typing import Any

import jax

from pixelgan_jax.errors import InputError
from pixelgan_jax.methods import priors
from pixelgan_jax.methods.autoencoder.information import has_density, information, kl_to_prior, proposals
from pixelgan_jax.methods.autoencoder.model import Autoencoder, build, encode, log_prob, targets
from pixelgan_jax.methods.autoencoder.phases import create, phases
from pixelgan_jax.methods.autoencoder.sampling import samplers
from pixelgan_jax.methods.autoencoder.settings import AutoencoderConfig
from pixelgan_jax.methods.autoencoder.step import train_step
from pixelgan_jax.methods.method import AXIS, DataSpec, Method
from pixelgan_jax.methods.state import averaged
from pixelgan_jax.nn.decoders.pixelcnn import reach

Array = jax.Array
Variables = tuple[dict[str, Any], dict[str, Any]]


def make(config: AutoencoderConfig, data: DataSpec) -> Method:
    """The method of `config`, of which the seeds are not looked at, for such data.

    Raises InputError where the likelihood cannot model the images, or labels are not the categories.
    """
    if config.data.labels and config.prior.categories != data.classes:
        raise InputError(
            f"config.prior.categories: {config.prior.categories} is not allowed: must be the data's"
            f" {data.classes} classes when there are labels"
        )
    model = build(config, data.shape, AXIS)
    code, decodes = config.prior.code, config.optim.reconstruction  # without, the decoder is as it began
    known = has_density(code, config.model.encoder == "gaussian")
    return Method(
        name=config.method.name,
        shape=model.shape,
        levels=config.data.levels,
        code=code,
        phases=phases(config),
        summary=_receptive_field(config) if decodes else "no decoder is trained",
        init=partial(create, model),
        step=partial(train_step, model),
        averaged=averaged,
        infer=partial(_infer, model),
        kl_to_prior=partial(kl_to_prior, code) if known else None,
        information=partial(information, code) if known else None,
        proposals=partial(proposals, code) if decodes and known else None,
        encode=partial(_encode, model),
        targets=partial(targets, model) if decodes else None,
        log_prob=partial(_log_prob, model) if decodes else None,
        prior=partial(priors.sample, code) if decodes else None,
        draw=samplers(model) if decodes else None,
        completes=decodes and config.model.decoder != "deconv",
    )


def _receptive_field(config: AutoencoderConfig) -> str:
    settings = config.model
    if settings.decoder == "deconv":
        return ""
    seen = reach(settings.layers, settings.first_kernel, settings.kernel)
    return f"receptive field {seen} rows above, {2 * seen + 1} columns"


def _infer(model: Autoencoder, variables: Variables, images: Array, keys: Array) -> dict[str, Array]:
    """q(z | x), by its log_probabilities [N, K], mean and log_sd [N, d], and one draw of it, code [N, D]."""
    params, stats = variables
    posterior = encode(model, params["encoder"], stats["encoder"], images, keys)
    return posterior._asdict() | {"code": priors.hard_code(posterior, keys)}


def _encode(model: Autoencoder, variables: Variables, images: Array, keys: Array) -> Array:
    params, stats = variables
    return priors.soft_code(encode(model, params["encoder"], stats["encoder"], images, keys), keys)


def _log_prob(model: Autoencoder, variables: Variables, levels_of: Array, code: Array) -> Array:
    params, _ = variables
    return log_prob(model, params["decoder"], levels_of, code)
