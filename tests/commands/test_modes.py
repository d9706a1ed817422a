"""What each mode leaves in a workdir, which workdirs it refuses, and images of one's own from folder to report."""

import dataclasses
import json
import os
import shutil
import signal
from types import SimpleNamespace

import numpy as np
import pytest

from experiments import base
from pixelgan_jax import cli, load
from pixelgan_jax.commands import modes
from pixelgan_jax.commands.run import as_trained
from pixelgan_jax.config import to_dict
from pixelgan_jax.data import sources
from pixelgan_jax.errors import InputError
from pixelgan_jax.methods.registry import from_dict
from pixelgan_jax.training import workdir
from pixelgan_jax.training.signals import Interrupted
from tests.command_line import DIGITS, ROOT, SMALL, contents, refused, run
from tests.data.test_image_folder import write_pictures

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The workdir of a run that is done."""
    folder = tmp_path_factory.mktemp("main") / "run"
    assert cli.run_command(["--config", DIGITS, *SMALL, f"--workdir={folder}"]) == 0
    return folder


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of it to work on, and the command line for it."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run", ["--config", DIGITS, *SMALL, f"--workdir={tmp_path / 'run'}"]


def test_training_leaves_everything_behind(finished):
    names = {path.name for path in finished.iterdir()}
    assert names == {
        *("checkpoints", "config.json", "metrics.jsonl", "results.json", "explore.html", "report.html", "samples"),
        "tensorboard",
    }
    saved = json.loads((finished / "config.json").read_text())
    assert saved.pop("experiment") == "digits"
    assert from_dict(saved).train.steps == 3
    assert json.loads((finished / "results.json").read_text())["step"] == 3


def test_a_finished_run_resumes_at_its_end_and_shows_no_empty_bar(capsys, copied):
    folder, arguments = copied
    logged = (folder / "metrics.jsonl").read_bytes()
    status, out, err = run(capsys, *arguments)
    assert (status, err) == (0, "")
    assert "resumed from step 3\n" in out
    assert (folder / "metrics.jsonl").read_bytes() == logged


def test_a_run_goes_on_in_other_arithmetic_with_more_steps_a_call(capsys, copied):
    folder, arguments = copied
    before = (folder / "metrics.jsonl").read_text().splitlines()
    changed = ["--config.train.steps=8", "--config.train.dtype=bfloat16", "--config.train.steps_per_call=2"]
    status, out, _ = run(capsys, *arguments, *changed, "--config.train.log_every=2")
    assert status == 0 and "resumed from step 3\ntrain.steps: 3 before, " in out
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert rows[: len(before)] == [json.loads(line) for line in before]
    assert [row["step"] for row in rows[len(before) :]] == [4, 6, 8]
    results = json.loads((folder / "results.json").read_text())
    assert (results["step"], results["config"]["train"]["dtype"]) == (8, "bfloat16")
    assert json.loads((folder / "config.json").read_text())["train"]["steps_per_call"] == 2
    assert load(folder).config.train.steps == 8  # what the checkpoint says, too


def test_evaluate_and_sample_rewrite_what_is_theirs(capsys, copied):
    folder, arguments = copied
    results = json.loads((folder / "results.json").read_text())
    pictures = contents(folder / "samples")
    (folder / "results.json").unlink()
    shutil.rmtree(folder / "samples")
    status, out, err = run(capsys, *arguments, "--mode=sample")
    assert (status, err) == (0, "") and f"step 3: {folder / 'samples'}, {folder / 'explore.html'}" in out
    assert contents(folder / "samples") == {path: pictures[path] for path in contents(folder / "samples")}
    assert folder / "samples" / "prior.png" in contents(folder / "samples")
    going_on = "--config.train.dtype=bfloat16", "--config.train.steps=9"  # is not what it was trained with
    assert run(capsys, *arguments, "--mode=evaluate", *going_on)[::2] == (0, "")
    again = json.loads((folder / "results.json").read_text())
    assert again["config"] == results["config"]
    assert (again["test"], again["validation"]) == (results["test"], results["validation"])
    workdir.write_json(folder / "results.json", again | {"step": 2})
    status, out, err = run(capsys, *arguments, "--mode=sample")
    assert (status, err) == (0, "") and "the report's numbers are of step 2; --mode evaluate measures these\n" in out


@pytest.mark.parametrize("mode", ["evaluate", "sample"])
def test_what_it_was_trained_with_need_not_be_said_again(capsys, copied, mode):
    folder, _ = copied
    asked = ["--config", DIGITS, f"--workdir={folder}", f"--mode={mode}"]
    config = json.loads((folder / "results.json").read_text())["config"]
    before = (folder / "samples" / "prior.png").read_bytes()
    status, out, err = run(capsys, *asked, "--config.sample.seed=7")  # which may change
    assert (status, err) == (0, "") and f"as {folder} was trained: " in out and "config.model.channels=4" in out
    assert (folder / "samples" / "prior.png").read_bytes() != before
    config["sample"]["seed"] = 7
    assert json.loads((folder / "results.json").read_text())["config"] == config
    status, _, err = run(capsys, *asked, "--config.model.channels=8")
    assert status == 2 and "config.model.channels: 8 differs from the checkpoint's 4" in err
    (folder / "config.json").unlink()  # then the experiment's own are, which are others
    status, _, err = run(capsys, *asked)
    assert status == 2 and "differs from the checkpoint's" in err


def test_where_the_data_lie_may_have_changed_since_training(tmp_path):
    """The experiment's file has them where it names a folder, or the one of then is gone."""
    there, gone, begun = tmp_path / "there", tmp_path / "gone", tmp_path / "emnist-letters"
    there.mkdir()
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "emnist-letters-train-images-idx3-ubyte.gz").touch()  # whose beginning is a data set's name
    config = from_dict(base.get_config())

    def lying(name, folder):
        return dataclasses.replace(config, data=dataclasses.replace(config.data, name=name, dir=folder, download=True))

    for trained_on, asked, expected in (
        (("mnist", "old"), ("mnist", ""), ("mnist", "old")),
        (("mnist", "old"), ("mnist", "new"), ("mnist", "new")),
        ((str(gone), ""), (str(there), ""), (str(there), "")),
        ((str(there), ""), ("mnist", ""), (str(there), "")),
        ((str(begun), ""), ("mnist", ""), (str(begun), "")),
    ):
        saved = {"experiment": "mine", **to_dict(lying(*trained_on))}
        workdir.write_json(tmp_path / "config.json", saved)
        wanted = dataclasses.replace(config, data=dataclasses.replace(config.data, name=asked[0], dir=asked[1]))
        found = as_trained("mine", tmp_path, wanted, {"sample.seed": 3})
        assert (found.data.name, found.data.dir, found.data.download) == (*expected, False)
        assert found.sample.seed == 3
    workdir.write_json(tmp_path / "config.json", {"experiment": "mine", **to_dict(lying(str(gone), ""))})
    with pytest.raises(InputError, match=r"^config\.data\.name: '.*gone', which .* was trained on, is not there; must"):
        as_trained("mine", tmp_path, lying("mnist", ""), {})
    assert as_trained("mine", tmp_path, lying("mnist", ""), {"data.name": "mnist"}).data.name == "mnist"
    with pytest.raises(InputError, match="belongs to experiment 'mine'"):
        as_trained("other", tmp_path, config, {})


def test_weighed_nats_that_are_not_measured_again_are_told_of(capsys, copied):
    folder, arguments = copied
    results = json.loads((folder / "results.json").read_text())
    results["test"]["importance_weighted_nats"], results["config"]["train"]["importance_draws"] = 80.5, 16
    workdir.write_json(folder / "results.json", results)
    told = "importance_weighted_nats of test was 80.50: not measured now; --config.train.importance_draws=16 measures"
    assert told in run(capsys, *arguments, "--mode=evaluate")[1]
    assert "importance_weighted_nats" not in json.loads((folder / "results.json").read_text())["test"]


def test_fields_that_do_nothing_are_told_of(capsys, copied):
    folder, arguments = copied
    assert run(capsys, *arguments, "--mode=evaluate", "--config.train.importance_draws=3")[0] == 0
    warnings = json.loads((folder / "results.json").read_text())["warnings"]
    told = "config.train.importance_draws does nothing: it needs a likelihood, and a q(z|x) with a density"
    assert warnings == [told, "config.model.logits_batch_norm does nothing without a categorical code"]


def test_a_run_that_was_stopped_before_its_results_logs_them_when_it_goes_on(capsys, copied):
    folder, arguments = copied

    def logged():
        return sum(content.count(b"_hparams_/experiment") for content in contents(folder / "tensorboard").values())

    before = logged()
    (folder / "results.json").unlink()
    for _ in range(2):  # the second time they are there
        assert run(capsys, *arguments)[0] == 0
        assert logged() == before + 1


@pytest.mark.parametrize("mode", cli.modes.MODES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("--config.model.layers=1", "config.model.layers: 1 differs from the checkpoint's 0; must be the same"),
        ("--config.optim.ema=0.5", "config.optim.ema: 0.5 differs from the checkpoint's 0.999; must be the same"),
        ("--config.data.seed=1", "config.data.seed: 1 differs from the checkpoint's 0; must be the same"),
        (
            "--config.train.steps=1",
            "config.train.steps: 1 is not allowed: must be at least 3, which are done in ../run",
        ),
        (
            f"--config={ROOT / 'experiments' / 'mnist_pixelcnn.py'}",
            "--workdir ../run: belongs to experiment 'digits'; must be",
        ),
    ],
)
def test_a_workdir_of_something_else_is_refused_and_left_alone(capsys, copied, mode, change, message):
    folder, arguments = copied
    before = contents(folder)
    said = refused(capsys, *arguments, "--workdir=../run", change, f"--mode={mode}")
    assert said.startswith(f"error: {message}")
    assert contents(folder) == before


@pytest.mark.parametrize("mode", cli.modes.MODES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data._replace(names=("null", *data.names[1:])), "class 'null' differs from the checkpoint's '0'"),
        (lambda data: data._replace(names=data.names[:9]), "class None differs from the checkpoint's '9'"),
        (
            lambda data: data._replace(train=data.train.at(slice(1, None))),
            "1,196 training images differ from the checkpoint's 1,197",
        ),
    ],
)
def test_other_data_than_the_checkpoints_are_refused(capsys, copied, monkeypatch, mode, change, message):
    """As of a folder in which something was renamed, or of which the splits would be drawn anew."""
    folder, arguments = copied
    before, read = contents(folder), sources.load
    monkeypatch.setattr(sources, "load", lambda asked: change(read(asked)))
    said = refused(capsys, *arguments, f"--mode={mode}")
    assert (
        said
        == f"error: config.data.name: {message}; must be the same to go on in {folder}; another --workdir begins anew"
    )
    assert contents(folder) == before


@pytest.mark.parametrize("mode", ["train", "evaluate"])
def test_as_many_other_training_images_are_told_of(capsys, copied, monkeypatch, mode):
    """As of other files under the same name, or the same from another place in another order: the splits are others."""
    folder, arguments = copied
    told = "the training images, or their order, are not those that the checkpoint's training began with"

    def said(*more):
        assert cli.run_command([*arguments, f"--mode={mode}", *more]) == 0
        return told in capsys.readouterr().out, told in (folder / "results.json").read_text()

    def reordered(asked):
        data = read(asked)
        return data._replace(train=data.train.at(np.roll(np.arange(data.train.labels.size), 1)))

    assert said() == (False, False)
    read = sources.load
    monkeypatch.setattr(sources, "load", reordered)
    assert said(*(["--config.train.steps=5"] if mode == "train" else [])) == (True, True)
    if mode == "train":  # what it goes on with and saves is not what it began with
        monkeypatch.setattr(sources, "load", read)
        assert said("--config.train.steps=5") == (False, False)


@pytest.mark.parametrize("mode", ["train", "evaluate"])
def test_other_labels_of_the_same_images_are_told_of(capsys, copied, monkeypatch, mode):
    folder, arguments = copied
    told = "the labels of the training images are not those that the checkpoint's training began with"
    read = sources.load

    def corrected(asked):
        data = read(asked)
        return data._replace(train=data.train._replace(labels=(data.train.labels + 1) % 10))

    monkeypatch.setattr(sources, "load", corrected)
    more = ["--config.train.steps=5"] if mode == "train" else []
    assert cli.run_command([*arguments, f"--mode={mode}", *more]) == 0
    assert told in capsys.readouterr().out and told in (folder / "results.json").read_text()


def test_a_run_stopped_while_it_draws_has_no_results_yet_and_goes_on_with_them(capsys, tmp_path, monkeypatch):
    """So that a table or a figure, which takes a run with results for whole, does not show an older picture."""
    arguments = ["--config", DIGITS, *SMALL, f"--workdir={tmp_path}"]

    def stopped(*given):
        raise Interrupted(signal.SIGTERM, "stopped")

    for name in ("write_pictures", "page"):  # while the pictures are drawn, and once they are there
        with monkeypatch.context() as patch:
            patch.setattr(modes, name, stopped if name == "write_pictures" else SimpleNamespace(write_html=stopped))
            assert cli.run_command(arguments) == 128 + signal.SIGTERM
        assert not (tmp_path / "results.json").exists()
    assert cli.run_command(arguments) == 0
    logged = b"".join(contents(tmp_path / "tensorboard").values())
    assert (tmp_path / "results.json").exists() and b"_hparams_/experiment" in logged


@pytest.mark.parametrize("mode", [*cli.modes.MODES, "export"])
def test_one_run_and_replicates_are_not_taken_for_each_other(capsys, copied, mode):
    folder, arguments = copied
    if mode != "export":
        said = refused(capsys, *arguments, "--config.train.replicates=2", f"--mode={mode}")
        assert said.startswith(f"error: --workdir {folder}: holds one run; must be another folder for 2 replicates, or")
    (folder / "seed_7").mkdir()
    (folder / "checkpoints").rename(folder / "seed_7" / "checkpoints")
    said = refused(capsys, *arguments, f"--mode={mode}")
    assert f"{folder}: holds replicates; must be " in said and said.endswith(f"one of them, as {folder / 'seed_7'}")


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
@pytest.mark.parametrize("replicates", [1, 2])
@pytest.mark.parametrize("mode", cli.modes.MODES)
def test_a_workdir_in_use_is_refused_and_left_alone_but_may_be_read(capsys, copied, mode, replicates):
    folder, arguments = copied
    read = folder
    if replicates == 2:
        read = folder / "seed_0"
        read.mkdir()
        (folder / "checkpoints").rename(read / "checkpoints")
    arguments = [*arguments, f"--config.train.replicates={replicates}", f"--mode={mode}"]
    with workdir.lock(folder):
        before = contents(folder)
        said = refused(capsys, *arguments)
        assert contents(folder) == before
        assert load(read).step == 3
    assert said.startswith(f"error: --workdir {folder}: in use by process {os.getpid()} on ")


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_a_replicate_in_use_is_refused(capsys, copied):
    folder, arguments = copied
    shutil.rmtree(folder / "checkpoints")
    with workdir.lock(folder / "seed_0"):
        status, _, err = run(capsys, *arguments, "--config.train.replicates=2")
    assert status == 2
    assert err.startswith(f"error: --workdir {folder / 'seed_0'}: in use by process {os.getpid()} on ")


def test_what_cannot_be_written_is_one_line_that_names_the_path_and_status_1(capsys, copied):
    folder, arguments = copied
    (folder / "results.json").unlink()
    (folder / "results.json").mkdir()
    status, _, err = run(capsys, *arguments, "--mode=evaluate")
    assert (status, err.count("\n")) == (1, 1)
    assert err == f"error: {folder / 'results.json'}: Is a directory\n"
    assert os.listdir(folder / "results.json") == []


NARROW = [
    *("--config.model.channels=4", "--config.model.layers=0", "--config.model.encoder_channels=(4,)"),
    *("--config.model.encoder_units=8", "--config.model.discriminator_units=(8,)", "--config.train.batch_size=8"),
    *("--config.train.steps=2", "--config.sample.count=4", "--config.data.validation=8"),
]


def test_pictures_without_labels_go_from_the_folder_to_the_report(capsys, tmp_path, monkeypatch):
    """A category's meaning is then nobody's to say: its clusters are counted, and everything else is there."""
    images = np.random.RandomState(0).randint(0, 256, (40, 6, 6), dtype=np.uint8)
    write_pictures(tmp_path / "mine", images, np.zeros(40, int), [""])
    monkeypatch.chdir(tmp_path)
    told = ["--config", DIGITS, *NARROW, "--config.data.labels=0", "--config.data.name=mine"]
    status, out, err = run(capsys, *told, f"--workdir={tmp_path / 'run'}")
    assert status == 0 and "24 training images (0 labelled); 8 validation, 8 test" in out, err
    test = json.loads((tmp_path / "run/results.json").read_text())["test"]
    assert "clusters_used" in test and "negative_elbo_nats" in test and not any("error" in key for key in test)
    assert "importance_weighted_nats" not in test
    assert (tmp_path / "run/report.html").exists() and (tmp_path / "run/samples/clusters.png").exists()
    (tmp_path / "mine").rename(tmp_path / "moved")  # the same pictures, elsewhere by now
    monkeypatch.chdir(tmp_path / "run")
    told += [f"--config.data.name={tmp_path / 'moved'}", f"--workdir={tmp_path / 'run'}"]
    told += ["--mode=evaluate", "--config.train.importance_draws=1"]
    assert run(capsys, *told)[0] == 0  # what the run was trained without
    weighed = json.loads((tmp_path / "run/results.json").read_text())["test"]
    assert weighed.pop("importance_weighted_nats") > 0 and weighed == test
    assert "importance-weighted" in (tmp_path / "run/report.html").read_text()
    for picture in (tmp_path / "moved").iterdir():
        picture.write_bytes((tmp_path / "moved" / "000.png").read_bytes())
    status, _, err = run(capsys, *told)
    assert status == 2 and "moved' differs from the checkpoint's '" in err


def test_names_and_warnings_go_from_the_data_to_the_report_and_to_python(capsys, tmp_path):
    """Two classes by name, of nearly black pictures of several sizes, all of which are resized."""
    images = np.random.RandomState(0).randint(0, 17, (40, 9, 9), dtype=np.uint8)
    write_pictures(tmp_path / "mine", images, np.arange(40) % 2, ["cat", "dog"])
    told = ["--config", DIGITS, *NARROW, "--config.data.labels=4", "--config.prior.categories=2"]
    told += ["--config.prior.adversarial=False", "--config.data.side=6"]
    told += [f"--config.data.name={tmp_path / 'mine'}", f"--workdir={tmp_path / 'run'}"]
    status, out, err = run(capsys, *told)
    assert status == 0, err
    page, warnings = (tmp_path / "run/report.html").read_text(), json.loads((tmp_path / "run/results.json").read_text())
    for note in ("resized to 6×6", "the largest pixel is "):
        assert note in out and note in page and any(note in warning for warning in warnings["warnings"])
    found = load(tmp_path / "run").classify(np.zeros((3, 6, 6), np.uint8))
    assert set(found) <= {"cat", "dog"}
