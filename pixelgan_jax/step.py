"""One training step of one device: a short function per phase, composed (Makhzani & Frey 2017, section 2.1).

Inside, N is the device's share of the mini-batch. Gradients, batch statistics and metrics are averaged over the
named axis `AXIS`; the state is the same on every device.
"""

from typing import NamedTuple

import jax
import optax

from pixelgan_jax import objective
from pixelgan_jax import prior as priors
from pixelgan_jax.model import Model, encode, log_prob, targets
from pixelgan_jax.randomness import Stream, example_keys, fold, normal
from pixelgan_jax.state import EVALUATED, ROLES, TrainState, average, optimizers, phases, pick

Array = jax.Array
Metrics = dict[str, Array]

AXIS = "data"


class Examples(NamedTuple):
    """What every step of a run takes from, on the device: images uint8 [M, H, W, C] of the training split; the labelled
    subset's images and labels [L]; the seed int32 [] that every draw follows from."""

    images: Array
    labelled_images: Array
    labels: Array
    seed: Array


class Batch(NamedTuple):
    """Which examples a step takes: indices int32 [N] into the images and into the labelled subset."""

    index: Array
    labelled_index: Array


def train_step(model: Model, state: TrainState, examples: Examples, batch: Batch) -> tuple[TrainState, Metrics]:
    """One step over a mini-batch; see `phases` for what it is made of.

    Metrics are scalars: each phase's loss in nats (reconstruction_nats, discriminator_loss, …) under the parameters
    it started from, and its gradient's norm.
    """
    count = batch.index.shape[0]
    position = jax.lax.axis_index(AXIS) * count + jax.numpy.arange(count)
    key = fold(jax.random.key(examples.seed), Stream.TRAINING, state.step)
    images = examples.images[batch.index]
    active = phases(model.config)
    keys = example_keys(fold(key, Stream.RECONSTRUCTION_PHASE), position)
    state, metrics, log_probabilities = reconstruct(model, state, images, keys)
    if "generator" in active:
        phase_key = fold(key, Stream.ADVERSARIAL_PHASE)
        code_keys, prior_keys = (example_keys(fold(phase_key, i), position) for i in (0, Stream.PRIOR))
        state, more = oppose(model, state, images, log_probabilities, code_keys, prior_keys)
        metrics |= more
    if "supervised" in active:
        keys = example_keys(fold(key, Stream.SUPERVISED_PHASE), position)
        labelled, labels = examples.labelled_images[batch.labelled_index], examples.labels[batch.labelled_index]
        state, more = supervise(model, state, labelled, labels, keys)
        metrics |= more
    decay = model.config.optim.ema
    state = state.replace(
        step=state.step + 1,
        ema=average(decay, state.step, state.ema, pick(state.params, EVALUATED)),
        ema_stats=average(decay, state.step, state.ema_stats, state.stats),
    )
    return state, jax.lax.pmean(metrics, AXIS)


def update(model: Model, state: TrainState, phase: str, gradients: dict) -> tuple[TrainState, Metrics]:
    """Moves the phase's roles by its own optimizer; gradients by role, of this device."""
    gradients = jax.lax.pmean(gradients, AXIS)
    own = pick(state.params, ROLES[phase])
    updates, opt = optimizers(model.config)[phase].update(gradients, state.opt[phase], own)
    params = state.params | optax.apply_updates(own, updates)
    metrics = {f"{phase}_gradient_norm": optax.tree.norm(gradients)}
    return state.replace(params=params, opt=state.opt | {phase: opt}), metrics


def reconstruct(model: Model, state: TrainState, images: Array, keys: Array) -> tuple[TrainState, Metrics, Array]:
    """Encoder and decoder maximise log p(x | z); the only phase that moves BatchNorm's running statistics.

    Also gives the categorical code's log q(z | x) [N, K] of the views that it saw.
    """

    def loss(params):
        posterior, stats = encode(model, params["encoder"], state.stats["encoder"], images, keys, train=True)
        levels_of = targets(model, images, keys)
        code = priors.soft_code(posterior, keys)
        nats = objective.reconstruction_nats(log_prob(model, params["decoder"], levels_of, code))
        return nats, (stats, posterior.log_probabilities)

    own = pick(state.params, ROLES["reconstruction"])
    (nats, (stats, log_probabilities)), gradients = jax.value_and_grad(loss, has_aux=True)(own)
    state, metrics = update(model, state.replace(stats={"encoder": stats}), "reconstruction", gradients)
    return state, metrics | {"reconstruction_nats": nats}, log_probabilities


def oppose(
    model: Model, state: TrainState, images: Array, other_view: Array, keys: Array, prior_keys: Array
) -> tuple[TrainState, Metrics]:
    """The discriminator learns to tell prior from code, then the encoder to fool it and, with `optim.consistency`, to
    give this view of an image the categorical code of the reconstruction's, `other_view` log q(z | x) [N, K].

    The encoder runs forward once: its code serves the discriminator, and its pull-back carries the generator's
    gradient with respect to that code back to the encoder.
    """
    noise_sd, consistency = model.config.model.discriminator_noise, model.config.optim.consistency

    def discriminate(params, code, keys):
        noise = noise_sd * normal(keys, Stream.DISCRIMINATOR_NOISE, (model.width,)) if noise_sd else 0.0
        return model.discriminator.apply({"params": params}, code + noise)

    def code_of(params):
        posterior, _ = encode(model, params, state.stats["encoder"], images, keys, train=True)
        return priors.soft_code(posterior, keys), posterior.log_probabilities

    def discriminator_loss(params, code):
        prior_code = priors.sample(model.config.prior, prior_keys)
        return objective.discriminator_loss(
            discriminate(params, prior_code, prior_keys), discriminate(params, code, keys)
        )

    def generator_loss(code, log_probabilities, params):
        loss = objective.generator_loss(discriminate(params, code, keys))
        metrics = {"generator_loss": loss}
        if consistency:
            apart = objective.consistency_nats(other_view, log_probabilities)
            loss, metrics = loss + consistency * apart, metrics | {"generator_consistency_nats": apart}
        return loss, metrics

    (code, log_probabilities), pull_back = jax.vjp(code_of, state.params["encoder"])
    d_loss, gradients = jax.value_and_grad(discriminator_loss)(state.params["discriminator"], code)
    state, d_metrics = update(model, state, "discriminator", {"discriminator": gradients})
    slope = jax.grad(generator_loss, argnums=(0, 1), has_aux=True)
    code_gradient, losses = slope(code, log_probabilities, state.params["discriminator"])
    (gradients,) = pull_back(code_gradient)
    state, g_metrics = update(model, state, "generator", {"encoder": gradients})
    return state, d_metrics | g_metrics | losses | {"discriminator_loss": d_loss}


def supervise(model: Model, state: TrainState, images: Array, labels: Array, keys: Array) -> tuple[TrainState, Metrics]:
    """The encoder's softmax learns the labels of a labelled mini-batch by cross-entropy."""

    def loss(params):
        posterior, _ = encode(model, params, state.stats["encoder"], images, keys, train=True)
        return objective.supervised_loss(posterior.log_probabilities, labels)

    value, gradients = jax.value_and_grad(loss)(state.params["encoder"])
    state, metrics = update(model, state, "supervised", {"encoder": gradients})
    return state, metrics | {"supervised_loss": value}
