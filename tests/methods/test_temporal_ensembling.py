"""Temporal Ensembling and the Π-model: losses by hand, the ensemble, ramps, devices, resume."""

import json
import math
import shutil
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pixelgan_jax as pg
from experiments import base
from pixelgan_jax.commands import replicates
from pixelgan_jax.errors import InputError
from pixelgan_jax.evaluation import trained
from pixelgan_jax.methods import registry
from pixelgan_jax.methods import temporal_ensembling as te
from pixelgan_jax.methods.method import Batch, DataSpec, Examples
from pixelgan_jax.training import logs, parallel
from tests import tiny

DATA = DataSpec((8, 8, 1), 3, images=24, labels=6)
TARGETS = ["ensemble", pytest.param("second_pass", marks=pytest.mark.slow)]


def fields(**ensembling):
    made = base.get_config("temporal_ensembling")
    made.data.labels = 6
    made.ensembling.update({"blocks": (4, 5), "head": (6, 7), **ensembling})
    made.train.update(steps=10, batch_size=16)
    return made


def config(**ensembling):
    return registry.from_dict(fields(**ensembling))


def examples():
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (24, *DATA.shape)).astype(np.uint8)
    labelled = np.arange(0, 24, 4, dtype=np.int32)
    return Examples.of(images, labelled, labelled // 4 % 3, np.int32(0))


def batches(count):
    random = np.random.RandomState(1)
    return [
        Batch(random.permutation(24)[None, :16].astype(np.int32), random.randint(0, 6, (1, 16)).astype(np.int32))
        for _ in range(count)
    ]


@cache
def steps(made, devices, count):
    """(states, metrics, the last state on the devices) of a few steps on so many devices, the first state being that
    before them."""
    mesh, method = parallel.make_mesh(jax.devices()[:devices]), registry.make(made, DATA)
    state, told = trained.initial(method, made, mesh), []
    states = [jax.device_get(state)]
    call = parallel.compile_step(method.step, mesh)
    placed = parallel.replicate(examples(), mesh)
    for batch in batches(count):
        state, metrics = call(state, placed, parallel.split_batch(batch, mesh))
        states.append(jax.device_get(state))
        told.append({name: float(value[0]) for name, value in jax.device_get(metrics).items()})
    return states, told, state


def test_the_squared_distance_by_hand():
    """Two images of three classes, of which the second has no target yet: (0.1² + 0.2² + 0.3²) / 6."""
    told = jnp.array([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]])
    target = jnp.array([[0.4, 0.1, 0.5], [0.0, 0.0, 0.0]])
    found = te.squared_distance(told, target, jnp.array([1.0, 0.0]))
    assert float(found) == pytest.approx((0.01 + 0.04 + 0.09) / 6, rel=1e-5)


def test_ramps_by_hand():
    """The paper's: exp(-5 (1 - T)²) over the first 80 of 300 epochs, exp(-12.5 T²) over the last 50."""
    for epoch, expected in ((0, math.exp(-5)), (40, math.exp(-1.25)), (80, 1.0), (300, 1.0)):
        assert float(te.ramp_up(epoch / 300, 80 / 300)) == pytest.approx(expected, rel=1e-4)
    assert float(te.ramp_up(jnp.zeros(()), 0.0)) == 1.0  # no ramp
    for epoch, expected in ((0, 1.0), (250, 1.0), (275, math.exp(-12.5 / 4)), (300, math.exp(-12.5))):
        assert float(te.ramp_down(epoch / 300, 50 / 300)) == pytest.approx(expected, rel=1e-3)


def test_adams_momentum_falls_with_the_rate():
    """b1 is 0.9 until the rate falls, and 0.5 at the end; read from Adam's mean of a gradient that stays 1."""
    made = config(ramp_down=0.5)
    optimizer, params = te.optimizer(made), {"a": jnp.zeros(1)}
    state, mean, found = optimizer.init(params), 0.0, []
    for _ in range(made.train.steps + 1):
        _, state = optimizer.update({"a": jnp.ones(1)}, state, params)
        before, mean = mean, float(state.inner_state[0].mu["a"][0])
        found.append((1 - mean) / (1 - before))
    expected = [0.9] * 6 + [0.5 + 0.4 * math.exp(-12.5 * (i / 5) ** 2) for i in range(1, 6)]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_the_ensemble_is_a_bias_corrected_moving_average():
    """Of the predictions 0.9, 0.5, 0.1 with momentum 0.6: (0.4 · (0.36 · 0.9 + 0.6 · 0.5 + 0.1)) / (1 - 0.6³)."""
    settings = config().ensembling
    stats = {"memory": jnp.zeros((2, 1)), "seen": jnp.zeros(2)}
    mean, known = te._remembered(settings, stats, jnp.array([0, 1]))
    assert known.tolist() == [0, 0]

    def gathered(stats, told):
        function = lambda told: te._remember(settings, stats, jnp.array([0]), told)  # noqa: E731
        return jax.tree.map(lambda x: x[0], jax.vmap(function, axis_name="data")(told))

    for told in (0.9, 0.5, 0.1):
        stats = gathered(stats, jnp.full((1, 1, 1), told))
    mean, known = te._remembered(settings, stats, jnp.array([0, 1]))
    assert known.tolist() == [1, 0]
    assert float(mean[0, 0]) == pytest.approx(0.4 * (0.36 * 0.9 + 0.6 * 0.5 + 0.1) / (1 - 0.6**3), rel=1e-5)


def test_an_image_that_is_twice_in_a_mini_batch_is_remembered_once():
    """As where it ends one epoch and begins the next; its target stays a prediction, whose parts sum to 1."""
    settings = config().ensembling
    stats = {"memory": jnp.zeros((2, 2)), "seen": jnp.zeros(2)}
    function = lambda told: te._remember(settings, stats, jnp.array([1, 1]), told)  # noqa: E731
    found = jax.vmap(function, axis_name="data")(jnp.array([[[0.9, 0.1], [0.9, 0.1]]]))
    mean, _ = te._remembered(settings, jax.tree.map(lambda x: x[0], found), jnp.array([1]))
    np.testing.assert_allclose(mean[0], [0.9, 0.1], rtol=1e-5)


@pytest.mark.parametrize("target", TARGETS)
def test_a_step_is_the_same_on_one_device_and_on_eight(target):
    """Parameters, statistics and every device's memory of every image."""
    made = config(target=target)
    (one, told, _), (eight, told_by_eight, state) = (steps(made, devices, 3) for devices in (1, 8))
    for alone, shared in zip(told, told_by_eight, strict=True):
        for name, value in alone.items():
            assert shared[name] == pytest.approx(value, rel=2e-4, abs=1e-6), name
    for a, b in zip(jax.tree.leaves(one[-1].stats), jax.tree.leaves(eight[-1].stats), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5)
    if target == "ensemble":
        shards = [np.asarray(shard.data) for shard in state.stats["memory"].addressable_shards]
        assert len(shards) == len(jax.devices()) and all(np.array_equal(shard, shards[0]) for shard in shards)
        assert one[-1].stats["seen"].sum() == 3 * 16
    else:
        assert set(one[-1].stats) == {"classifier"}


@pytest.mark.slow
@pytest.mark.parametrize("target", ["ensemble", "second_pass"])
def test_gradients_agree_on_one_device_and_on_eight(target, monkeypatch):
    """Of the second step, in which there is something to agree with."""
    monkeypatch.setattr(te, "optimizer", lambda config: tiny.recorder())
    registry._make.cache_clear()
    made = config(target=target, weight=300.0)
    (one, _, _), (eight, _, _) = (steps.__wrapped__(made, devices, 2) for devices in (1, 8))
    registry._make.cache_clear()
    tiny.assert_same_gradients(one[-1].opt, eight[-1].opt)


def test_the_first_step_has_nothing_to_agree_with_and_later_ones_have():
    _, told, _ = steps(config(), 1, 3)
    assert told[0]["consistency_loss"] == 0.0 < told[-1]["consistency_loss"]
    assert told[0]["consistency_weight"] < told[-1]["consistency_weight"] < 30.0


@pytest.mark.parametrize("some", [{"dropout": 0.5}, {"noise": 1.0}, {"translation": 2.0}])
def test_dropout_noise_and_views_are_each_images_own(some):
    """A prediction depends on its own key: under others the same images are told otherwise, under the same alike."""
    made = config(**{"dropout": 0.0, "noise": 0.0, "translation": 0.0} | some)
    method = registry.make(made, DATA)
    state = method.init(0)
    model = method.step.args[1]
    images, keys = examples().images(np.arange(4)), jax.random.split(jax.random.key(0), 4)

    @jax.jit
    def predict(keys):
        told, _ = jax.vmap(
            lambda x, k: te._predict(made.ensembling, model, state.params, state.stats["classifier"], x, k),
            axis_name="data",
        )(images[None], keys[None])
        return told[0]

    same, other = predict(keys), predict(jax.random.split(jax.random.key(1), 4))
    assert np.array_equal(predict(keys), same) and not np.any(np.all(same == other, axis=1))


@pytest.fixture(scope="module", params=TARGETS)
def run(request, tmp_path_factory):
    """Four steps on the digits, evaluated and reported."""
    made = base.get_config("temporal_ensembling")
    made.data.labels = 20
    made.ensembling.update(target=request.param, blocks=(4, 4), head=(8,))
    made.train.update(steps=4, batch_size=16, log_every=2, evaluate_every=4, checkpoint_every=2)
    folder = tmp_path_factory.mktemp("te") / "run"
    replicates.execute("train", "te", registry.from_dict(made), folder)
    return made, folder


def test_a_resumed_run_is_the_whole_one_bit_for_bit(run, tmp_path):
    """Its memory among the rest. The ramps are parts of the run, so its length is the same from the start."""
    made, whole = run
    stopped = tmp_path / "run"
    shutil.copytree(whole, stopped)
    shutil.rmtree(stopped / "checkpoints" / "4")
    replicates.execute("train", "te", registry.from_dict(made), stopped)
    first, second = (trained.load(folder) for folder in (whole, stopped))
    assert first.step == second.step == 4
    for a, b in zip(jax.tree.leaves(first.variables), jax.tree.leaves(second.variables), strict=True):
        assert np.array_equal(a, b)


def test_the_house_reports_and_python_classifies(run):
    _, folder = run
    results = json.loads((folder / "results.json").read_text())
    assert set(results["test"]) == {"examples", "error"}
    (validated,) = [row["validation_error"] for row in logs.read(folder) if "validation_error" in row]
    saved = json.loads((folder / "checkpoints" / "4" / "meta" / "metadata").read_text())
    assert saved["selection_error"] == pytest.approx(validated)  # what the best checkpoint is kept by
    assert {"classification_loss", "consistency_loss", "consistency_weight"} <= set(logs.read(folder)[0])
    pictures = {path.name for path in (folder / "samples").iterdir()}
    assert pictures == {"code.png", "confusion.png", "curves.png", "mistakes.png"}
    model = pg.load(folder)
    assert model.classify(np.zeros((3, 8, 8, 1), np.uint8)).shape == (3,)
    with pytest.raises(ValueError, match="^generate: the method 'temporal_ensembling' cannot do this"):
        model.generate(2)


@pytest.mark.parametrize(
    ("group", "changes", "message"),
    [
        ("data", {"labels": 0}, r"config\.data\.labels: 0 is not allowed: must be above 0"),
        ("ensembling", {"ramp_up": 0.9, "ramp_down": 0.2}, r"config\.ensembling\.ramp_down: 0\.2 is not allowed"),
        ("ensembling", {"ramp_up": 1.5}, r"config\.ensembling\.ramp_up: 1\.5 is not allowed"),
        ("ensembling", {"dropout": 1.0}, r"config\.ensembling\.dropout: 1\.0 is not allowed"),
        ("ensembling", {"target": "both"}, r"config\.ensembling\.target: 'both' is not allowed"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(group, changes, message):
    made = fields()
    made[group].update(changes)
    with pytest.raises(InputError, match=f"^{message}"):
        registry.from_dict(made)


def test_fields_of_the_autoencoder_are_refused():
    made = fields()
    made.model = base.get_config().model
    with pytest.raises(
        InputError, match=r"^config\.model: no such group; a config has method, data, ensembling, train"
    ):
        registry.from_dict(made)
