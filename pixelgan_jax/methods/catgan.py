"""CatGAN (Springenberg 2016, Unsupervised and Semi-supervised Learning with Categorical GANs).

The discriminator p(y | x) sorts images into K categories. It is to be sure of images of the data and to use all
categories for them, and to be unsure of generated ones; the generator is to have it be sure, of all categories alike.
With H the entropy, E the mean over a mini-batch of images x and G(z) of generated ones (equations 7 and 9):

    discriminator, least:  -H[E p(y|x)] + E H[p(y|x)] - E H[p(y|G(z))] + λ · cross-entropy of labelled images
    generator, least:      -H[E p(y|G(z))] + E H[p(y|G(z))]

An image of category k is drawn by generating several and taking the first that the discriminator puts into k, or, of
none, that which it finds the likeliest to be of k: G itself knows no categories.

Shapes: N images of the device's part of the mini-batch, K categories.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from pixelgan_jax.config import Config
from pixelgan_jax.config.fields import integer, real, widths
from pixelgan_jax.data.levels import scale
from pixelgan_jax.data.randomness import Stream, example_keys, fold_each
from pixelgan_jax.data.views import Views, random_view
from pixelgan_jax.errors import InputError
from pixelgan_jax.methods import gan, priors
from pixelgan_jax.methods.gan import GANFields
from pixelgan_jax.methods.losses import supervised_loss
from pixelgan_jax.methods.method import AXIS, Batch, Code, DataSpec, Examples, Method, Metrics, Phase
from pixelgan_jax.methods.state import TrainState, averaged, step_keys, training_dtype
from pixelgan_jax.nn.classifier import Classifier
from pixelgan_jax.nn.encoder import Posterior
from pixelgan_jax.nn.gan import Generator

Array = jax.Array
CANDIDATES = 32  # images of which one of a category is taken


@dataclass(frozen=True)
class CatGAN(Views, GANFields):
    categories: int = integer(2, 10, "K; with labels the data's classes", high=65536)
    blocks: tuple[int, ...] = widths(
        (32, 64), "of the discriminator's 3×3 convolutions, each block followed by a 2×2 maximum"
    )
    convolutions: int = integer(1, 1, "3×3 convolutions of a block", high=100)
    head: tuple[int, ...] = widths((128,), "after the blocks; the first a 3×3 convolution, the others pixel by pixel")
    noise: float = real(0, 0.3, "s.d. of noise on what every convolution of the discriminator sees, in training only")
    certainty: float = real(0, 1.0, "weight of the mean entropy of p(y | x), x of the data")
    balance: float = real(0, 1.0, "weight of the entropy of its mean")
    supervision: float = real(0, 1.0, "λ, weight of the labelled images' cross-entropy")


@dataclass(frozen=True)
class CatGANConfig(Config):
    """An experiment with CatGAN."""

    catgan: CatGAN = CatGAN()


def make(config: CatGANConfig, data: DataSpec) -> Method:
    """The method of `config`, of which the seeds are not looked at, for such data. Raises InputError where labels are
    not the categories."""
    settings = config.catgan
    if config.data.labels and settings.categories != data.classes:
        raise InputError(
            f"config.catgan.categories: {settings.categories} is not allowed: must be the data's {data.classes} classes"
            " when there are labels"
        )
    generator = gan.generator(settings, config, data.shape)
    discriminator = Classifier(
        settings.blocks,
        settings.convolutions,
        settings.head,
        settings.categories,
        noise=settings.noise,
        axis_name=AXIS,
        dtype=training_dtype(config.train.dtype),
    )
    measured = (
        "conditional_entropy",
        "marginal_entropy",
        "generated_entropy",
        "discriminator_gradient_norm",
        "discriminator_rate",
    )
    supervised = ("supervised_loss",) if config.data.labels else ()
    rates = tuple(f"catgan.{phase}_rate" for phase in gan.PHASES)
    evaluated = discriminator.clone(dtype=jnp.float32), generator.clone(dtype=jnp.float32)
    code, drawn = Code(settings.categories, 0, matched=False), partial(draw, settings, *evaluated)
    return Method(
        name=config.method.name,
        shape=data.shape,
        levels=256,
        code=code,
        phases=(
            Phase("discriminator", (*measured, *supervised), rates[:1]),
            Phase(
                "generator",
                (
                    "generated_conditional_entropy",
                    "generated_marginal_entropy",
                    "generator_gradient_norm",
                    "generator_rate",
                ),
                rates[1:],
            ),
        ),
        summary="",
        init=partial(init, config, generator, discriminator, data.shape),
        step=partial(train_step, config, generator, discriminator),
        averaged=averaged,
        infer=partial(infer, evaluated[0]),
        prior=partial(priors.sample, code),
        draw=lambda sampler, temperature: (drawn, ()),
    )


def init(config: CatGANConfig, generator: Generator, discriminator: Classifier, shape: tuple, seed: Array):
    """The state before the first step."""
    unused = example_keys(jax.random.key(0), jnp.arange(1))  # of dropout and noise
    return gan.create(
        config.catgan,
        config.train.steps,
        seed,
        (generator, jnp.zeros((1, config.catgan.noise_dimensions))),
        (discriminator, jnp.zeros((1, *shape)), unused),
    )


def train_step(
    config: CatGANConfig,
    generator: Generator,
    discriminator: Classifier,
    state: TrainState,
    examples: Examples,
    batch: Batch,
) -> tuple[TrainState, Metrics]:
    """One step over a mini-batch and, where there are labels, a labelled one."""
    settings, count = config.catgan, batch.index.shape[0]
    keys = step_keys(state, examples.seed, count, Stream.ADVERSARIAL_PHASE)
    z = gan.noise(settings, keys)
    generate = gan.in_training(generator, state, "generator")
    network = gan.in_training(discriminator, state, "discriminator")

    def discriminate(params, x, number):
        """(log p(y | x) [N, K], moved statistics); `number` tells the passes' draws apart."""
        return network(params, x, fold_each(keys, number))

    def seen(index, number):
        return random_view(settings, scale(examples.images(index), 256), fold_each(keys, number))

    def discriminate_both(params, fakes):
        log_p, stats = discriminate(params, seen(batch.index, 0), 0)
        generated, _ = discriminate(params, fakes, 1)
        loss, metrics = discriminator_loss(settings, log_p, generated)
        if config.data.labels:
            log_p, _ = discriminate(params, seen(examples.labelled[batch.labelled_index], 2), 2)
            metrics["supervised_loss"] = supervised_loss(log_p, examples.labels[batch.labelled_index])
            loss = loss + settings.supervision * metrics["supervised_loss"]
        return loss, (metrics, stats)

    def fool(params, fakes):
        log_p, _ = discriminate(params, fakes, 3)
        return generator_loss(log_p)

    return gan.step(settings, config.train.steps, state, lambda params: generate(params, z), discriminate_both, fool)


def discriminator_loss(settings: CatGAN, log_p: Array, generated: Array) -> tuple[Array, Metrics]:
    """(the discriminator's loss without labels, its terms), nats: log p(y | x) [N, K] and log p(y | G(z)) [N, K]."""
    marginal, conditional, unsure = marginal_entropy(log_p), conditional_entropy(log_p), conditional_entropy(generated)
    metrics = {"conditional_entropy": conditional, "marginal_entropy": marginal, "generated_entropy": unsure}
    return settings.certainty * conditional - settings.balance * marginal - unsure, metrics


def generator_loss(generated: Array) -> tuple[Array, Metrics]:
    """(the generator's loss, its terms), nats: log p(y | G(z)) [N, K]."""
    marginal, conditional = marginal_entropy(generated), conditional_entropy(generated)
    metrics = {"generated_conditional_entropy": conditional, "generated_marginal_entropy": marginal}
    return conditional - marginal, metrics


def conditional_entropy(log_p: Array) -> Array:
    """E H[p(y | x)], nats []: log p(y | x) [N, K]."""
    return -jnp.mean(jnp.sum(jnp.exp(log_p) * log_p, axis=1))


def marginal_entropy(log_p: Array) -> Array:
    """H[E p(y | x)], nats [], the mean being that over all devices' images: log p(y | x) [N, K]."""
    mean = jax.lax.pmean(jnp.mean(jnp.exp(log_p), axis=0), AXIS)
    return -jnp.sum(mean * jnp.log(mean + jnp.finfo(mean.dtype).tiny))


def infer(discriminator: Classifier, variables: tuple, images: Array, keys: Array) -> dict[str, Array]:
    """log p(y | x) [N, K] by the averaged parameters, and a draw of it, [N, K]."""
    log_p = gan.apply_averaged(discriminator, variables, "discriminator", scale(images, 256), keys)
    nothing = jnp.zeros((images.shape[0], 0))
    return {"log_probabilities": log_p, "code": priors.hard_code(Posterior(log_p, nothing, nothing), keys)}


def draw(
    settings: CatGAN,
    discriminator: Classifier,
    generator: Generator,
    variables: tuple,
    options: tuple,
    code: Array,
    keys: Array,
    given: Array,
    known: Array,
) -> Array:
    """Images of the categories of code [N, K]: uint8 [N, H, W, C]."""
    wanted = jnp.argmax(code, axis=1)

    def better(number, best):
        images, score = best
        z = gan.noise(settings, fold_each(keys, number))
        x = gan.apply_averaged(generator, variables, "generator", z)
        log_p = gan.apply_averaged(discriminator, variables, "discriminator", x, keys)
        likely = jnp.exp(jnp.take_along_axis(log_p, wanted[:, None], axis=1)[:, 0])
        # an image of the category counts more than any that is not, and none more than the first
        found = jnp.where(jnp.argmax(log_p, axis=1) == wanted, 2.0, likely)
        taken = found > score
        return jnp.where(taken[:, None, None, None], x, images), jnp.where(taken, found, score)

    start = jnp.zeros(given.shape), jnp.full(code.shape[0], -1.0)
    images, _ = jax.lax.fori_loop(0, CANDIDATES, better, start)
    return gan.pixels(images)
