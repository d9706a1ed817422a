"""The phases of a training step: which parameters each moves, and how; and the state before the first step."""

import jax
import jax.numpy as jnp
import optax

from pixelgan_jax.methods.autoencoder.model import Autoencoder, initialise
from pixelgan_jax.methods.autoencoder.settings import AutoencoderConfig
from pixelgan_jax.methods.method import Phase
from pixelgan_jax.methods.state import TrainState, pick

Array = jax.Array

# Which roles each phase of a step moves.
ROLES = {
    "reconstruction": ("encoder", "decoder"),
    "discriminator": ("discriminator",),
    "generator": ("encoder",),
    "supervised": ("encoder",),
}
LOSSES = {
    "reconstruction": "reconstruction_nats",
    "discriminator": "discriminator_loss",
    "generator": "generator_loss",
    "supervised": "supervised_loss",
}
# The part of a run after which training's softmax is at temperature 1.
COOLED = 2 / 3
# What evaluation needs, and so what is averaged.
EVALUATED = ("encoder", "decoder")


def phases(config: AutoencoderConfig) -> tuple[Phase, ...]:
    """The phases of a step of `config`, in their order."""
    coded = config.prior.name != "none"
    reconstruction = ("reconstruction",) if config.optim.reconstruction else ()
    adversarial = ("discriminator", "generator") if coded and config.prior.adversarial else ()
    supervised = ("supervised",) if config.data.labels else ()
    return tuple(_phase(config, name) for name in (*reconstruction, *adversarial, *supervised))


def _phase(config: AutoencoderConfig, name: str) -> Phase:
    views = ("generator_view_information_nats",) if name == "generator" and config.optim.view_information else ()
    clip = ("optim.clip",) if config.optim.clip else ()  # which is not lowered below 0, no clipping
    return Phase(name, (LOSSES[name], *views, f"{name}_gradient_norm", f"{name}_rate"), (f"optim.{name}_rate", *clip))


def learning_rate(config: AutoencoderConfig, phase: str) -> optax.Schedule:
    """The rate of a phase over the run: a linear warm-up, then constant, a cosine to zero, or a step to a tenth."""
    optim, steps = config.optim, config.train.steps
    rate = getattr(optim, f"{phase}_rate")
    warmup = int(optim.warmup * steps)
    rest = max(1, steps - warmup)
    after = {
        "cosine": optax.cosine_decay_schedule(rate, rest),
        "step": optax.piecewise_constant_schedule(rate, {max(1, steps // 2 - warmup): 0.1}),
        "constant": optax.constant_schedule(rate),
    }[optim.schedule]
    if not warmup:
        return after
    return optax.join_schedules([optax.linear_schedule(0.0, rate, warmup), after], [warmup])


def inverse_temperature(config: AutoencoderConfig) -> optax.Schedule:
    """What training multiplies a categorical code's logits by: 1 / `optim.temperature` at first, rising linearly to 1.

    Annealed as relaxed categorical codes are (Jang et al. 2017, section 2.2, by another schedule): soft codes learn
    faster, but tell the decoder more of an image than which category it is of.
    """
    return optax.linear_schedule(1 / config.optim.temperature, 1.0, max(1, round(COOLED * config.train.steps)))


def optimizers(config: AutoencoderConfig) -> dict[str, optax.GradientTransformation]:
    """An optimizer for each phase, after clipping by the global norm where the configuration asks for it."""
    made = {}
    for phase in phases(config):
        adversarial = phase.name in ("discriminator", "generator")
        momentum = config.optim.adversarial_momentum if adversarial else config.optim.momentum
        clip = optax.clip_by_global_norm(config.optim.clip) if config.optim.clip else optax.identity()
        rate = learning_rate(config, phase.name)
        moved = optax.sgd(rate, momentum) if config.optim.optimizer == "sgd" else optax.adam(rate, b1=momentum)
        if phase.name == "reconstruction" and config.optim.encoder_share != 1:
            share = optax.scale(config.optim.encoder_share)
            moved = optax.chain(moved, optax.masked(share, {"encoder": True, "decoder": False}))
        made[phase.name] = optax.chain(clip, moved)
    return made


def create(model: Autoencoder, seed: int | Array) -> TrainState:
    """The state before the first step; all of it follows from the model and the seed."""
    params, stats = initialise(model, seed)
    opt = {phase: optimizer.init(pick(params, ROLES[phase])) for phase, optimizer in optimizers(model.config).items()}
    # copies: a donated state must not hold one buffer twice
    ema = jax.tree.map(jnp.copy, pick(params, EVALUATED))
    ema_stats = jax.tree.map(jnp.copy, stats)
    if model.config.optim.view_information:
        categories = model.config.prior.categories
        stats = stats | {"joint": jnp.full((categories, categories), 1 / categories**2)}
    return TrainState(jnp.zeros((), jnp.int32), params, stats, opt, ema, ema_stats)
