"""A system unlike the autoencoders: a linear classifier that remembers what it said of every training image.

It has what fits the family least: a memory [images, classes] in its state, which devices fill together, labels of some
of the images of a mini-batch, one phase, a group of fields of its own, and neither code, likelihood nor samples.
"""

import math
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from pixelgan_jax.config import Config
from pixelgan_jax.config.fields import real
from pixelgan_jax.methods.method import AXIS, Code, Method, Phase
from pixelgan_jax.methods.state import TrainState, average


@dataclass(frozen=True)
class Ensemble:
    rate: float = real(0, 0.1, "of gradient descent", above=True)
    weight: float = real(0, 1.0, "of the squared distance from what was remembered")
    momentum: float = real(0, 0.6, "of the memory", high=1, below=True)


@dataclass(frozen=True)
class EnsembleConfig(Config):
    ensemble: Ensemble = Ensemble()


def make(config, data):
    return Method(
        name="ensemble",
        shape=data.shape,
        levels=256,
        code=Code(0, 0, matched=False),
        phases=(Phase("classification", ("classification_loss", "classification_gradient_norm"), ("ensemble.rate",)),),
        summary=f"a memory of {data.images} images",
        init=partial(init, data),
        step=partial(step, config, data),
        averaged=lambda state: state.ema,
        infer=infer,
    )


def init(data, seed):
    pixels = math.prod(data.shape)
    params = {"kernel": 0.01 * jax.random.normal(jax.random.key(seed), (pixels, data.classes))}
    stats = {"memory": jnp.zeros((data.images, data.classes))}
    return TrainState(jnp.zeros((), jnp.int32), params, stats, {}, jax.tree.map(jnp.copy, params), {})


def log_probabilities(params, images):
    return jax.nn.log_softmax(images.reshape(len(images), -1) / 255.0 @ params["kernel"])


def step(config, data, state, examples, batch):
    settings, memory = config.ensemble, state.stats["memory"]
    label = jnp.full(data.images, -1).at[examples.labelled].set(examples.labels)[batch.index]

    def loss(params):
        told = log_probabilities(params, examples.images(batch.index))
        picked = jnp.take_along_axis(told, jnp.maximum(label, 0)[:, None], axis=1)[:, 0]
        distance = jnp.mean((jnp.exp(told) - memory[batch.index]) ** 2)
        return -jnp.mean(jnp.where(label >= 0, picked, 0.0)) + settings.weight * distance, jnp.exp(told)

    (value, told), gradients = jax.value_and_grad(loss, has_aux=True)(state.params)
    gradients = jax.lax.pmean(gradients, AXIS)
    params = jax.tree.map(lambda p, g: p - settings.rate * g, state.params, gradients)
    index, told = (jax.lax.all_gather(x, AXIS, tiled=True) for x in (batch.index, told))
    remembered = settings.momentum * memory[index] + (1 - settings.momentum) * told
    state = state.replace(
        step=state.step + 1,
        params=params,
        stats={"memory": memory.at[index].set(remembered)},
        ema=average(0.9, state.step, state.ema, params),
    )
    norm = jnp.sqrt(jnp.sum(gradients["kernel"] ** 2))
    return state, {"classification_loss": jax.lax.pmean(value, AXIS), "classification_gradient_norm": norm}


def infer(variables, images, keys):
    return {"log_probabilities": log_probabilities(variables, images), "code": jnp.zeros((len(images), 0))}
