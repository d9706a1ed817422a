"""CatGAN and InfoGAN: losses by hand, phases, devices, resume, what the house makes of them."""

import json
import math
import shutil
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import pixelgan_jax as pg
from experiments import base
from pixelgan_jax.commands import replicates
from pixelgan_jax.errors import InputError
from pixelgan_jax.evaluation import trained
from pixelgan_jax.methods import catgan, gan, infogan, registry
from pixelgan_jax.methods.method import AXIS, Batch
from pixelgan_jax.report import figures
from pixelgan_jax.training import logs, parallel
from tests import tiny
from tests.methods.test_temporal_ensembling import DATA, examples

METHODS = ("catgan", "infogan")
SLOW_CATGAN = [pytest.param("catgan", marks=pytest.mark.slow), "infogan"]  # of what they share one does for most runs
SMALL = {
    "catgan": {"blocks": (4, 5), "head": (6,), "categories": 3},
    "infogan": {"channels": (4, 5), "units": 6, "code_units": 4, "categories": 3},
}
GENERATOR = {"generator_units": 7, "generator_features": 4, "noise_dimensions": 5}


def fields(method, **changes):
    made = base.get_config(method)
    made.data.labels = 6 if method == "catgan" else 0
    made[method].update(SMALL[method] | GENERATOR | changes)
    made.train.update(steps=10, batch_size=16)
    return made


def config(method, **changes):
    return registry.from_dict(fields(method, **changes))


def step(made, devices):
    """(the state before a step, that after it, its metrics)."""
    mesh, method = parallel.make_mesh(devices), registry.make(made, DATA)
    before = trained.initial(method, made, mesh)
    start = jax.device_get(before)
    random = np.random.RandomState(1)
    batch = Batch(random.permutation(24)[None, :16].astype(np.int32), random.randint(0, 6, (1, 16)).astype(np.int32))
    call = parallel.compile_step(method.step, mesh)
    after, metrics = call(before, parallel.replicate(examples(), mesh), parallel.split_batch(batch, mesh))
    return start, jax.device_get(after), {name: float(value[0]) for name, value in jax.device_get(metrics).items()}


def on_one_device(function):
    """The function's value under the device axis that it averages over."""
    return jax.tree.map(lambda x: float(x[0]), jax.vmap(function, axis_name=AXIS)(jnp.zeros(1)))


def entropy(*probabilities):
    return -sum(p * math.log(p) for p in probabilities)


def test_catgans_losses_by_hand():
    """Two images that it is rather sure of, two generated ones; each term with its sign and weight."""
    real, generated = jnp.log(jnp.array([[0.9, 0.1], [0.2, 0.8]])), jnp.log(jnp.array([[0.5, 0.5], [0.7, 0.3]]))
    conditional, marginal = (entropy(0.9, 0.1) + entropy(0.2, 0.8)) / 2, entropy(0.55, 0.45)
    unsure, mixed = (entropy(0.5, 0.5) + entropy(0.7, 0.3)) / 2, entropy(0.6, 0.4)
    settings = config("catgan", certainty=0.5, balance=2.0).catgan
    loss, told = on_one_device(lambda _: catgan.discriminator_loss(settings, real, generated))
    assert loss == pytest.approx(0.5 * conditional - 2.0 * marginal - unsure, rel=1e-5)
    expected = {"conditional_entropy": conditional, "marginal_entropy": marginal, "generated_entropy": unsure}
    assert told == pytest.approx(expected, rel=1e-5)
    loss, told = on_one_device(lambda _: catgan.generator_loss(generated))
    assert loss == pytest.approx(unsure - mixed, rel=1e-5)
    expected = {"generated_conditional_entropy": unsure, "generated_marginal_entropy": mixed}
    assert told == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("schedule", "after"), [("cosine", (0.75, 0.0)), ("constant", (1.0, 1.0))])
def test_rates_follow_the_schedule(schedule, after):
    """The rate is 3/4 of the phase's own a third of the way and 0 at the end, or stays."""
    settings = config("catgan", schedule=schedule, generator_rate=2e-3).catgan
    for phase, rate in (("generator", 2e-3), ("discriminator", settings.discriminator_rate)):
        optimizer = gan.optimizer(settings, 30, phase)
        params, moved = jnp.zeros(1), []
        state = optimizer.init(params)
        for _ in range(31):
            update, state = optimizer.update(jnp.ones(1), state, params)
            moved.append(-float(update[0]))
        assert moved[0] == pytest.approx(rate, rel=1e-3)  # Adam's update of a gradient that stays is its rate
        np.testing.assert_allclose([moved[10], moved[30]], rate * np.array(after), rtol=1e-3, atol=1e-9)


def test_an_entropy_of_certainties_is_zero_and_its_gradient_finite():
    sure = jnp.log(jnp.array([[1.0, 0.0], [1.0, 0.0]]) + 1e-30)
    value, slope = jax.vmap(lambda _: jax.value_and_grad(catgan.marginal_entropy)(sure), axis_name=AXIS)(jnp.zeros(1))
    assert float(value[0]) == pytest.approx(0.0, abs=1e-6) and np.all(np.isfinite(slope))


def test_infogans_code_loss_by_hand():
    """-log Q of category 1, and half the squared distance of the continuous entries from their means."""
    category, mean = jnp.log(jnp.array([[0.2, 0.8], [0.6, 0.4]])), jnp.array([[0.5], [1.0]])
    code = jnp.array([[0.0, 1.0, 1.5], [1.0, 0.0, 0.0]])
    found = float(infogan.code_loss(category, mean, code))
    assert found == pytest.approx((-math.log(0.8) + 0.5 - math.log(0.6) + 0.5) / 2, rel=1e-5)


ALONE = {  # the other phase's rate is next to nothing; the generators differ
    "discriminator": {"generator_rate": 1e-30, "noise_dimensions": 9},
    "generator": {"discriminator_rate": 1e-30},
}


@cache
def step_of(method, phase):
    """A step of which one phase alone moves anything."""
    return step(config(method, **ALONE[phase]), jax.devices()[:1])


@pytest.mark.parametrize("method", SLOW_CATGAN)
@pytest.mark.parametrize("phase", gan.PHASES)
def test_each_phase_moves_its_own_role_alone(method, phase):
    other = next(name for name in gan.PHASES if name != phase)
    before, after, _ = step_of(method, phase)

    def moved(role):
        pairs = zip(jax.tree.leaves(before.params[role]), jax.tree.leaves(after.params[role]), strict=True)
        return [np.abs(a - b).max() > 1e-20 for a, b in pairs]

    assert any(moved(phase)) and not any(moved(other))


@pytest.mark.parametrize("method", SLOW_CATGAN)
def test_gradients_agree_on_one_device_and_on_eight(method, monkeypatch):
    monkeypatch.setattr(gan, "optimizer", lambda settings, steps, phase: tiny.recorder())
    registry._make.cache_clear()
    (_, one, told), (_, eight, told_by_eight) = (
        step(config(method, momentum=0.25), devices) for devices in (jax.devices()[:1], jax.devices())
    )
    registry._make.cache_clear()
    assert told == pytest.approx(told_by_eight, rel=1e-5)
    for phase in gan.PHASES:
        tiny.assert_same_gradients(one.opt[phase], eight.opt[phase])
    for a, b in zip(jax.tree.leaves(one.stats), jax.tree.leaves(eight.stats), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", SLOW_CATGAN)
def test_real_and_generated_images_are_normalised_apart(method):
    """The statistics that evaluation uses are those of real images: the generator's do not reach them."""
    (before, one, _), (_, other, _) = (step_of(method, phase) for phase in gan.PHASES)
    at_first, first, second = (jax.tree.leaves(state.stats["discriminator"]) for state in (before, one, other))
    assert not any(np.array_equal(a, b) for a, b in zip(at_first, first, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.fixture(scope="module", params=SLOW_CATGAN)
def run(request, tmp_path_factory):
    """Four steps on the digits, evaluated and reported."""
    made = fields(request.param, categories=10)
    made.data.labels = 20 if request.param == "catgan" else 0
    made.train.update(steps=4, log_every=2, evaluate_every=4, checkpoint_every=2)
    made.sample.count = 4
    folder = tmp_path_factory.mktemp(request.param) / "run"
    replicates.execute("train", request.param, registry.from_dict(made), folder)
    return made, folder


def test_a_resumed_run_is_the_whole_one_bit_for_bit(run, tmp_path):
    made, whole = run
    stopped = tmp_path / "run"
    shutil.copytree(whole, stopped)
    shutil.rmtree(stopped / "checkpoints" / "4")
    replicates.execute("train", made.method.name, registry.from_dict(made), stopped)
    first, second = (trained.load(folder) for folder in (whole, stopped))
    assert first.step == second.step == 4
    for a, b in zip(jax.tree.leaves(first.variables), jax.tree.leaves(second.variables), strict=True):
        assert np.array_equal(a, b)


def test_the_house_draws_by_category_and_has_no_likelihood(run):
    made, folder = run
    results = json.loads((folder / "results.json").read_text())
    clusters = {"cluster_error_best_example", "cluster_error_majority", "cluster_error_hungarian"}
    assert clusters <= set(results["test"]) and "reconstruction_nats" not in results["test"]
    rows = logs.read(folder)
    if made.method.name == "catgan":
        assert "error" in results["test"]
        told = {"conditional_entropy", "generated_entropy", "supervised_loss"}
        drawn = {"classes.png", "mistakes.png"}
    else:
        assert "error" not in results["test"]
        told, drawn = {"discriminator_loss", "generator_loss", "code_loss"}, {"clusters.png", "reconstructions.png"}
    assert told <= set(rows[0])
    names = {path.name for path in (folder / "samples").iterdir()}
    assert names == drawn | {"prior.png", "code.png", "confusion.png", "curves.png"}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_images_without_labels_are_enough(method, tmp_path):
    """There is no error and no likelihood to choose a checkpoint by; the run ends all the same."""
    np.savez(tmp_path / "own.npz", images=np.random.RandomState(0).randint(0, 256, (60, 8, 8), dtype=np.uint8))
    made = fields(method)
    made.data.update(name=str(tmp_path / "own.npz"), labels=0, validation=20)
    made.train.update(steps=2)
    made.sample.count = 4
    replicates.execute("train", method, registry.from_dict(made), tmp_path / "run")
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert not {"error", "cluster_error_majority", "reconstruction_nats"} & set(results["test"])
    assert results["test"]["clusters_used"] >= 1 and (tmp_path / "run" / "report.html").exists()


def test_python_draws_images_of_a_code_and_refuses_likelihoods(run):
    made, folder = run
    model = pg.load(folder)
    images = model.generate(3)
    assert images.shape == (3, 8, 8, 1) and images.dtype == np.uint8
    assert np.array_equal(model.generate(2), images[:2])
    with pytest.raises(ValueError, match=f"^log_prob: the method '{made.method.name}' cannot do this"):
        model.log_prob(images, np.eye(10, dtype=np.float32)[:3])
    if made.method.name == "catgan":
        assert model.classify(images).shape == (3,)
        with pytest.raises(ValueError, match="^encode: the method 'catgan' cannot do this"):
            model.encode(images)
    else:
        assert model.encode(images).shape == (3, 12)


def test_a_figure_of_samples_does_not_begin_with_one(run):
    made, folder = run
    task = figures.Task(made.method.name, registry.from_dict(made), folder)
    with pytest.raises(InputError, match=rf"^cell x: the method '{made.method.name}' has no likelihood: must have one"):
        figures.samples({"x": [task]}, {})


def test_catgans_image_of_a_category_is_one_that_the_discriminator_puts_there(monkeypatch):
    """By networks that are none: an image is of grey -1, 0 or 1, by its noise, and that is its category."""

    def averaged(network, variables, role, x, keys=None):
        if role == "generator":
            grey = jnp.where(x[:, 0] < -0.4, -1.0, jnp.where(x[:, 0] < 0.4, 0.0, 1.0))
            return jnp.broadcast_to(grey[:, None, None, None], (len(x), 4, 4, 1))
        return jnp.log(0.98 * jax.nn.one_hot(jnp.int32(x[:, 0, 0, 0]) + 1, 3) + 0.01)

    monkeypatch.setattr(gan, "apply_averaged", averaged)
    wanted = np.arange(30) % 3
    settings, keys = config("catgan").catgan, jax.random.split(jax.random.key(0), 30)
    given, known = np.zeros((30, 4, 4, 1), np.uint8), np.zeros(30, np.int32)
    images = catgan.draw(settings, None, None, None, (), jnp.eye(3)[wanted], keys, given, known)
    assert np.asarray(images)[:, 0, 0, 0].tolist() == [(0, 128, 255)[category] for category in wanted]


LOSSES = [
    ("catgan", "supervision", "discriminator", "supervised_loss"),
    ("infogan", "information", "discriminator", "code_loss"),
    ("infogan", "information", "generator", "code_loss"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "weight", "role", "loss"), LOSSES)
def test_a_weights_gradient_is_that_of_its_loss_and_lowers_it(method, weight, role, loss, monkeypatch):
    monkeypatch.setattr(gan, "optimizer", lambda settings, steps, phase: tiny.recorder())
    registry._make.cache_clear()
    mesh = parallel.make_mesh(jax.devices()[:1])
    random = np.random.RandomState(1)
    batch = Batch(random.permutation(24)[None, :16].astype(np.int32), random.randint(0, 6, (1, 16)).astype(np.int32))

    program = cache(lambda method: parallel.compile_step(method.step, mesh))

    def recorded(made, gradient=None):
        """(the role's gradient, the loss) of a step from a state moved down `gradient`."""
        method = registry.make(made, DATA)
        state = trained.initial(method, made, mesh)
        if gradient is not None:
            down = 0.01 / optax.tree.norm(gradient)
            own = {role: jax.tree.map(lambda x, slope: x - down * slope, state.params[role], gradient)}
            state = state.replace(params=state.params | own)
        placed = parallel.replicate((state, examples()), mesh)
        after, metrics = program(method)(*placed, parallel.split_batch(batch, mesh))
        return jax.device_get((after.opt[role], metrics[loss][0]))

    (without, before), (with_it, same) = (recorded(config(method, **{weight: value})) for value in (0.0, 1.0))
    slope = jax.tree.map(np.subtract, with_it, without)
    assert before == pytest.approx(float(same), rel=1e-5)
    assert optax.tree.norm(slope) > 1e-3 * optax.tree.norm(with_it)  # more than rounding
    assert recorded(config(method, **{weight: 0.0}), slope)[1] < before - 1e-4
    registry._make.cache_clear()


@pytest.mark.parametrize(
    ("method", "group", "changes", "message"),
    [
        (
            "infogan",
            "data",
            {"labels": 10},
            r"config\.data\.labels: 10 is not allowed: must be 0 with method\.name infogan",
        ),
        ("infogan", "infogan", {"categories": 1}, r"config\.infogan\.categories: 1 is not allowed"),
        ("infogan", "infogan", {"momentum": 1.0}, r"config\.infogan\.momentum: 1\.0 is not allowed"),
        ("catgan", "catgan", {"noise": -1.0}, r"config\.catgan\.noise: -1\.0 is not allowed"),
        ("catgan", "catgan", {"blocks": ()}, r"config\.catgan\.blocks: \(\) is not allowed"),
        ("catgan", "catgan", {"target": "ensemble"}, r"config\.catgan\.target: no such field"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(method, group, changes, message):
    made = fields(method).to_dict() if hasattr(fields(method), "to_dict") else fields(method)
    made[group].update(changes)
    with pytest.raises(InputError, match=f"^{message}"):
        registry.from_dict(made)


def test_labels_must_be_catgans_categories():
    with pytest.raises(
        InputError, match=r"^config\.catgan\.categories: 4 is not allowed: must be the data's 3 classes"
    ):
        registry.make(config("catgan", categories=4), DATA)
