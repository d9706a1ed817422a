"""What decides how good a model is: labels meet their images, terms have their signs, settings reach the networks."""

import json
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments import digits
from pixelgan_jax.commands import replicates
from pixelgan_jax.evaluation import trained
from pixelgan_jax.methods import registry
from pixelgan_jax.methods.autoencoder import model as models
from pixelgan_jax.methods.autoencoder import phases, step
from pixelgan_jax.methods.method import AXIS, Batch, Examples
from pixelgan_jax.training import parallel
from tests import tiny
from tests.methods import test_gans, test_temporal_ensembling
from tests.methods.test_step import keep_gradients


@pytest.mark.slow
def test_a_run_learns_from_a_hundred_labels(tmp_path):
    """What is evaluated is the average of parameters that learnt these images' own labels: chance is 0.9."""
    config = digits.get_config()
    config.model.update(encoder_channels=(8, 16), encoder_units=32, channels=4, layers=0, discriminator_units=(16,))
    config.train.update(batch_size=64, steps=150, evaluate_every=150, checkpoint_every=150, dtype="float32")
    config.optim.ema = 0.9
    config.sample.count = 4
    replicates.execute("train", "digits", registry.from_dict(config), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "results.json").read_text())["test"]["error"] < 0.5


LABELLED = {
    "autoencoder": (tiny.build().config, tiny.DATA),
    "catgan": (test_gans.config("catgan"), test_gans.DATA),
    "temporal_ensembling": (test_temporal_ensembling.config(), test_temporal_ensembling.DATA),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "catgan" else name for name in LABELLED]
)
def test_where_an_image_lies_among_the_others_does_not_matter(name):
    """The training images in another order, and a step's indices with them: a label stays its own image's."""
    config, data = LABELLED[name]
    method, mesh = registry.make(config, data), parallel.make_mesh(jax.devices()[:1])
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (data.images, *data.shape)).astype(np.uint8)
    labels = np.arange(data.labels, dtype=np.int32) % data.classes
    index = random.randint(0, data.images, (1, 16)).astype(np.int32)
    batch = Batch(index, random.randint(0, data.labels, (1, 16)).astype(np.int32))
    call, told = parallel.compile_step(method.step, mesh), []
    for place in (np.arange(data.images), random.permutation(data.images)):
        moved = np.zeros_like(images)
        moved[place] = images
        labelled = place[: data.labels].astype(np.int32)
        examples = parallel.replicate(Examples.of(moved, labelled, labels, np.int32(0)), mesh)
        there = Batch(place[batch.index].astype(np.int32), batch.labelled_index)
        state = trained.initial(method, config, mesh)
        told.append(jax.device_get(call(state, examples, parallel.split_batch(there, mesh)))[1])
    assert told[0].keys() == told[1].keys()
    for metric, value in told[0].items():
        np.testing.assert_allclose(told[1][metric], value, rtol=1e-6, err_msg=metric)


@pytest.fixture
def recording(monkeypatch):
    """A function (model, the encoder's parameters) -> (state, metrics) after a step that moves nothing and keeps each
    phase's gradient in the place of its optimizer's state."""
    keep_gradients(monkeypatch)
    mesh = parallel.make_mesh(jax.devices()[:1])
    program = cache(lambda made: parallel.compile_step(partial(step.train_step, made), mesh))

    def run(made, encoder=None):
        state = phases.create(made, 0)
        if encoder is not None:
            state = state.replace(params=state.params | {"encoder": encoder})
        placed = parallel.replicate((state, tiny.examples()), mesh)
        after, metrics = program(made)(*placed, parallel.split_batch(tiny.batch(), mesh))
        return jax.device_get((after, metrics))

    return run


def moved_by(params, gradients, distance):
    """The parameters so far down the gradients."""
    scale = distance / optax.tree.norm(gradients)
    return jax.tree.map(lambda x, slope: x - scale * slope, params, gradients)


def test_the_generator_climbs_the_views_information_and_makes_codes_as_frequent_as_the_priors(recording):
    groups = tiny.VIEWS | {"optim": {"view_information": 1e4}}  # next to nothing of the gradient is the discriminator's
    groups["model"] = tiny.VIEWS["model"] | {"encoder_batch_norm": False}
    made = tiny.model(**groups)
    before, told = recording(made)
    encoder = moved_by(before.params["encoder"], before.opt["generator"]["encoder"], 0.1)
    climbed = recording(made, encoder)[1]["generator_view_information_nats"][0]
    assert climbed > told["generator_view_information_nats"][0] * 1.01

    frequencies = (1.0,) * 5 + (20.0,) * 5
    skewed = tiny.model(**groups | {"prior": {"frequencies": frequencies}})
    slope = jax.tree.map(np.subtract, recording(skewed)[0].opt["generator"], before.opt["generator"])["encoder"]

    encode = jax.jit(partial(models.encode, made))

    def rare(params):
        """The part of the codes that are of the five rare categories."""
        images, keys = jnp.asarray(tiny.examples().images(jnp.arange(40))), jax.random.split(jax.random.key(0), 40)
        posterior = encode(params, before.stats["encoder"], images, keys)
        return float(jnp.exp(posterior.log_probabilities)[:, :5].sum(axis=1).mean())

    start = before.params["encoder"]
    assert rare(moved_by(start, slope, 0.3)) < rare(start) - 0.01 and rare(moved_by(start, slope, -0.3)) > rare(start)


FIELDS = {
    "input_noise": 0.5,
    "input_translation": 1.0,
    "input_rotation": 90.0,
    "input_scaling": 0.5,
    "input_shear": 0.5,
    "input_thickness": 0.5,
    "input_inversion": 1.0,
    "input_erasing": 1.0,
}


def seen_in_training(made, images, keys):
    """log q(z | x) as training's encoder says it."""
    params, stats = models.initialise(made, 0)

    def encode(images):
        return models.encode_in_training(made, params["encoder"], stats["encoder"], images, keys)[0].log_probabilities

    return np.asarray(jax.jit(jax.vmap(encode, axis_name=AXIS))(images[None])[0])


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_the_encoders_input_reaches_it_in_training_and_then_alone(field):
    images, keys = tiny.examples().images(jnp.arange(8)), jax.random.split(jax.random.key(0), 8)
    plain = dict.fromkeys(FIELDS, 0.0)
    without, with_it = (tiny.model(model=plain | changed) for changed in ({}, {field: FIELDS[field]}))
    apart = seen_in_training(with_it, images, keys) - seen_in_training(without, images, keys)
    assert np.abs(apart).max() > 1e-3
    params, stats = models.initialise(without, 0)
    told = [
        jax.jit(partial(models.encode, made))(params["encoder"], stats["encoder"], images, keys).log_probabilities
        for made in (without, with_it)
    ]
    np.testing.assert_array_equal(*told)


@pytest.mark.slow
def test_a_normalised_mean_cannot_grow():
    """In training a mini-batch's has mean 0 and s.d. 1, with a head ten times as large too; nothing learnt scales it,
    the s.d. of q(z|x) is untouched, and what is not training takes the running statistics."""
    fields = {"data": {"labels": 0}, "prior": {"name": "gaussian", "dimensions": 2}}
    plain, made = (
        tiny.model(**fields, model={"encoder": "gaussian", "mean_batch_norm": normed}) for normed in (False, True)
    )
    params, stats = models.initialise(made, 0)
    assert set(params["encoder"]) == set(models.initialise(plain, 0)[0]["encoder"])
    assert set(params["encoder"]["mean"]) == {"kernel"}
    images, keys = tiny.examples().images(jnp.arange(16)), jax.random.split(jax.random.key(0), 16)

    def encode(model, grown):
        head = {"kernel": grown * params["encoder"]["mean"]["kernel"]}
        own = params["encoder"] | {"mean": head if model is made else head | {"bias": jnp.zeros(2)}}
        known = {name: stats["encoder"][name] for name in models.initialise(model, 0)[1]["encoder"]}
        call = jax.vmap(lambda x: models.encode_in_training(model, own, known, x, keys)[0], axis_name=AXIS, in_axes=0)
        return jax.tree.map(lambda x: x[0], call(images[None]))

    posterior, grown, raw = encode(made, 1.0), encode(made, 10.0), encode(plain, 1.0)
    np.testing.assert_allclose(posterior.mean.mean(0), 0.0, atol=1e-4)
    np.testing.assert_allclose(posterior.mean.std(0), 1.0, atol=1e-2)
    np.testing.assert_allclose(grown.mean, posterior.mean, atol=1e-2)
    np.testing.assert_allclose(posterior.log_sd, raw.log_sd, rtol=1e-5)
    several, one = (
        models.encode(made, params["encoder"], stats["encoder"], images[:n], keys[:n]).mean[0] for n in (16, 1)
    )
    np.testing.assert_allclose(several, one, rtol=1e-5)


def test_the_noise_fed_encoders_code_follows_its_noise():
    made = tiny.model(data={"labels": 0}, prior={"name": "gaussian", "dimensions": 2}, model={"encoder": "noise"})
    params, stats = models.initialise(made, 0)
    images = tiny.examples().images(jnp.arange(8))
    means = [
        models.encode(made, params["encoder"], stats["encoder"], images, jax.random.split(jax.random.key(seed), 8)).mean
        for seed in (0, 1)
    ]
    assert np.abs(means[0] - means[1]).max() > 1e-3


@pytest.mark.slow
def test_noise_on_what_the_discriminator_sees_changes_its_loss(recording):
    losses = [
        float(recording(tiny.model(model={"discriminator_noise": sd}))[1]["discriminator_loss"][0]) for sd in (0.0, 3.0)
    ]
    assert abs(losses[0] - losses[1]) > 1e-3


def test_the_averages_are_what_is_evaluated():
    made = tiny.build()
    mesh, state, examples = tiny.ready(made, jax.devices()[:1])
    call = parallel.compile_step(made.method.step, mesh)
    for number in range(2):
        state, _ = call(state, examples, parallel.split_batch(tiny.batch(number), mesh))
    state = jax.device_get(state)
    averaged = jax.tree.leaves(made.method.averaged(state))
    own = jax.tree.leaves((state.ema, state.ema_stats))
    assert len(averaged) == len(own) and all(np.array_equal(a, b) for a, b in zip(averaged, own, strict=True))
    for role, tree in state.ema.items():
        pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(state.params[role]), strict=True)
        assert any(not np.array_equal(a, b) for a, b in pairs), role


def test_a_least_deviation_is_added_to_the_posteriors_variance():
    images, keys = tiny.examples().images(jnp.arange(8)), jax.random.split(jax.random.key(0), 8)
    gaussian = {"data": {"labels": 0}, "prior": {"name": "gaussian", "dimensions": 2}}
    sds = []
    for least in (0.0, 0.5):
        made = tiny.model(**gaussian, model={"encoder": "gaussian", "minimum_sd": least})
        params, stats = models.initialise(made, 0)
        posterior = models.encode(made, params["encoder"], stats["encoder"], images, keys)
        sds.append(np.exp(np.asarray(posterior.log_sd)))
    np.testing.assert_allclose(sds[1], np.sqrt(sds[0] ** 2 + 0.25), rtol=1e-5)
