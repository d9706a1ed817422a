"""InfoGAN (Chen et al. 2016, InfoGAN: Interpretable Representation Learning by Information Maximizing GANs).

Images are generated from noise and a code c of a category and some continuous entries. Q(c | x), which shares all but
its last layers with the discriminator, is to read the code off the generated image: -E log Q(c | G(noise, c)), a bound
on the information that the image holds of its code (equation 5), is part of both losses (equation 6):

    discriminator and Q, least:  -E log D(x) - E log(1 - D(G)) - λ E log Q(c | G)
    generator, least:            -E log D(G) - λ E log Q(c | G)

Q of a category is a softmax, of a continuous entry a Gaussian of s.d. 1. The continuous entries are N(0, 1) here, as
all of this package's, where the paper's on MNIST are uniform. Noise is drawn with an image's own key, so that an image
follows from its code and key.

Shapes: N images of the device's part of the mini-batch, K categories, d continuous entries, D = K + d.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from pixelgan_jax.config import Config
from pixelgan_jax.config.fields import integer, real, refused, widths
from pixelgan_jax.data.levels import scale
from pixelgan_jax.data.randomness import Stream
from pixelgan_jax.methods import gan, losses, priors
from pixelgan_jax.methods.gan import GANFields
from pixelgan_jax.methods.method import AXIS, Batch, Code, DataSpec, Examples, Method, Metrics, Phase
from pixelgan_jax.methods.state import TrainState, averaged, step_keys, training_dtype
from pixelgan_jax.nn.encoder import Posterior
from pixelgan_jax.nn.gan import Generator, InfoDiscriminator

Array = jax.Array


@dataclass(frozen=True)
class InfoGAN(GANFields):
    categories: int = integer(2, 10, "K, of the code's category", high=65536)
    dimensions: int = integer(0, 2, "d, of the code's continuous entries", high=65536)
    channels: tuple[int, ...] = widths((64, 128), "of the discriminator's 3×3 convolutions, which each halve the image")
    units: int = integer(1, 1024, "of the dense layer that discriminator and Q share", high=65536)
    code_units: int = integer(1, 128, "of Q's own dense layer", high=65536)
    information: float = real(0, 1.0, "λ, weight of -log Q(c | x)")


@dataclass(frozen=True)
class InfoGANConfig(Config):
    """An experiment with InfoGAN."""

    infogan: InfoGAN = InfoGAN()

    def check(self) -> None:
        super().check()
        if self.data.labels:
            raise refused("data.labels", self.data.labels, f"0 with method.name {self.method.name}, which takes none")


def make(config: InfoGANConfig, data: DataSpec) -> Method:
    """The method of `config`, of which the seeds are not looked at, for such data."""
    settings, code = config.infogan, Code(config.infogan.categories, config.infogan.dimensions, matched=False)
    generator = gan.generator(settings, config, data.shape)
    discriminator = InfoDiscriminator(
        settings.channels,
        settings.units,
        settings.code_units,
        code.categories,
        code.dimensions,
        AXIS,
        training_dtype(config.train.dtype),
    )
    evaluated = discriminator.clone(dtype=jnp.float32)
    drawn = partial(draw, settings, generator.clone(dtype=jnp.float32))
    return Method(
        name=config.method.name,
        shape=data.shape,
        levels=256,
        code=code,
        phases=(
            Phase(
                "discriminator",
                ("discriminator_loss", "code_loss", "discriminator_gradient_norm", "discriminator_rate"),
                ("infogan.discriminator_rate",),
            ),
            Phase(
                "generator",
                ("generator_loss", "generator_gradient_norm", "generator_rate"),
                ("infogan.generator_rate",),
            ),
        ),
        summary="",
        init=partial(init, config, generator, discriminator, data.shape),
        step=partial(train_step, config, code, generator, discriminator),
        averaged=averaged,
        infer=partial(infer, evaluated),
        encode=partial(encode, evaluated),
        prior=partial(priors.sample, code),
        draw=lambda sampler, temperature: (drawn, ()),
    )


def init(
    config: InfoGANConfig,
    generator: Generator,
    discriminator: InfoDiscriminator,
    shape: tuple,
    seed: Array,
) -> TrainState:
    """The state before the first step."""
    settings = config.infogan
    z = jnp.zeros((1, settings.categories + settings.dimensions + settings.noise_dimensions))
    return gan.create(
        settings,
        config.train.steps,
        seed,
        (generator, z),
        (discriminator, jnp.zeros((1, *shape))),
    )


def train_step(
    config: InfoGANConfig,
    kind: Code,
    generator: Generator,
    discriminator: InfoDiscriminator,
    state: TrainState,
    examples: Examples,
    batch: Batch,
) -> tuple[TrainState, Metrics]:
    """One step over a mini-batch."""
    settings, count = config.infogan, batch.index.shape[0]
    keys = step_keys(state, examples.seed, count, Stream.ADVERSARIAL_PHASE)
    code = priors.sample(kind, keys)
    z = jnp.concatenate([code, gan.noise(settings, keys)], axis=1)
    images = scale(examples.images(batch.index), 256)

    generate = gan.in_training(generator, state, "generator")
    discriminate = gan.in_training(discriminator, state, "discriminator")

    def discriminator_loss(params, fakes):
        (real_logits, _, _), stats = discriminate(params, images)
        (fake_logits, *code_posterior), _ = discriminate(params, fakes)
        metrics = {"discriminator_loss": losses.discriminator_loss(real_logits, fake_logits)}
        metrics["code_loss"] = code_loss(*code_posterior, code)
        return metrics["discriminator_loss"] + settings.information * metrics["code_loss"], (metrics, stats)

    def generator_loss(params, fakes):
        (logits, *code_posterior), _ = discriminate(params, fakes)
        loss = losses.generator_loss(logits)
        return loss + settings.information * code_loss(*code_posterior, code), {"generator_loss": loss}

    return gan.step(
        settings, config.train.steps, state, lambda params: generate(params, z), discriminator_loss, generator_loss
    )


def code_loss(category: Array, mean: Array, code: Array) -> Array:
    """-E log Q(c | x) but for the Gaussians' constant, nats []: log Q(k | x) [N, K], means [N, d], codes [N, D]."""
    categories = category.shape[1]
    nats = -jnp.sum(category * code[:, :categories], axis=1)
    return jnp.mean(nats + 0.5 * jnp.sum(jnp.square(code[:, categories:] - mean), axis=1))


def _posterior(discriminator: InfoDiscriminator, variables: tuple, images: Array) -> Posterior:
    _, category, mean = gan.apply_averaged(discriminator, variables, "discriminator", scale(images, 256))
    return Posterior(category, mean, jnp.full_like(mean, -jnp.inf))


def infer(discriminator: InfoDiscriminator, variables: tuple, images: Array, keys: Array) -> dict[str, Array]:
    """log Q(k | x) [N, K] by the averaged parameters, and a code [N, D]: a draw of k, the continuous entries' means."""
    posterior = _posterior(discriminator, variables, images)
    return {"log_probabilities": posterior.log_probabilities, "code": priors.hard_code(posterior, keys)}


def encode(discriminator: InfoDiscriminator, variables: tuple, images: Array, keys: Array) -> Array:
    """Q(k | x) and the continuous entries' means, [N, D]."""
    return priors.soft_code(_posterior(discriminator, variables, images), keys)


def draw(
    settings: InfoGAN,
    generator: Generator,
    variables: tuple,
    options: tuple,
    code: Array,
    keys: Array,
    given: Array,
    known: Array,
) -> Array:
    """G(noise, code [N, D]): uint8 [N, H, W, C]."""
    z = jnp.concatenate([code, gan.noise(settings, keys)], axis=1)
    return gan.pixels(gan.apply_averaged(generator, variables, "generator", z))
