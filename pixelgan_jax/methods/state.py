"""What a run of a method with averaged parameters is made of at one step."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from pixelgan_jax.data.randomness import Stream, example_keys, fold
from pixelgan_jax.methods.method import AXIS
from pixelgan_jax.nn.platform import platform

Array = jax.Array
Tree = dict[str, Any]


@flax.struct.dataclass
class TrainState:
    """step []: steps done. params, ema: by role. stats, ema_stats: batch statistics by role, and in `stats` whatever
    else a step remembers. opt: optimizer state by phase. These names are those of the arrays in a checkpoint."""

    step: Array
    params: Tree
    stats: Tree
    opt: Tree
    ema: Tree
    ema_stats: Tree


def step_keys(state: TrainState, seed: Array, count: int, *numbers: int) -> Array:
    """A key for each of the N = `count` images of the device's part of a step's mini-batch, [N]: of the seed, the step,
    the image's place in the whole mini-batch, and `numbers`, which say what it is for."""
    place = jax.lax.axis_index(AXIS) * count + jnp.arange(count)
    return example_keys(fold(jax.random.key(seed), Stream.TRAINING, state.step, *numbers), place)


def training_dtype(name: str) -> jnp.dtype:
    """What `train.dtype` stands for: "auto" is bfloat16 but on CPU, which only emulates it."""
    if name == "auto":
        name = "float32" if platform() == "cpu" else "bfloat16"
    return jnp.dtype(name)


def average(decay: float, step: Array, old: Tree, new: Tree) -> Tree:
    """The exponential moving average, its decay warmed up: min(decay, (1 + t) / (10 + t))."""
    decay = jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda a, b: a + (1.0 - decay) * (b - a), old, new)


def averaged(state: TrainState) -> tuple[Tree, Tree]:
    """The parameters and batch statistics that evaluation uses, each by role."""
    return state.ema, state.ema_stats


def pick(tree: Tree, roles: tuple[str, ...]) -> Tree:
    """The given roles of a tree by role."""
    return {role: tree[role] for role in roles}
