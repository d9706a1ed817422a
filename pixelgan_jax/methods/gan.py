"""What CatGAN and InfoGAN share: a generator of images from noise, and the two phases of a step.

The discriminator learns on a mini-batch of images and one of generated images, normalised apart; then the generator
learns, on the same generated images, what the moved discriminator says of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from pixelgan_jax.config import Config
from pixelgan_jax.config.fields import choice, integer, real
from pixelgan_jax.data.levels import to_uint8
from pixelgan_jax.data.randomness import Stream, fold, uniform
from pixelgan_jax.methods.method import AXIS, Metrics
from pixelgan_jax.methods.state import TrainState, average, training_dtype
from pixelgan_jax.nn.gan import Generator
from pixelgan_jax.nn.initial import first_variables

Array = jax.Array
Tree = dict[str, Any]
PHASES = ("discriminator", "generator")  # each moves the role of its name


@dataclass(frozen=True)
class GANFields:
    """Fields of a method with a generator."""

    noise_dimensions: int = integer(1, 62, "width of the noise that images are generated from", high=65536)
    generator_units: int = integer(1, 1024, "of the generator's dense layer", high=65536)
    generator_features: int = integer(1, 64, "of the generator's transposed convolution to half the size", high=65536)
    discriminator_rate: float = real(0, 2e-4, "Adam's, discriminator", above=True)
    generator_rate: float = real(0, 1e-3, "Adam's, generator", above=True)
    momentum: float = real(0, 0.5, "Adam's b1", high=1, below=True)
    schedule: str = choice(("cosine", "constant"), "constant", "of the rates; cosine: to zero over the run")
    ema: float = real(0, 0.999, "decay of the averaged parameters that are evaluated", high=1, below=True)


def generator(settings: GANFields, config: Config, shape: tuple[int, int, int]) -> Generator:
    """The generator of images of `shape` (H, W, C)."""
    dtype = training_dtype(config.train.dtype)
    return Generator(shape, settings.generator_units, settings.generator_features, AXIS, dtype)


def noise(settings: GANFields, keys: Array) -> Array:
    """What images are generated from, uniform in [-1, 1): [N, w], for keys [N]."""
    return 2.0 * uniform(keys, Stream.GENERATOR_NOISE, (settings.noise_dimensions,)) - 1.0


def learning_rate(settings: GANFields, steps: int, phase: str) -> optax.Schedule:
    """A phase's rate over the run."""
    rate = getattr(settings, f"{phase}_rate")
    return optax.cosine_decay_schedule(rate, steps) if settings.schedule == "cosine" else optax.constant_schedule(rate)


def optimizer(settings: GANFields, steps: int, phase: str) -> optax.GradientTransformation:
    """A phase's Adam."""
    return optax.adam(learning_rate(settings, steps, phase), b1=settings.momentum)


def create(settings: GANFields, steps: int, seed: Array, generator: tuple, discriminator: tuple) -> TrainState:
    """The state before the first step. generator, discriminator: the network, then inputs of the shapes it takes."""
    key = fold(jax.random.key(seed), Stream.INITIALISATION)
    made = {
        "generator": first_variables(fold(key, 0), *generator, train=False),
        "discriminator": first_variables(fold(key, 1), *discriminator, train=False),
    }
    params = {role: variables["params"] for role, variables in made.items()}
    stats = {role: variables["batch_stats"] for role, variables in made.items()}
    opt = {phase: optimizer(settings, steps, phase).init(params[phase]) for phase in PHASES}
    ema, ema_stats = jax.tree.map(jnp.copy, (params, stats))  # a donated state must not hold one buffer twice
    return TrainState(jnp.zeros((), jnp.int32), params, stats, opt, ema, ema_stats)


def in_training(network: nn.Module, state: TrainState, role: str) -> Callable[..., tuple[Any, Tree]]:
    """(parameters, *inputs) -> (what the role's network makes of them, its moved statistics)."""

    def applied(params: Tree, *inputs: Array) -> tuple[Any, Tree]:
        variables = {"params": params, "batch_stats": state.stats[role]}
        output, moved = network.apply(variables, *inputs, train=True, mutable=["batch_stats"])
        return output, moved["batch_stats"]

    return applied


def apply_averaged(network: nn.Module, variables: tuple[Tree, Tree], role: str, *inputs: Array) -> Any:
    """What the role's network makes of the inputs by the averaged parameters and statistics."""
    params, stats = variables
    return network.apply({"params": params[role], "batch_stats": stats[role]}, *inputs, train=False)


def step(
    settings: GANFields,
    steps: int,
    state: TrainState,
    generate: Callable[[Tree], tuple[Array, Tree]],
    discriminator_loss: Callable[[Tree, Array], tuple[Array, tuple[Metrics, Tree]]],
    generator_loss: Callable[[Tree, Array], tuple[Array, Metrics]],
) -> tuple[TrainState, Metrics]:
    """One step of both phases: (state, metrics).

    generate(the generator's parameters) -> (images [N, H, W, C], its moved statistics). discriminator_loss(its
    parameters, generated images) -> (loss, (metrics, its moved statistics)); generator_loss(the discriminator's
    parameters, generated images) -> (loss, metrics).
    """
    fakes, pull_back, generator_stats = jax.vjp(generate, state.params["generator"], has_aux=True)
    learn = jax.value_and_grad(discriminator_loss, has_aux=True)
    (_, (d_terms, discriminator_stats)), gradients = learn(state.params["discriminator"], fakes)
    state, d_metrics = _update(settings, steps, state, "discriminator", gradients)
    fool = jax.grad(generator_loss, argnums=1, has_aux=True)
    slope, g_terms = fool(state.params["discriminator"], fakes)
    (gradients,) = pull_back(slope)
    state, g_metrics = _update(settings, steps, state, "generator", gradients)
    stats = {"generator": generator_stats, "discriminator": discriminator_stats}
    state = state.replace(
        step=state.step + 1,
        stats=stats,
        ema=average(settings.ema, state.step, state.ema, state.params),
        ema_stats=average(settings.ema, state.step, state.ema_stats, stats),
    )
    return state, jax.lax.pmean(d_terms | g_terms | d_metrics | g_metrics, AXIS)


def _update(settings: GANFields, steps: int, state: TrainState, phase: str, gradients: Tree):
    gradients = jax.lax.pmean(gradients, AXIS)
    updates, opt = optimizer(settings, steps, phase).update(gradients, state.opt[phase], state.params[phase])
    params = state.params | {phase: optax.apply_updates(state.params[phase], updates)}
    rate = jnp.asarray(learning_rate(settings, steps, phase)(state.step), jnp.float32)
    metrics = {f"{phase}_gradient_norm": optax.tree.norm(gradients), f"{phase}_rate": rate}
    return state.replace(params=params, opt=state.opt | {phase: opt}), metrics


def pixels(images: Array) -> Array:
    """Images in [-1, 1] as uint8."""
    return to_uint8((images + 1.0) * 127.5, 256)
