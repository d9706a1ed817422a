"""A system that is nothing like the autoencoders is trained, resumed, evaluated, reported and loaded by the house."""

import json

import jax
import numpy as np
import pytest

import pixelgan_jax as pg
from experiments import base
from pixelgan_jax.commands import replicates
from pixelgan_jax.config.convert import describe
from pixelgan_jax.errors import InputError
from pixelgan_jax.evaluation import trained
from pixelgan_jax.methods import registry
from pixelgan_jax.methods.method import Batch, DataSpec, Examples
from pixelgan_jax.training import logs, parallel
from tests.methods import ensemble


@pytest.fixture(scope="module", autouse=True)
def registered():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.METHODS, "ensemble", registry.Entry(ensemble.EnsembleConfig, ensemble.make))
        patch.setitem(registry.CONFIGS, "ensemble", ensemble.EnsembleConfig)
        yield


def config(**train):
    fields = base.get_config("ensemble")
    fields.data.labels = 100
    fields.train.update(steps=6, log_every=2, evaluate_every=6, checkpoint_every=3)
    fields.train.update(train)
    return registry.from_dict(fields)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seam") / "run"
    replicates.execute("train", "ensemble", config(), folder)
    return folder


def test_it_has_a_group_of_its_own_and_not_the_others():
    made = config()
    assert made.ensemble.weight == 1.0 and not hasattr(made, "prior")
    with pytest.raises(InputError, match="^config.prior: no such group; a config has method, data, ensemble, train"):
        fields = base.get_config("ensemble")
        fields.prior = base.get_config().prior
        registry.from_dict(fields)
    with pytest.raises(InputError, match="^config.ensemble: no such group; a config has method, data, model, "):
        fields = base.get_config()
        fields.ensemble = base.get_config("ensemble").ensemble
        registry.from_dict(fields)
    assert "--config.ensemble.weight=1.0\n      of the squared distance" in describe(ensemble.EnsembleConfig)


def test_training_leaves_what_applies(workdir, capsys):
    results = json.loads((workdir / "results.json").read_text())
    assert results["config"]["method"] == {"name": "ensemble"}
    assert set(results["test"]) == {"examples", "error"} and results["test"]["error"] < 0.9
    assert {path.name for path in (workdir / "samples").iterdir()} == {
        "code.png",
        "confusion.png",
        "curves.png",
        "mistakes.png",
    }
    assert "classification error" in (workdir / "report.html").read_text()
    rows = logs.read(workdir)
    assert [row["step"] for row in rows] == [1, 2, 4, 6]
    assert set(rows[0]) == {"step", "classification_loss", "classification_gradient_norm", "images_per_second"}


def test_a_resumed_run_is_the_whole_one_bit_for_bit(workdir, tmp_path):
    replicates.execute("train", "ensemble", config(steps=3), tmp_path / "run")
    replicates.execute("train", "ensemble", config(), tmp_path / "run")
    whole, resumed = (trained.load(folder) for folder in (workdir, tmp_path / "run"))
    assert resumed.step == whole.step == 6
    assert np.array_equal(whole.variables["kernel"], resumed.variables["kernel"])


def test_the_other_modes_and_python_do_what_it_can_and_name_what_it_cannot(workdir):
    replicates.execute("evaluate", "ensemble", config(), workdir)
    replicates.execute("sample", "ensemble", config(), workdir)
    model, images = pg.load(workdir), np.zeros((3, 8, 8, 1), np.uint8)
    assert model.classify(images).shape == (3,)
    for name, arguments in {"encode": [images], "log_prob": [images] * 2, "sample": [images], "generate": [3]}.items():
        with pytest.raises(ValueError, match=f"^{name}: the method 'ensemble' cannot do this"):
            getattr(model, name)(*arguments)


def test_every_device_has_every_images_memory():
    """Also of images that other devices saw: the memory after a step is that of one device."""
    data = DataSpec((2, 2, 1), 3, images=24, labels=6)
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (24, 2, 2, 1)).astype(np.uint8)
    labelled = np.arange(0, 24, 4, dtype=np.int32)
    examples = Examples.of(images, labelled, labelled % 3, np.int32(0))
    batch = Batch(random.permutation(24)[None, :16].astype(np.int32), np.zeros((1, 16), np.int32))
    memories = []
    for devices in (jax.devices()[:1], jax.devices()):
        mesh, method = parallel.make_mesh(devices), registry.make(config(), data)
        state = trained.initial(method, config(), mesh)
        call = parallel.compile_step(method.step, mesh)
        state, _ = call(state, parallel.replicate(examples, mesh), parallel.split_batch(batch, mesh))
        memories += [np.asarray(shard.data) for shard in state.stats["memory"].addressable_shards]
    assert len(memories) == 1 + len(jax.devices())
    assert np.count_nonzero(memories[0].sum(axis=1)) == 16
    for memory in memories[1:]:
        np.testing.assert_allclose(memory, memories[0], rtol=1e-5)
