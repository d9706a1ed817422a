"""Temporal Ensembling and the Π-model (Laine & Aila 2017, Temporal Ensembling for Semi-Supervised Learning).

A classifier whose predictions of an image under noise, dropout and a random view are to agree: with the moving average
of its earlier predictions of that image (Temporal Ensembling, algorithm 2), or with a second prediction under other
draws (the Π-model, algorithm 1). The loss is

    cross-entropy of the labelled images + w(t) · mean over images and classes of (softmax - target)².

The paper's mini-batches mix labelled and other images and divide the cross-entropy by all of them; w(t) then has the
labelled part of the data as a factor. Here labelled images come in mini-batches of their own, as for every method of
this package, and both terms are divided by that factor: the same direction in expectation, with less noise.

Shapes: N images of the device's part of the mini-batch, M training images, K classes.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import optax

from pixelgan_jax.config import Config
from pixelgan_jax.config.fields import boolean, choice, integer, real, refused, widths
from pixelgan_jax.data.levels import network_input
from pixelgan_jax.data.randomness import Stream, example_keys, fold, fold_each, normal
from pixelgan_jax.data.views import Views, random_view
from pixelgan_jax.methods.losses import supervised_loss
from pixelgan_jax.methods.method import AXIS, Batch, Code, DataSpec, Examples, Method, Metrics, Phase
from pixelgan_jax.methods.state import TrainState, average, averaged, step_keys, training_dtype
from pixelgan_jax.nn.classifier import Classifier
from pixelgan_jax.nn.initial import first_variables

Array = jax.Array


@dataclass(frozen=True)
class Ensembling(Views):
    target: str = choice(
        ("ensemble", "second_pass"), "ensemble", "what a prediction is held to; second_pass: the Π-model's"
    )
    blocks: tuple[int, ...] = widths((32, 64), "of 3×3 convolutions, each block followed by a 2×2 maximum and dropout")
    convolutions: int = integer(1, 1, "3×3 convolutions of a block", high=100)
    head: tuple[int, ...] = widths((128,), "after the blocks; the first a 3×3 convolution, the others pixel by pixel")
    dropout: float = real(0, 0.5, "part of a block's values that training drops", high=1, below=True)
    standardised: bool = boolean(False, "the network sees each image with mean 0 and s.d. 1", absent=False)
    noise: float = real(0, 0.15, "s.d. of noise on the images (pixels in [-1, 1], or standardised), in training only")
    translation: float = real(0, 2.0, "in training a random view, moved by at most so many pixels along either side")
    weight: float = real(0, 30.0, "largest weight of the squared distance")
    momentum: float = real(0, 0.6, "of the moving average of an image's predictions", high=1, below=True)
    rate: float = real(0, 1e-3, "Adam's largest", above=True)
    ramp_up: float = real(0, 80 / 300, "part of the run in which weight and rate grow, exp(-5 (1 - T)²)", high=1)
    ramp_down: float = real(0, 50 / 300, "last part, in which the rate falls, exp(-12.5 T²), and b1 to 0.5", high=1)
    ema: float = real(0, 0.999, "decay of the averaged parameters that are evaluated", high=1, below=True)


@dataclass(frozen=True)
class EnsemblingConfig(Config):
    """An experiment with Temporal Ensembling or the Π-model."""

    ensembling: Ensembling = Ensembling()

    def check(self) -> None:
        super().check()
        if not self.data.labels:
            raise refused("data.labels", self.data.labels, f"above 0 with method.name {self.method.name}")
        if self.ensembling.ramp_up + self.ensembling.ramp_down > 1:
            raise refused("ensembling.ramp_down", self.ensembling.ramp_down, "at most 1 less ensembling.ramp_up")


def make(config: EnsemblingConfig, data: DataSpec) -> Method:
    """The method of `config`, of which the seeds are not looked at, for such data."""
    settings = config.ensembling
    model = Classifier(
        settings.blocks,
        settings.convolutions,
        settings.head,
        data.classes,
        settings.dropout,
        axis_name=AXIS,
        dtype=training_dtype(config.train.dtype),
    )
    losses = "classification_loss", "consistency_loss", "consistency_weight", "classification_gradient_norm"
    metrics = (*losses, "classification_rate")
    remembered = data.images if settings.target == "ensemble" else 0
    return Method(
        name=config.method.name,
        shape=data.shape,
        levels=256,
        code=Code(0, 0, matched=False),
        phases=(Phase("classification", metrics, ("ensembling.rate",)),),
        summary=f"an ensemble of {remembered:,} predictions" if remembered else "two passes",
        init=partial(init, config, model, data.shape, remembered),
        step=partial(train_step, config, model),
        averaged=averaged,
        infer=partial(infer, settings, model.clone(dtype=jnp.float32)),
    )


def ramp_up(done: Array, part: float) -> Array:
    """exp(-5 (1 - T)²), T going from 0 to 1 over the first `part` of the run, of which `done` [] is done; 1 without."""
    return jnp.exp(-5.0 * jnp.square(1.0 - jnp.minimum(1.0, done / part))) if part else jnp.ones_like(done)


def ramp_down(done: Array, part: float) -> Array:
    """exp(-12.5 T²), T going from 0 to 1 over the last `part` of the run."""
    return jnp.exp(-12.5 * jnp.square(jnp.maximum(0.0, (done - 1.0) / max(part, 1e-9) + 1.0)))


def learning_rate(config: EnsemblingConfig, step: Array) -> Array:
    """The rate at a step, ramped up and down."""
    settings, done = config.ensembling, step / config.train.steps
    return settings.rate * ramp_up(done, settings.ramp_up) * ramp_down(done, settings.ramp_down)


def optimizer(config: EnsemblingConfig) -> optax.GradientTransformation:
    """Adam, whose b1 goes from 0.9 to 0.5 while its rate is ramped down."""
    settings, steps = config.ensembling, config.train.steps

    def momentum(step: Array) -> Array:
        return 0.5 + 0.4 * ramp_down(step / steps, settings.ramp_down)

    return optax.inject_hyperparams(optax.adam)(learning_rate=partial(learning_rate, config), b1=momentum, b2=0.999)


def init(config: EnsemblingConfig, model: Classifier, shape: tuple, remembered: int, seed: Array):
    """The state before the first step. stats: the classifier's running ones, and for Temporal Ensembling of every
    training image the weighted sum of its predictions [M, K] and how often it was seen [M]."""
    key = fold(jax.random.key(seed), Stream.INITIALISATION)
    unused = example_keys(key, jnp.arange(1))  # of dropout and noise
    variables = first_variables(key, model, jnp.zeros((1, *shape)), unused, train=False)
    params, stats = {"classifier": variables["params"]}, {"classifier": variables["batch_stats"]}
    ema, ema_stats = jax.tree.map(jnp.copy, (params, stats))
    opt = {"classification": optimizer(config).init(params)}
    memory = {"memory": jnp.zeros((remembered, model.classes)), "seen": jnp.zeros(remembered)} if remembered else {}
    return TrainState(jnp.zeros((), jnp.int32), params, stats | memory, opt, ema, ema_stats)


def train_step(config: EnsemblingConfig, model: Classifier, state: TrainState, examples: Examples, batch: Batch):
    """One step over a mini-batch and a labelled one: (state, metrics)."""
    settings, count = config.ensembling, batch.index.shape[0]
    keys = step_keys(state, examples.seed, count, Stream.CONSISTENCY_PHASE)
    images = examples.images(batch.index)
    labelled = examples.images(examples.labelled[batch.labelled_index])
    labels = examples.labels[batch.labelled_index]
    weight = settings.weight * ramp_up(state.step / config.train.steps, settings.ramp_up)
    predict = partial(_predict, settings, model)

    def loss(params):
        log_p, stats = predict(params, state.stats["classifier"], labelled, fold_each(keys, 0))
        cross_entropy = supervised_loss(log_p, labels)
        log_p, stats = predict(params, stats, images, fold_each(keys, 1))
        if settings.target == "ensemble":
            target, known = _remembered(settings, state.stats, batch.index)
        else:
            (target, stats), known = predict(params, stats, images, fold_each(keys, 2)), jnp.ones(count)
            target = jnp.exp(target)
        distance = squared_distance(jnp.exp(log_p), target, known)
        return cross_entropy + weight * distance, (cross_entropy, distance, stats, jnp.exp(log_p))

    (_, (cross_entropy, distance, stats, predicted)), gradients = jax.value_and_grad(loss, has_aux=True)(state.params)
    gradients = jax.lax.pmean(gradients, AXIS)
    updates, opt = optimizer(config).update(gradients, state.opt["classification"], state.params)
    params = optax.apply_updates(state.params, updates)
    moved = state.stats | {"classifier": stats} | _remember(settings, state.stats, batch.index, predicted)
    metrics: Metrics = {
        "classification_loss": cross_entropy,
        "consistency_loss": distance,
        "consistency_weight": weight,
    }
    metrics["classification_gradient_norm"] = optax.tree.norm(gradients)
    metrics["classification_rate"] = learning_rate(config, state.step)
    state = state.replace(
        step=state.step + 1,
        params=params,
        stats=moved,
        opt={"classification": opt},
        ema=average(settings.ema, state.step, state.ema, params),
        ema_stats=average(settings.ema, state.step, state.ema_stats, {"classifier": stats}),
    )
    return state, jax.lax.pmean(metrics, AXIS)


def squared_distance(predicted: Array, target: Array, known: Array) -> Array:
    """The mean over images and classes of the squared difference of two predictions [N, K], of the images that are
    `known` [N], 0 or 1: []."""
    return jnp.mean(jnp.square(predicted - target) * known[:, None])


def _predict(settings: Ensembling, model: Classifier, params: dict, stats: dict, images: Array, keys: Array):
    """(log p(class | a noisy view) [N, K], moved batch statistics) of images uint8."""
    x = random_view(settings, network_input(images, settings.standardised), keys)
    if settings.noise:
        x = x + settings.noise * normal(keys, Stream.INPUT_NOISE, x.shape[1:])
    variables = {"params": params["classifier"], "batch_stats": stats}
    log_p, moved = model.apply(variables, x, keys, train=True, mutable=["batch_stats"])
    return log_p, moved["batch_stats"]


def _remembered(settings: Ensembling, stats: dict, index: Array) -> tuple[Array, Array]:
    """(the mean of the earlier predictions [N, K], whether there are any [N]): the sum over its weights."""
    seen = stats["seen"][index]
    total = 1.0 - settings.momentum**seen
    return stats["memory"][index] / jnp.maximum(total, 1e-9)[:, None], (seen > 0).astype(total.dtype)


def _remember(settings: Ensembling, stats: dict, index: Array, predicted: Array) -> dict[str, Array]:
    """The memory with the mini-batch's predictions, those of all devices on each."""
    if settings.target != "ensemble":
        return {}
    index, predicted = (jax.lax.all_gather(x, AXIS, tiled=True) for x in (index, predicted))
    kept = settings.momentum * stats["memory"][index] + (1.0 - settings.momentum) * predicted
    seen = stats["seen"][index] + 1.0  # set, not added: an image that ends one epoch and begins the next counts once
    return {"memory": stats["memory"].at[index].set(kept), "seen": stats["seen"].at[index].set(seen)}


def infer(settings: Ensembling, model: Classifier, variables: tuple, images: Array, keys: Array) -> dict[str, Array]:
    """log p(class | x) [N, K] by the averaged parameters."""
    params, stats = variables
    given = {"params": params["classifier"], "batch_stats": stats["classifier"]}
    log_p = model.apply(given, network_input(images, settings.standardised), keys, train=False)
    return {"log_probabilities": log_p, "code": jnp.zeros((images.shape[0], 0))}
