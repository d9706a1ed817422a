"""The models that come with the repository get the figures that their cards print, on the real data."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import pixelgan_jax as pg
from pixelgan_jax.commands import export
from pixelgan_jax.data.sources import load
from pixelgan_jax.data.splits import split

MODELS = Path(__file__).resolve().parents[1] / "models"
CATEGORICAL = ["digits", "mnist_cpu", pytest.param("mnist_clusters", marks=pytest.mark.slow)]
NAMES = ["digits", "mnist_clusters", "mnist_cpu", "mnist_gaussian"]


def test_they_are_small_and_have_cards():
    assert sorted(path.name for path in MODELS.iterdir()) == NAMES
    for name in NAMES:
        files = {path.name: path.stat().st_size for path in (MODELS / name).iterdir()}
        assert set(files) == {"README.md", "config.json", "model.safetensors"} and sum(files.values()) < 6 << 20


def wrong(model, images, labels):
    """The part of the images whose class, or the class that their cluster is named after, is not their label."""
    found = model.classify(images) if model.config.data.labels else model.predict(images)["cluster_class"]
    return np.mean(found != labels)


def of(name, request):
    """(the model, its card, what config.json says of its results, the test images and labels it was held against)."""
    folder = MODELS / name
    model, told = pg.load(folder), json.loads((folder / "config.json").read_text())["results"]["test"]
    data = model.config.data
    if name != "digits":
        data = dataclasses.replace(data, dir=str(request.getfixturevalue("shared_data") / "mnist"))
    test = split(load(data), data).test
    nats = -model.predict(test.images[:1000])["log_prob_nats"].mean()
    assert nats == pytest.approx(told["reconstruction_nats"], rel=0.03)  # other draws, and not of all images
    card = (folder / "README.md").read_text()
    assert f"Nats are those of {export._pixels(data)}." in card
    return model, card, told, test


@pytest.mark.parametrize("name", CATEGORICAL)
def test_a_model_gets_the_error_of_its_card(name, request):
    """On all test images; and it draws what it is asked for, as it reads its own samples: most are of that digit."""
    model, card, told, test = of(name, request)
    error = wrong(model, test.images, test.labels)
    assert error == pytest.approx(told["error" if model.config.data.labels else "cluster_error_majority"])
    assert f"| {100 * error:.2f} |" in card
    width = 10 if model.config.data.labels else 30
    drawn = model.sample(np.repeat(np.eye(width, dtype=np.float32), 200 // width, axis=0))
    if model.config.data.labels:
        read, asked = model.classify(drawn), np.repeat(np.arange(10), 20)
    else:
        said = model.predict(test.images)
        named = dict(zip(said["cluster"].tolist(), said["cluster_class"].tolist(), strict=True))
        read, asked = model.predict(drawn)["cluster_class"], np.repeat([named[number] for number in range(30)], 6)
    assert np.mean(read == asked) > 0.8


def test_a_two_dimensional_code_draws_digits(request):
    """Kept in 8 bits; read by the classifier that comes with it, whose confidence in real ones is 0.98."""
    model, *_ = of("mnist_gaussian", request)
    read = pg.load(MODELS / "mnist_cpu").predict(model.generate(200))
    assert read["probability"].mean() > 0.85 and len(set(read["class"].tolist())) >= 9
