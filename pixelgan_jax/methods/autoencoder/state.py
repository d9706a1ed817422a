"""Everything a training run is made of at one step, and its optimizers.

Parameters, batch statistics and their averages share the role names encoder, decoder and discriminator.
"""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from pixelgan_jax.config import Config
from pixelgan_jax.methods.autoencoder.model import Model, initialise

Array = jax.Array
Tree = dict[str, Any]

# Which roles each phase of a step moves.
ROLES = {
    "reconstruction": ("encoder", "decoder"),
    "discriminator": ("discriminator",),
    "generator": ("encoder",),
    "supervised": ("encoder",),
}
# What evaluation needs, and so what is averaged.
EVALUATED = ("encoder", "decoder")
# The moving average of this decay stands for the joint distribution of two views' codes: a mini-batch alone has too
# few images for K × K entries.
JOINT_DECAY = 0.95


@flax.struct.dataclass
class TrainState:
    """step []: steps done. params, ema: by role. stats, ema_stats: batch statistics by role; with
    `optim.view_information`, stats also has "joint" [K, K], the moving joint distribution of two views' codes.
    opt: optimizer state by phase."""

    step: Array
    params: Tree
    stats: Tree
    opt: Tree
    ema: Tree
    ema_stats: Tree


def phases(config: Config) -> tuple[str, ...]:
    """The phases of a step of `config`, in their order."""
    coded = config.prior.name != "none"
    adversarial = ("discriminator", "generator") if coded and config.prior.adversarial else ()
    supervised = ("supervised",) if config.data.labels else ()
    return ("reconstruction", *adversarial, *supervised)


def learning_rate(config: Config, phase: str) -> optax.Schedule:
    """The rate of a phase over the run: a linear warm-up, then constant or a cosine to zero."""
    optim, steps = config.optim, config.train.steps
    rate = getattr(optim, f"{phase}_rate")
    warmup = int(optim.warmup * steps)
    rest = max(1, steps - warmup)
    after = optax.cosine_decay_schedule(rate, rest) if optim.schedule == "cosine" else optax.constant_schedule(rate)
    if not warmup:
        return after
    return optax.join_schedules([optax.linear_schedule(0.0, rate, warmup), after], [warmup])


def optimizers(config: Config) -> dict[str, optax.GradientTransformation]:
    """An Adam for each phase, after clipping by the global norm where the configuration asks for it."""
    made = {}
    for phase in phases(config):
        adversarial = phase in ("discriminator", "generator")
        momentum = config.optim.adversarial_momentum if adversarial else config.optim.momentum
        clip = optax.clip_by_global_norm(config.optim.clip) if config.optim.clip else optax.identity()
        # one vector for all leaves: one kernel where there would be dozens
        made[phase] = optax.flatten(optax.chain(clip, optax.adam(learning_rate(config, phase), b1=momentum)))
    return made


def pick(tree: Tree, roles: tuple[str, ...]) -> Tree:
    """The given roles of a tree by role."""
    return {role: tree[role] for role in roles}


def create(model: Model) -> TrainState:
    """The state before the first step; all of it follows from the configuration, `train.seed` included."""
    params, stats = initialise(model, model.config.train.seed)
    opt = {phase: optimizer.init(pick(params, ROLES[phase])) for phase, optimizer in optimizers(model.config).items()}
    # copies: a donated state must not hold one buffer twice
    ema = jax.tree.map(jnp.copy, pick(params, EVALUATED))
    ema_stats = jax.tree.map(jnp.copy, stats)
    if model.config.optim.view_information:
        categories = model.config.prior.categories
        stats = stats | {"joint": jnp.full((categories, categories), 1 / categories**2)}
    return TrainState(jnp.zeros((), jnp.int32), params, stats, opt, ema, ema_stats)


def average(decay: float, step: Array, old: Tree, new: Tree) -> Tree:
    """The exponential moving average, its decay warmed up: min(decay, (1 + t) / (10 + t))."""
    decay = jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda a, b: a + (1.0 - decay) * (b - a), old, new)
