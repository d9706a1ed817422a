"""--mode export: a model to take along draws what the workdir's draws, and is refused where it is damaged."""

import dataclasses
import hashlib
import json
import shutil
import zipfile

import jax
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

import pixelgan_jax as pg
from experiments import digits
from pixelgan_jax.cli import run_command
from pixelgan_jax.commands import export
from pixelgan_jax.config import Data
from pixelgan_jax.data.sources import load
from pixelgan_jax.errors import InputError
from pixelgan_jax.methods.registry import from_dict
from pixelgan_jax.training import description, exported
from tests.commands.test_predict import SMALL, command, rows
from tests.data.test_hostile_files import damaged
from tests.hostile import bounded, check_line

SLOW = ["digits_clusters", "digits_gaussian"]
EXPERIMENTS = ["digits", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]


@pytest.fixture(scope="module", params=EXPERIMENTS)
def run(request, tmp_path_factory):
    """(the experiment, its workdir, the export beside it)."""
    folder = tmp_path_factory.mktemp(request.param) / "run"
    assert command(request.param, folder, *SMALL) == 0
    assert command(request.param, folder, "--mode", "export", *SMALL) == 0
    return request.param, folder, folder / "export"


def zipped(folder, tmp_path):
    return shutil.make_archive(str(tmp_path / "model"), "zip", folder.parent, folder.name)


def test_an_export_draws_encodes_and_classifies_as_the_workdir_does(run, tmp_path):
    experiment, folder, export = run
    images = load(Data()).test.images[:20]
    own = pg.load(folder)
    for place in (export, zipped(export, tmp_path)):
        taken = pg.load(place)
        assert taken.step == own.step and taken.config == own.config
        assert pg.load(place, step=own.step).step == pg.load(folder, step="best").step == own.step
        with pytest.raises(InputError, match=f"^step best: .* is an exported model, of step {own.step} alone$"):
            pg.load(place, step="best")
        np.testing.assert_array_equal(taken.generate(5, seed=3), own.generate(5, seed=3))
        np.testing.assert_array_equal(taken.encode(images), own.encode(images))
        first, second = taken.predict(images), own.predict(images)
        assert set(first) == set(second) and all(np.array_equal(first[name], second[name]) for name in first)
        if experiment == "digits":
            np.testing.assert_array_equal(taken.classify(images), own.classify(images))


def test_there_are_weights_alone_and_a_card_that_tells_them(run):
    experiment, folder, export = run
    assert sorted(path.name for path in export.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    arrays = safetensors.numpy.load((export / "model.safetensors").read_bytes())
    assert {name.split("/")[1] for name in arrays} == {"encoder", "decoder"}
    card, results = (export / "README.md").read_text(), json.loads((folder / "results.json").read_text())
    if experiment == "digits":
        assert f"| Classification error, % | {100 * results['test']['error']:.2f} |" in card
        assert "pg.load(" in card and "100 of them with labels" in card and "its licence is its makers'" in card
        assert "Nats are those of pixels of 17 levels." in card
    told = json.loads((export / "config.json").read_text())
    assert told["results"]["test"] == results["test"] and told["experiment"] == experiment


@pytest.mark.slow
def test_where_the_data_lay_is_left_out(tmp_path):
    digits_ = load(Data())
    np.savez(tmp_path / "own.npz", images=digits_.test.images, labels=digits_.test.labels)
    own = [f"--config.data.name={tmp_path}/own.npz", f"--config.data.dir={tmp_path}", "--config.data.validation=20"]
    assert command("digits_clusters", tmp_path / "run", *SMALL, *own) == 0
    assert command("digits_clusters", tmp_path / "run", "--mode=export") == 0
    told = json.loads((tmp_path / "run" / "export" / "config.json").read_text())
    assert told["config"]["data"]["name"] == "own.npz" and told["config"]["data"]["dir"] == ""
    assert str(tmp_path) not in (tmp_path / "run" / "export" / "README.md").read_text()
    assert pg.load(tmp_path / "run" / "export").generate(1).shape == (1, 8, 8, 1)


@pytest.mark.parametrize(
    ("name", "kept"),
    [("home/alice/photos", "photos"), ("../photos", "photos"), ("mnist", "mnist"), ("digits", "digits")],
)
def test_of_a_path_the_last_part_is_kept(name, kept):
    config = from_dict(digits.get_config())
    away = dataclasses.replace(config, data=dataclasses.replace(config.data, name=name, dir="/home/alice"))
    assert (export._placeless(away).data.name, export._placeless(away).data.dir) == (kept, "")


def test_predict_takes_an_export(run, tmp_path):
    """Its clusters keep their names."""
    experiment, folder, export = run
    for place in (folder, export):
        out = tmp_path / place.name
        assert command(experiment, place, "--mode=predict", "--input=digits", f"--output={out}") == 0
    assert rows(tmp_path / folder.name) == rows(tmp_path / export.name)


@pytest.mark.slow
def test_weights_of_8_bits_take_a_quarter_and_change_next_to_nothing(tmp_path):
    """Of a digits run at full width, large kernels; the export of before is replaced."""
    folder, images = tmp_path / "run", load(Data()).test.images
    assert command("digits", folder, "--config.train.steps=20", "--config.sample.count=4") == 0
    assert command("digits", folder, "--mode=export") == 0
    whole, size = pg.load(folder / "export"), (folder / "export" / exported.WEIGHTS).stat().st_size
    assert command("digits", folder, "--mode=export", "--weights=int8") == 0
    small = pg.load(folder / "export")
    assert (folder / "export" / exported.WEIGHTS).stat().st_size < 0.4 * size
    assert "in 8 bits" in (folder / "export" / "README.md").read_text()
    np.testing.assert_allclose(small.encode(images), whole.encode(images), atol=0.02)
    code = whole.encode(images)
    ours, theirs = (model.log_prob(images, code).sum(axis=(1, 2)) for model in (small, whole))
    np.testing.assert_allclose(ours, theirs, rtol=5e-3)


def test_a_kernel_of_8_bits_is_within_half_a_step(tmp_path):
    """Channels of one value, of zeros and of other sizes; a scale that does not fit is refused."""
    kernel = np.random.RandomState(0).normal(size=(3, 3, 64, 64)).astype(np.float32) * np.logspace(-3, 3, 64)
    kernel = kernel.astype(np.float32)
    kernel[..., 0], kernel[..., 1] = 0, 2.5
    variables = {"a": kernel, "b": np.ones(1 << 15, np.float32)}
    like = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), variables)
    meta = exported.ExportMeta(
        "digits", from_dict(digits.get_config()), exported.DataSpec((8, 8, 1), 10), 3, (), (), {}
    )
    exported.write(tmp_path, variables, meta, "int8")
    read, _ = exported.read(tmp_path, lambda meta: like)
    np.testing.assert_array_equal(read["b"], variables["b"])
    step = np.abs(kernel).max(axis=(0, 1, 2)) / 127
    assert np.all(np.abs(read["a"] - kernel) <= 0.501 * step)
    np.testing.assert_allclose(read["a"][..., :2], kernel[..., :2], rtol=1e-6)
    arrays = safetensors.numpy.load((tmp_path / exported.WEIGHTS).read_bytes())
    broken = {"a": arrays["a"], "b": arrays["b"], "a/scale": arrays["a/scale"][:3]}
    with pytest.raises(ValueError, match="a is not 8 bits with a scale for each channel"):
        exported._whole(broken, "a")


def test_an_override_that_is_not_the_models_is_refused(run, capsys):
    experiment, folder, export = run
    before = {path.name: path.read_bytes() for path in export.iterdir()}
    assert command(experiment, folder, "--mode=export", "--config.model.channels=64") == 2
    assert "config.model.channels: 64 differs from the checkpoint's" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in export.iterdir()} == before


@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize("mode", ["train", "evaluate", "sample"])
def test_an_export_is_no_workdir_to_train_in(run, capsys, mode, seeds):
    experiment, _, export = run
    before = {path.name: path.read_bytes() for path in export.iterdir()}
    assert command(experiment, export, f"--mode={mode}", f"--config.train.replicates={seeds}", *SMALL) == 2
    assert "export: holds an exported model, weights alone; must be another folder" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in export.iterdir()} == before


def test_a_workdir_without_a_checkpoint_is_refused(tmp_path, capsys):
    assert run_command(["--config=experiments/digits.py", f"--workdir={tmp_path}", "--mode=export"]) == 2
    assert "holds no checkpoint" in capsys.readouterr().err and not list(tmp_path.iterdir())


VARIABLES = ({"a": np.arange(6, dtype=np.float32).reshape(2, 3)}, {"b": np.ones(2, np.float32)})
LIKE = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), VARIABLES)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """An export of two small arrays."""
    folder = tmp_path_factory.mktemp("small") / "model"
    config = from_dict(digits.get_config())
    data = exported.DataSpec((8, 8, 1), 10, 1197, 100)
    exported.write(folder, VARIABLES, exported.ExportMeta("digits", config, data, 3, ("0", "1"), (), {}))
    return folder


def test_what_was_written_is_read(small):
    variables, meta = exported.read(small, lambda meta: LIKE)
    assert jax.tree.all(jax.tree.map(np.array_equal, variables, VARIABLES))
    assert meta.step == 3 and meta.names == ("0", "1") and meta.data.labels == 100


@given(data=st.data())
def test_hostile_exports_are_read_as_they_were_or_refused_in_one_line(small, tmp_path, data):
    """A damaged folder, and a damaged .zip of it."""
    place = tmp_path / "model"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(small, place)
    if data.draw(st.booleans()):
        file = place / data.draw(st.sampled_from([exported.WEIGHTS, exported.DESCRIPTION]))
    else:
        place = file = tmp_path / "model.zip"
        shutil.make_archive(str(tmp_path / "model"), "zip", small)
    file.write_bytes(data.draw(damaged([file.read_bytes()])))
    with bounded(4 << 20):
        try:
            variables, _ = exported.read(place, lambda meta: LIKE)
        except InputError as error:
            check_line(error)
        else:
            assert jax.tree.all(jax.tree.map(np.array_equal, variables, VARIABLES))


def rewritten(small, tmp_path, arrays=None, **changes):
    """The export with other weights or another description, under right checksums."""
    folder = tmp_path / "other"
    shutil.copytree(small, folder)
    described = json.loads((folder / exported.DESCRIPTION).read_text())
    described.pop("checksum")
    if arrays is not None:
        content = safetensors.numpy.save(arrays)
        (folder / exported.WEIGHTS).write_bytes(content)
        described["sha256"] = hashlib.sha256(content).hexdigest()
    described |= changes
    described["checksum"] = description.checksum(described)
    (folder / exported.DESCRIPTION).write_text(json.dumps(described))
    return folder


@pytest.mark.parametrize(
    ("arrays", "changes", "message"),
    [
        ({"0/a": np.zeros((2, 3), np.float32)}, {}, r"1/b is not float32 \[2\]"),
        ({"0/a": np.zeros((3, 2), np.float32), "1/b": np.ones(2, np.float32)}, {}, r"0/a is not float32 \[2, 3\]"),
        ({"0/a": np.zeros((2, 3)), "1/b": np.ones(2, np.float32)}, {}, r"0/a is not float32 \[2, 3\]"),
        ({"0/a": np.zeros(1 << 19)}, {}, r"model\.safetensors is longer than the model it describes"),
        (None, {"format": 2}, r"is of format 2; must be 1"),
        (None, {"data": {"shape": [8, 8], "classes": 1, "images": 1, "labels": 1}}, r"a value that no export writes"),
        (None, {"names": [1]}, r"a value that no export writes"),
        (None, {"config": {}}, r"/other: config\."),
    ],
)
def test_another_model_than_it_says_is_refused(small, tmp_path, arrays, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        exported.read(rewritten(small, tmp_path, arrays, **changes), lambda meta: LIKE)
    check_line(caught.value)


@pytest.mark.parametrize("content", ['"text"', "[]", "5", "null", "{}", "{", ""])
def test_a_description_that_is_none_is_refused(small, tmp_path, content):
    folder = tmp_path / "other"
    shutil.copytree(small, folder)
    (folder / exported.DESCRIPTION).write_text(content)
    with pytest.raises(InputError, match="^.*other: damaged, or no exported model: ") as caught:
        exported.read(folder, lambda meta: LIKE)
    check_line(caught.value)


def test_a_zip_that_unpacks_without_end_costs_nothing(small, tmp_path):
    """Of zeros, which pack a thousandfold."""
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(small / exported.DESCRIPTION, exported.DESCRIPTION)
        archive.writestr(exported.WEIGHTS, bytes(64 << 20))
    with bounded(4 << 20), pytest.raises(InputError, match="is longer than the model it describes"):
        exported.read(tmp_path / "bomb.zip", lambda meta: LIKE)
