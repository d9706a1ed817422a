"""One training step of one device: a short function per phase, composed (Makhzani & Frey 2017, section 2.1).

Shapes: N images of the device's part of the mini-batch, K categories. Gradients, batch statistics and metrics are
averaged over the named axis `AXIS`; the state is the same on every device.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
import optax

from pixelgan_jax.data.randomness import Stream, normal
from pixelgan_jax.methods import losses, priors
from pixelgan_jax.methods.autoencoder.model import (
    Autoencoder,
    encode_in_training,
    in_training,
    log_prob,
    targets,
)
from pixelgan_jax.methods.autoencoder.phases import (
    EVALUATED,
    ROLES,
    inverse_temperature,
    learning_rate,
    optimizers,
    phases,
)
from pixelgan_jax.methods.method import AXIS, Batch, Examples, Metrics
from pixelgan_jax.methods.state import TrainState, average, pick, step_keys
from pixelgan_jax.nn.encoder import Posterior
from pixelgan_jax.nn.xla_cpu import microbatches

Array = jax.Array

# The moving average of this decay stands for the joint distribution of two views' codes: a mini-batch alone has too
# few images for K × K entries.
JOINT_DECAY = 0.95


def train_step(model: Autoencoder, state: TrainState, examples: Examples, batch: Batch) -> tuple[TrainState, Metrics]:
    """One step over a mini-batch; see `phases` for what it is made of.

    Metrics are scalars: each phase's loss in nats (reconstruction_nats, discriminator_loss, …) under the parameters
    it started from, its gradient's norm and its rate, and where two views are drawn generator_view_information_nats.
    """
    model, count = in_training(model), batch.index.shape[0]
    keys_for = partial(step_keys, state, examples.seed, count)
    images = examples.images(batch.index)
    active = {phase.name for phase in phases(model.config)}
    metrics: Metrics = {}
    if "reconstruction" in active:
        state, metrics = reconstruction_phase(model, state, images, keys_for(Stream.RECONSTRUCTION_PHASE))
    if "generator" in active:
        views = 2 if model.config.optim.view_information else 1
        view_keys = [keys_for(Stream.ADVERSARIAL_PHASE, number) for number in range(views)]
        prior_keys = keys_for(Stream.ADVERSARIAL_PHASE, Stream.PRIOR)
        state, more = adversarial_phase(model, state, images, view_keys, prior_keys)
        metrics |= more
    if "supervised" in active:
        labelled = examples.images(examples.labelled[batch.labelled_index])
        labels = examples.labels[batch.labelled_index]
        state, more = supervised_phase(model, state, labelled, labels, keys_for(Stream.SUPERVISED_PHASE))
        metrics |= more
    decay = model.config.optim.ema
    with jax.named_scope("average"):
        ema = average(decay, state.step, state.ema, pick(state.params, EVALUATED))
        ema_stats = average(decay, state.step, state.ema_stats, {"encoder": state.stats["encoder"]})
    state = state.replace(step=state.step + 1, ema=ema, ema_stats=ema_stats)
    return state, jax.lax.pmean(metrics, AXIS)


def update(model: Autoencoder, state: TrainState, phase: str, gradients: dict) -> tuple[TrainState, Metrics]:
    """Moves the phase's roles by its own optimizer; gradients by role, of this device."""
    if jax.lax.axis_size(AXIS) > 1:  # XLA:CPU would copy a single device's gradients all the same
        gradients = jax.lax.pmean(gradients, AXIS)
    own = pick(state.params, ROLES[phase])
    with jax.named_scope("update"):
        updates, opt = optimizers(model.config)[phase].update(gradients, state.opt[phase], own)
        params = state.params | optax.apply_updates(own, updates)
        # not optax.tree.norm, whose reduction takes XLA:CPU three times as long as a product
        metrics = {f"{phase}_gradient_norm": jnp.sqrt(optax.tree.vdot(gradients, gradients))}
    metrics[f"{phase}_rate"] = jnp.asarray(learning_rate(model.config, phase)(state.step), jnp.float32)
    return state.replace(params=params, opt=state.opt | {phase: opt}), metrics


def posterior_of(
    model: Autoencoder, state: TrainState, params: dict, images: Array, keys: Array
) -> tuple[Posterior, dict]:
    """`encode_in_training` by the encoder's `params`, its softmax at the step's temperature."""
    posterior, moved = encode_in_training(model, params, state.stats["encoder"], images, keys)
    if model.config.optim.temperature == 1:
        return posterior, moved
    logits = inverse_temperature(model.config)(state.step) * posterior.log_probabilities  # up to a constant
    return posterior._replace(log_probabilities=jax.nn.log_softmax(logits)), moved


@jax.named_scope("reconstruction")
def reconstruction_phase(
    model: Autoencoder, state: TrainState, images: Array, keys: Array
) -> tuple[TrainState, Metrics]:
    """Encoder and decoder maximise log p(x | z); where there is this phase, no other moves BatchNorm's running
    statistics."""
    values = math.prod(model.shape[:2]) * model.config.model.channels  # of a decoder layer's map

    def nats(params, code, levels_of):
        return losses.reconstruction_nats(log_prob(model, params, levels_of, code))

    def loss(params):
        posterior, stats = posterior_of(model, state, params["encoder"], images, keys)
        levels_of = targets(model, images, keys)
        code = priors.soft_code(posterior, keys)
        return microbatches.mean_loss(nats, values, params["decoder"], code, levels_of), stats

    own = pick(state.params, ROLES["reconstruction"])
    (value, stats), gradients = jax.value_and_grad(loss, has_aux=True)(own)
    state, metrics = update(model, state.replace(stats=state.stats | {"encoder": stats}), "reconstruction", gradients)
    return state, metrics | {"reconstruction_nats": value}


@jax.named_scope("adversarial")
def adversarial_phase(
    model: Autoencoder, state: TrainState, images: Array, view_keys: list[Array], prior_keys: Array
) -> tuple[TrainState, Metrics]:
    """The discriminator learns to tell prior from code, then the encoder to fool it and, with
    `optim.view_information`, to give two views of an image codes that tell of each other.

    view_keys: keys [N] of each view that the encoder sees; the discriminator is shown the first one's code. The encoder
    runs forward once: its code serves the discriminator, and its pull-back carries the generator's gradient with
    respect to that code back to the encoder.
    """
    keys, count = view_keys[0], images.shape[0]
    code_for = priors.straight_through_code if model.config.model.discriminator_draws else priors.soft_code

    def codes_of(params):
        seen, seen_keys = jnp.concatenate([images] * len(view_keys)), jnp.concatenate(view_keys)
        posterior, moved = posterior_of(model, state, params, seen, seen_keys)
        first = jax.tree.map(lambda x: x[:count], posterior)
        return (code_for(first, keys), posterior.log_probabilities), moved

    def discriminator_loss(params, code):
        prior_code = priors.sample(model.config.prior.code, prior_keys)
        both, both_keys = jnp.concatenate([prior_code, code]), jnp.concatenate([prior_keys, keys])
        logits = discriminate(model, params, both, both_keys)
        return losses.discriminator_loss(logits[:count], logits[count:])

    def generator_loss(code, log_q, params, stats):
        loss = losses.generator_loss(discriminate(model, params, code, keys))
        if not model.config.optim.view_information:
            return loss, ({"generator_loss": loss}, stats)
        gain, information, joint = view_information(model, state.step, stats["joint"], log_q)
        metrics = {"generator_loss": loss, "generator_view_information_nats": information}
        return loss - gain, (metrics, stats | {"joint": joint})

    (code, log_q), pull_back, moved = jax.vjp(codes_of, state.params["encoder"], has_aux=True)
    if not model.config.optim.reconstruction:  # there is no phase but this one to move them
        state = state.replace(stats=state.stats | {"encoder": moved})
    d_loss, gradients = jax.value_and_grad(discriminator_loss)(state.params["discriminator"], code)
    state, d_metrics = update(model, state, "discriminator", {"discriminator": gradients})
    slope = jax.grad(generator_loss, argnums=(0, 1), has_aux=True)
    code_gradient, (values, stats) = slope(code, log_q, state.params["discriminator"], state.stats)
    (gradients,) = pull_back(code_gradient)
    state, g_metrics = update(model, state.replace(stats=stats), "generator", {"encoder": gradients})
    return state, d_metrics | g_metrics | values | {"discriminator_loss": d_loss}


def discriminate(model: Autoencoder, params: dict, code: Array, keys: Array) -> Array:
    """The discriminator's logits [N, P], of each part, of codes [N, D], each under the noise of its key."""
    if sd := model.config.model.discriminator_noise:
        code = code + sd * normal(keys, Stream.DISCRIMINATOR_NOISE, (model.width,))
    return model.discriminator.apply({"params": params}, code)


def view_information(model: Autoencoder, step: Array, joint: Array, log_q: Array) -> tuple[Array, Array, Array]:
    """The mutual information of two views' codes (Ji et al. 2019): (what the generator gains by it, its nats, the moved
    moving average of the views' joint distribution). joint [K, K]; log_q [2N, K], first views before second ones."""
    now = jax.lax.pmean(losses.joint_of_views(*jnp.split(log_q, 2)), AXIS)
    # the value of the moving average, the mini-batch's gradient in full
    joint = now + jax.lax.stop_gradient(average(JOINT_DECAY, step, joint, now) - now)
    information, prior = losses.information_nats(joint), model.config.prior.code
    gain = information
    if prior.frequencies:  # else a constant
        gain = gain + losses.expected_log_prior(joint, jnp.asarray(prior.shares, jnp.float32))
    return model.config.optim.view_information * gain, information, joint


@jax.named_scope("supervised")
def supervised_phase(
    model: Autoencoder, state: TrainState, images: Array, labels: Array, keys: Array
) -> tuple[TrainState, Metrics]:
    """The encoder's softmax learns the labels of a labelled mini-batch by cross-entropy."""

    def loss(params):
        posterior, _ = posterior_of(model, state, params, images, keys)
        return losses.supervised_loss(posterior.log_probabilities, labels)

    value, gradients = jax.value_and_grad(loss)(state.params["encoder"])
    state, metrics = update(model, state, "supervised", {"encoder": gradients})
    return state, metrics | {"supervised_loss": value}
