"""Every draw comes from a key folded with the step and with the example's index in the global batch or split.

So a draw depends on neither the number of devices nor the size of an evaluation's batches. A training step's keys are
folded in this order (`methods/state.py`, `step_keys`): seed, TRAINING, step, phase, within the phase the number of a
view or PRIOR, the image's place in the mini-batch; then, where something is drawn, what it is for, as INPUT_NOISE.
"""

import enum
from functools import partial

import jax
import jax.numpy as jnp

Array = jax.Array


class Stream(enum.IntEnum):
    """What a draw is for. The numbers are part of a run's identity: append, never renumber."""

    INITIALISATION = 0
    TRAINING = 1
    EVALUATION = 2
    SAMPLING = 3
    RECONSTRUCTION_PHASE = 4
    ADVERSARIAL_PHASE = 5
    SUPERVISED_PHASE = 6
    PRIOR = 7
    BINARISATION = 8
    INPUT_NOISE = 9
    ENCODER_NOISE = 10
    GAUSSIAN = 11
    ONE_HOT = 12
    DISCRIMINATOR_NOISE = 13
    PIXELS = 14
    PERMUTATION = 15
    VIEW = 16
    DROPOUT = 17
    CONSISTENCY_PHASE = 18
    GENERATOR_NOISE = 19
    INVERSION = 20
    IMPORTANCE = 21
    ERASING = 22


def fold(key: Array, *numbers: int | Array) -> Array:
    """One key from a key and any numbers, in their order."""
    for number in numbers:
        key = jax.random.fold_in(key, number)
    return key


def example_keys(key: Array, index: Array) -> Array:
    """A key for each example: index int [N] -> keys [N]."""
    return jax.vmap(lambda i: jax.random.fold_in(key, i))(index)


def seeded_keys(seed: int, streams: tuple[Stream, ...], count: int, start: int = 0) -> Array:
    """The keys [M] of a seed for examples from number `start` on, for what the streams say.

    M is `count`, or the next power of two: so a count that is new is seldom compiled anew. An example's key is its
    own, whatever M is.
    """
    return _seeded_keys(seed, streams, 1 << max(0, count - 1).bit_length(), start)


@partial(jax.jit, static_argnames=("streams", "count"))  # one call for a dozen, of which each would take its time
def _seeded_keys(seed: int, streams: tuple[Stream, ...], count: int, start: int) -> Array:
    return example_keys(fold(jax.random.key(seed), *streams), start + jnp.arange(count))


def fold_each(keys: Array, number: int) -> Array:
    """Every key [N] folded with a number, for further draws of the same examples: [N]."""
    return jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)


def _draw(sampler, keys: Array, stream: Stream, shape: tuple[int, ...]) -> Array:
    if 0 in shape:  # nothing to draw: spares the compiler a generator
        return jnp.zeros((keys.shape[0], *shape))
    return jax.vmap(lambda key: sampler(jax.random.fold_in(key, stream), shape))(keys)


def normal(keys: Array, stream: Stream, shape: tuple[int, ...]) -> Array:
    """Standard normal draws [N, *shape], each example's from its own key."""
    return _draw(jax.random.normal, keys, stream, shape)


def uniform(keys: Array, stream: Stream, shape: tuple[int, ...]) -> Array:
    """Uniform draws in [0, 1), [N, *shape], each example's from its own key."""
    return _draw(jax.random.uniform, keys, stream, shape)
