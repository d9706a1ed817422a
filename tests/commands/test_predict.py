"""--mode predict: what a trained model says of every image of a file."""

import csv
import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageOps
from scipy.special import xlogy

import pixelgan_jax as pg
from pixelgan_jax.cli import run_command
from pixelgan_jax.commands import predict
from pixelgan_jax.commands.run import tell_of_another_step
from pixelgan_jax.config import Data
from pixelgan_jax.data.sources import Unsplit, load
from pixelgan_jax.errors import InputError
from pixelgan_jax.evaluation import trained

SMALL = [
    "--config.model.encoder_channels=(4, 4)",
    "--config.model.encoder_units=8",
    "--config.model.channels=4",
    "--config.model.layers=1",
    "--config.model.discriminator_units=(8,)",
    "--config.sample.count=4",
    "--config.train.steps=4",
]
DIGITS = load(Data())


def command(experiment, workdir, *more):
    return run_command(["--config", f"experiments/{experiment}.py", "--workdir", str(workdir), *more])


SLOW = ["digits_clusters", "digits_gaussian"]


@pytest.fixture(scope="module", params=["digits", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def run(request, tmp_path_factory):
    """(the experiment, its workdir) after four steps."""
    folder = tmp_path_factory.mktemp(request.param) / "run"
    assert command(request.param, folder, *SMALL) == 0
    return request.param, folder


def rows(folder):
    with open(folder / "predictions.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_image_of_a_data_set(run, tmp_path, capsys):
    """The columns are those that the model can fill; codes, classes and errors are what it says elsewhere."""
    experiment, folder = run
    assert command(experiment, folder, "--mode", "predict", "--input", "digits", "--output", str(tmp_path / "out")) == 0
    said = capsys.readouterr().out
    assert "1,797 images, " in said
    found, model = rows(tmp_path / "out"), pg.load(folder)
    assert [row["part"] for row in found] == ["train"] * 1397 + ["test"] * 400
    images = np.concatenate([DIGITS.train.images, DIGITS.test.images])
    labels = np.concatenate([DIGITS.train.labels, DIGITS.test.labels])
    assert [int(row["label"]) for row in found] == labels.tolist()
    with np.load(tmp_path / "out" / "codes.npz") as codes:
        np.testing.assert_allclose(codes["codes"], model.encode(images), atol=1e-6)
    results = json.loads((folder / "results.json").read_text())
    names = ("log_prob_nats", "negative_elbo_nats", "bits_per_dim")
    log_prob, bound, bits = (np.array([float(row[name]) for row in found]) for name in names)
    np.testing.assert_allclose(bits, bound / 64 / np.log(2), rtol=1e-4)
    assert bound[1397:].mean() == pytest.approx(results["test"]["negative_elbo_nats"], rel=0.01)  # other draws
    assert bits[1397:].mean() == pytest.approx(results["test"]["bits_per_dim"], rel=0.01)
    if experiment != "digits_gaussian":  # whose codes are draws, where these are q(z | x)
        q = model.encode(images).astype(np.float64)
        np.testing.assert_allclose(bound + log_prob, xlogy(q, q * q.shape[1]).sum(axis=1), atol=1e-3)
    wrong = [row["right"] == "0" for row in found[1397:]] if "right" in found[0] else None
    if wrong:
        everywhere = np.mean([row["right"] == "0" for row in found])
        assert f"error {100 * everywhere:.2f} % of the 1,797 with labels" in said
    if experiment == "digits":
        assert [int(row["class"]) for row in found] == model.classify(images).tolist()
        assert np.mean(wrong) == pytest.approx(results["test"]["error"])
    elif experiment == "digits_clusters":
        assert [row["cluster_class"] for row in found] == [
            results["cluster_classes"][int(row["cluster"])] for row in found
        ]
        assert np.mean(wrong) == pytest.approx(results["test"]["cluster_error_majority"])
    else:
        assert not {"class", "cluster", "probability", "right"} & set(found[0])


def test_python_says_the_same(run, tmp_path):
    experiment, folder = run
    np.savez(tmp_path / "own.npz", images=DIGITS.test.images[:7])
    assert command(experiment, folder, "--mode=predict", f"--input={tmp_path}/own.npz", f"--output={tmp_path}") == 0
    found, said = rows(tmp_path), pg.load(folder).predict(DIGITS.test.images[:7])
    for column in ("class", "cluster", "cluster_class", "probability", *predict.LIKELIHOOD):
        assert (column in said) == (column in found[0])
        if column in said:
            np.testing.assert_allclose([float(row[column]) for row in found], said[column].astype(float), atol=1e-4)
    assert "label" not in found[0]


def test_the_best_on_validation_or_another_step_may_be_asked(run, tmp_path, capsys):
    experiment, folder = run
    np.savez(tmp_path / "own.npz", images=DIGITS.test.images[:3])
    asked = ["--mode=predict", f"--input={tmp_path}/own.npz"]
    found = []
    for step in ("best", "4"):  # the only one there is
        assert command(experiment, folder, *asked, f"--output={tmp_path}/{step}", f"--step={step}") == 0
        found.append(rows(tmp_path / step))
    assert found[0] == found[1]
    for step, told in (("3", "step 3: must be one of those of"), ("x", "must be the step of a checkpoint, or best")):
        assert command(experiment, folder, *asked, f"--output={tmp_path}/no", f"--step={step}") == 2
        assert told in capsys.readouterr().err and not (tmp_path / "no").exists()


@pytest.mark.parametrize("step", [None, 4, 7])
def test_results_of_another_step_are_told_of(tmp_path, capsys, step):
    if step:
        (tmp_path / "results.json").write_text(json.dumps({"step": step}))
    told = "step 4: results.json is of another step: a model card has no figures"
    for labels, more in ((100, ""), (0, ", and no cluster is named")):
        config = SimpleNamespace(data=Data(labels=labels))
        tell_of_another_step(tmp_path, SimpleNamespace(step=4, config=config))
        assert capsys.readouterr().out == (f"{told}{more}\n" if step == 7 else "")


def test_the_draws_do_not_depend_on_how_many_are_asked_of_at_once(run, tmp_path, monkeypatch):
    experiment, folder = run
    np.savez(tmp_path / "own.npz", images=DIGITS.train.images[:600])
    for chunk in (trained.MAPPED, 10 * trained.MAPPED):
        monkeypatch.setattr(predict, "CHUNK", chunk)
        out = tmp_path / str(chunk)
        assert command(experiment, folder, "--mode=predict", f"--input={tmp_path}/own.npz", f"--output={out}") == 0
    first, second = (rows(tmp_path / str(chunk)) for chunk in (trained.MAPPED, 10 * trained.MAPPED))
    for one, other in zip(first, second, strict=True):
        for column, value in one.items():
            if column in ("name", "part"):
                assert value == other[column]
            else:
                assert float(value) == pytest.approx(float(other[column]), rel=1e-4, abs=2e-4)


def test_pictures_go_by_their_names(run, tmp_path):
    """A folder of them, with classes that are not the model's, and a single one."""
    experiment, folder = run
    for number, kind in enumerate(["a, b", "c"]):
        (tmp_path / "in" / kind).mkdir(parents=True)
        Image.fromarray(DIGITS.test.images[number, ..., 0]).save(tmp_path / "in" / kind / "x.png")
    asked = ["--mode=predict", f"--input={tmp_path}/in", f"--output={tmp_path}"]
    assert command(experiment, folder, *asked, "--config.train.steps=999") == 0  # which a run may change as it goes on
    found = rows(tmp_path)
    assert [row["name"] for row in found] == ["a, b/x.png", "c/x.png"]
    assert [row["part"] for row in found] == ["", ""]  # the folder makes none
    assert [row["label"] for row in found] == ["a, b", "c"]
    one = tmp_path / "in" / "c" / "x.png"
    assert command(experiment, folder, "--mode=predict", f"--input={one}", f"--output={tmp_path}/one") == 0
    [row] = rows(tmp_path / "one")
    assert row["name"] == "x.png" and row["log_prob_nats"] != ""


def test_labels_that_the_model_has_other_names_for_are_not_held_against_it(run, tmp_path, capsys):
    """It learnt the digits as numbers, and the file has a name for one of them."""
    experiment, folder = run
    for kind, number in (("3", 0), ("three", 1)):
        (tmp_path / "in" / kind).mkdir(parents=True)
        Image.fromarray(DIGITS.test.images[number, ..., 0]).save(tmp_path / "in" / kind / "x.png")
    assert command(experiment, folder, "--mode=predict", f"--input={tmp_path}/in", f"--output={tmp_path}") == 0
    told, (same, other) = capsys.readouterr().out, rows(tmp_path)
    assert (same["label"], other["label"]) == ("3", "three")
    if experiment == "digits_gaussian":  # which says of no image what it shows
        assert "right" not in other and "three" not in told
    else:
        assert same["right"] in "01" and other["right"] == "" and " of the 1 with labels" in told
        assert f"{tmp_path}/in: 'three' is no class of the model, as '0' is: images whose label" in told


def test_a_file_that_is_there_is_read_whatever_folder_the_training_data_lay_in(run, tmp_path, monkeypatch):
    """With data.dir a name without separator is a data set's in training; --input asks for what lies here."""
    experiment, folder = run
    model = trained.load(folder)
    away = dataclasses.replace(model.config, data=dataclasses.replace(model.config.data, dir=str(tmp_path)))
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)

    def asked(file, overrides):
        return predict._asked(away, model.method.shape, file, overrides).dir

    assert (asked("photos", {}), asked("mnist", {})) == ("", str(tmp_path))
    assert asked("photos", {"data.dir": str(tmp_path)}) == ""  # as its own command line has it
    (tmp_path / away.data.name).mkdir()  # the data set that it was trained with keeps its folder
    assert asked(away.data.name, {}) == str(tmp_path)


def test_pictures_of_any_size_and_colour_are_made_into_what_the_model_takes(run, tmp_path, capsys):
    """The digits' model, which was trained on arrays of 8×8, is shown a digit of 80×100 on paper that is not white."""
    experiment, folder = run
    (tmp_path / "in").mkdir()
    digit = Image.fromarray(DIGITS.test.images[0, ..., 0]).resize((80, 80), Image.Resampling.NEAREST)
    paper = Image.new("RGB", (80, 100))
    paper.paste(Image.merge("RGB", (digit, digit, digit.point(lambda value: value // 2))), (0, 10))
    paper.save(tmp_path / "in" / "x.png")
    asked = ["--mode=predict", f"--input={tmp_path}/in", f"--output={tmp_path}"]
    assert command(experiment, folder, *asked) == 0
    told = capsys.readouterr().out
    assert f"{tmp_path}/in: the pictures are cropped to squares and resized to 8×8\n" in told
    assert f"{tmp_path}/in: coloured images are read in grey, which the model takes\n" in told
    grey = np.asarray(ImageOps.fit(paper, (8, 8), Image.Resampling.LANCZOS).convert("L"))[None, ..., None]
    assert np.abs(grey.astype(int) - DIGITS.test.images[:1]).max() < 64  # the digit, but for its blue
    with np.load(tmp_path / "codes.npz") as codes:
        np.testing.assert_allclose(codes["codes"], pg.load(folder).encode(grey), atol=1e-6)


def test_pictures_are_made_as_large_as_the_model_whatever_side_its_arrays_were_asked_for_with():
    config = dataclasses.replace(pg.load("models/digits").config, data=Data(side=32))
    assert predict._asked(config, (8, 8, 1), "x.png", {}).side == 8
    assert predict._asked(config, (8, 8, 1), "x.png", {"data.side": 16}).side == 16


def test_a_side_that_is_written_as_a_real_number_is_that_many_pixels(run, tmp_path):
    experiment, folder = run
    (tmp_path / "in").mkdir()
    Image.fromarray(np.full((30, 30), 90, np.uint8)).save(tmp_path / "in" / "x.png")
    asked = ["--mode=predict", f"--input={tmp_path}/in", f"--output={tmp_path}", "--config.data.side=8.0"]
    assert command(experiment, folder, *asked) == 0 and len(rows(tmp_path)) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("shape", r"error: --input .*own.npz: its images are \[9, 9, 1\]; the model takes \[8, 8, 1\]"),
        ("empty", r"error: .*own.npz: "),
        ("broken", r"error: .*own.npz: damaged or unreadable"),
        ("absent", r"error: --input: .*own.npz': no such file or folder"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_nothing_is_written(run, tmp_path, capsys, content, message):
    experiment, folder = run
    file = tmp_path / "own.npz"
    if content == "shape":
        np.savez(file, images=np.zeros((3, 9, 9), np.uint8))
    elif content != "absent":
        file.write_bytes(b"" if content == "empty" else b"PK" * 50)
    before = sorted(folder.rglob("*"))
    assert command(experiment, folder, "--mode=predict", f"--input={file}") == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert re.match(message, line), line
    assert sorted(folder.rglob("*")) == before and "\n" not in line


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--mode=predict"], "--input: missing"),
        (["--mode=sample", "--input=x"], "--input: must be given with --mode predict alone"),
        (["--mode=train", "--output=x"], "--output: must be given with --mode predict alone"),
        (["--mode=predict", "--input=digits", "--weights=int8"], "--weights: must be given with --mode export alone"),
        (["--mode=export", "--weights=int4"], "--weights int4: must be one of float32, int8"),
        (["--mode=predict", "--input=digits", "--config.model.channels=9"], "config.model.channels: 9 differs from"),
    ],
)
def test_flags_that_do_not_fit(run, capsys, flags, message):
    experiment, folder = run
    assert command(experiment, folder, *flags) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")


def test_an_output_that_is_a_file_is_refused(run, tmp_path, capsys):
    experiment, folder = run
    (tmp_path / "file").write_text("mine")
    assert command(experiment, folder, "--mode=predict", "--input=digits", f"--output={tmp_path}/file") == 2
    assert "file: is a file; must be a folder" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"
    assert command(experiment, tmp_path / "file", "--mode=predict", "--input=digits") == 2  # as an export's .zip is
    assert "--output: missing; must be a folder, since " in capsys.readouterr().err
    assert command(experiment, folder, "--mode=predict", "--input=digits", f"--output={tmp_path}/file/below") == 2
    assert "--output" in (told := capsys.readouterr().err) and told.count("\n") == 1
    assert "file/below: Not a directory; must be a folder that may be written into, or a place for one" in told


def test_pictures_without_labels_are_asked_of_and_what_the_reader_leaves_out_is_told_of(run, tmp_path, capsys):
    experiment, folder = run
    for place in ("train/a", "train/b", "test"):
        (tmp_path / "in" / place).mkdir(parents=True)
        Image.fromarray(DIGITS.test.images[0, ..., 0]).save(tmp_path / "in" / place / "x.png")
    (tmp_path / "in" / "test" / "y.gif").write_bytes(b"")
    assert command(experiment, folder, "--mode=predict", f"--input={tmp_path}/in", f"--output={tmp_path}") == 0
    told = f"{tmp_path}/in: image files that are not read: 1, as test/y.gif, since its kind is not read\n"
    assert told in capsys.readouterr().out
    assert [(row["part"], row["label"]) for row in rows(tmp_path)] == [("train", "a"), ("train", "b"), ("test", "")]


def test_grey_pictures_are_grey_however_they_are_stored():
    grey = np.random.RandomState(0).randint(0, 256, (3, 8, 6, 1), np.uint8)
    coloured = np.concatenate([grey, grey, grey + 1], axis=3)

    def fitting(images, channels):
        return predict._fitting("x", Unsplit("", images, [""] * 3, [""] * 3), (8, 6, channels)).images

    assert np.array_equal(fitting(grey, 3), np.repeat(grey, 3, axis=3))
    assert np.array_equal(fitting(np.repeat(grey, 3, axis=3), 1), grey)
    assert np.array_equal(fitting(coloured, 3), coloured)
    weighted = np.rint(coloured @ [0.299, 0.587, 0.114])[..., None]  # ITU-R BT.601
    assert np.abs(fitting(coloured, 1) - weighted).max() <= 1
    with pytest.raises(InputError, match=r"^--input x: its images are \[6, 8, 1\]; the model takes \[8, 6, 1\]$"):
        fitting(grey.reshape(3, 6, 8, 1), 1)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no folder that nobody may write into")
def test_an_output_that_may_not_be_written_into_is_refused_before_the_work(run, capsys, monkeypatch):
    monkeypatch.setattr(predict, "_rows", None)
    experiment, folder = run
    assert command(experiment, folder, "--mode=predict", "--input=digits", "--output=/proc/self") == 2
    assert "--output /proc/self: " in (told := capsys.readouterr().err) and told.count("\n") == 1


@pytest.mark.slow
def test_a_signal_leaves_the_old_files_whole(tmp_path):
    """In a process of its own, which is asked to stop while it predicts."""
    script = """
import os, signal, sys
from pixelgan_jax import cli
from pixelgan_jax.commands import predict
from pixelgan_jax.config import Data
def stop(*arguments):
    os.kill(os.getpid(), signal.SIGTERM)
    raise AssertionError("went on")
arguments = sys.argv[1:]
assert cli.run_command(arguments[:-2]) == 0
assert cli.run_command(arguments[:-3] + ["--mode=predict", *arguments[-2:]]) == 0
predict.predict = stop
sys.exit(cli.run_command(arguments[:-3] + ["--mode=predict", *arguments[-2:]]))
"""
    out = tmp_path / "out"
    arguments = ["--config=experiments/digits.py", f"--workdir={tmp_path}/run", *SMALL, "--mode=train"]
    arguments += ["--input=digits", f"--output={out}"]
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, cwd=root)
    assert done.returncode == 143, done.stderr
    assert done.stderr.endswith("SIGTERM: stopped; the same command begins again\n")
    assert len(rows(out)) == 1797 and sorted(path.name for path in out.iterdir()) == ["codes.npz", "predictions.csv"]
