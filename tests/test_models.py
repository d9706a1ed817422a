"""The models that come with the repository get the figures that their cards print, on the real data."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import pixelgan_jax as pg
from pixelgan_jax.data.sources import load
from pixelgan_jax.data.splits import split

MODELS = Path(__file__).resolve().parents[1] / "models"
NAMES = ["digits", "mnist", "mnist_clusters"]


def test_they_are_small_and_have_cards():
    assert sorted(path.name for path in MODELS.iterdir()) == NAMES
    for name in NAMES:
        files = {path.name: path.stat().st_size for path in (MODELS / name).iterdir()}
        assert set(files) == {"README.md", "config.json", "model.safetensors"} and sum(files.values()) < 6 << 20


def wrong(model, images, labels):
    """The part of the images whose class, or the class that their cluster is named after, is not their label."""
    found = model.predict(images)
    return np.mean(found.get("class", found.get("cluster_class")) != labels)


@pytest.mark.parametrize("name", NAMES)
def test_a_model_gets_the_errors_of_its_card(name, request):
    """On all test images; and draws images of the classes that it is asked for."""
    model, card = pg.load(MODELS / name), (MODELS / name / "README.md").read_text()
    told = json.loads((MODELS / name / "config.json").read_text())["results"]
    data = model.config.data
    if name != "digits":
        data = dataclasses.replace(data, dir=str(request.getfixturevalue("shared_data") / "mnist"))
    splits = split(load(data), data)
    error = wrong(model, splits.test.images, splits.test.labels)
    metric = "error" if data.labels else "cluster_error_majority"
    assert error == pytest.approx(told["test"][metric])
    assert f"| {100 * error:.2f} |" in card
    some = splits.test.images[:1000]
    nats = -model.predict(some)["log_prob_nats"].mean()
    assert nats == pytest.approx(told["test"]["reconstruction_nats"], rel=0.03)  # other draws, and not of all images
    width = model.encode(some[:1]).shape[1]
    drawn = model.sample(np.repeat(np.eye(width, dtype=np.float32), 200 // width, axis=0))
    asked = np.repeat(np.arange(width), 200 // width)
    found = model.predict(drawn)
    assert np.mean(found.get("class", found.get("cluster")) == asked) > 0.6
