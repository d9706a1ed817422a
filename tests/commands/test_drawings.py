"""What a figure draws of trained runs, and the numbers beside it."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from benchmarks import results
from pixelgan_jax import cli
from pixelgan_jax.errors import InputError
from pixelgan_jax.evaluation import comparison, trained
from pixelgan_jax.report import figures
from tests.commands import small_plan

pytestmark = pytest.mark.usefixtures("own_experiments")


def command(folder, mode, *more):
    return small_plan.command(folder, mode, "--config.train.replicates=1", *more)


@pytest.fixture
def ready(folder, capsys):
    """The folder, one run of its table trained."""
    assert command(folder, "table") == 0
    capsys.readouterr()
    return folder


def test_a_figure_draws_and_scores_the_same_runs(ready, capsys, tmp_path, monkeypatch):
    folder = ready
    assert command(folder, "figure") == 0
    out, _ = capsys.readouterr()
    found = json.loads((folder / "runs/plan.json").read_text())
    with Image.open(folder / "runs/plan.png") as png:
        assert "training" not in out and png.width > 200
    for run in found["cells"][0]["runs"]:
        assert 0.1 <= run["numbers"]["confidence"] <= 1 and run["numbers"]["sharpness"] > 0
        shares = run["numbers"]["class_shares"]
        assert sum(shares) == pytest.approx(1.0) and run["numbers"]["rarest_class"] == min(shares)
    real = found["reference"]["real test images"]
    assert real["classifier_error"] < 0.2 < 0.6 < real["confidence"]

    told = cli.parse(found["cells"][0]["command"].split()[3:])
    tasks = [figures.Task(told.experiment, told.config, folder / "runs/ours/clusters/seed_0")]
    png, numbers, _ = figures.codes({"a": tasks}, {})
    assert png.startswith(b"\x89PNG") and 0 < numbers["a"][0]["knn_error"] < 1
    assert figures.rows({"a": tasks}, {})[0].startswith(b"\x89PNG")
    parts = comparison.splits(tasks[0].config.data)
    named = parts.validation._replace(labels=np.full_like(parts.validation.labels, 99))
    monkeypatch.setattr(comparison, "splits", lambda data: parts._replace(validation=named))
    assert figures.codes({"a": tasks}, {})[1]["a"][0]["knn_error"] == 1.0  # the neighbours are validation images

    page = results.page(folder / "runs")
    assert found["cells"][0]["command"] in page and "device-hours" in page and "![T](plan.png)" in page


@pytest.fixture
def rows_task(ready):
    """A trained run of three clusters."""
    config = cli.parse(["--config", str(ready / "experiments/tiny_clusters.py")]).config
    return figures.Task("tiny_clusters", config, ready / "runs/ours/clusters/seed_0")


@pytest.mark.parametrize("shift", [0, 1])
def test_rows_say_how_many_samples_are_of_the_class_asked_for(rows_task, monkeypatch, shift):
    """A decoder that draws real digits of the class asked for, and one that draws those of the next."""
    place, data = rows_task.workdir, dataclasses.replace(rows_task.config.data, labels=30)
    shutil.copy(place / "samples/clusters.png", place / "samples/classes.png")
    test = comparison.splits(rows_task.config.data).test
    images = comparison._as_modelled(trained.load(place), test)
    asked = []

    def drawn(model, codes, seed, temperature):
        asked.append((len(codes), temperature))
        classes = (codes.argmax(axis=1) + shift) % 3
        return np.stack([images[test.labels == label][i % 30] for i, label in enumerate(classes)])

    monkeypatch.setattr(trained, "draw", drawn)
    labelled = rows_task._replace(config=dataclasses.replace(rows_task.config, data=data))
    _, numbers, reference = figures.rows({"classes": [labelled], "clusters": [rows_task, rows_task]}, {})
    classes, clusters = numbers["classes"][0], numbers["clusters"][0]
    assert asked == [(300, 1.0)] * 3 and reference == {} and numbers["clusters"] == [clusters] * 2
    right = 1 - classes["classifier_error"]
    assert right > 0.7 and classes.pop("read_as_asked") == pytest.approx(0 if shift else right, abs=0.15)
    assert classes == clusters and clusters["row_purity"] == pytest.approx(right, abs=0.1)
    assert clusters["row_variance_ratio"] == pytest.approx(1, abs=0.2)
    assert clusters["sharpness_ratio"] == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("lacking", ["labels", "data", "likelihood"])
def test_rows_without_a_classifier_are_drawn_and_have_no_numbers(rows_task, monkeypatch, capsys, lacking):
    parts, load = comparison.splits(rows_task.config.data), trained.load

    def read(data):
        if lacking == "data":
            raise InputError("config.data.dir: is not there")
        none = np.full_like(parts.train.labels, -1)
        return parts._replace(train=parts.train._replace(labels=none)) if lacking == "labels" else parts

    def without(place):
        model = load(place)
        return model._replace(method=model.method._replace(targets=None)) if lacking == "likelihood" else model

    monkeypatch.setattr(comparison, "splits", read)
    monkeypatch.setattr(trained, "load", without)
    png, numbers, reference = figures.rows({"clusters": [rows_task]}, {})
    assert png.startswith(b"\x89PNG") and numbers == {"clusters": [{}]} and reference == {}
    told = {"labels": "a figure needs labelled", "data": "is not there", "likelihood": "has no likelihood"}[lacking]
    assert told in capsys.readouterr().out
