"""The models that come with the repository get the figures that their cards print, on the real data."""

import json
from pathlib import Path

import numpy as np
import pytest

import pixelgan_jax as pg
from pixelgan_jax.config import Data
from pixelgan_jax.data.sources import load
from pixelgan_jax.data.splits import split

MODELS = Path(__file__).resolve().parents[1] / "models"
NAMES = sorted(path.name for path in MODELS.iterdir())


def test_they_are_small_and_have_cards():
    assert NAMES == ["digits"]
    for name in NAMES:
        files = {path.name: path.stat().st_size for path in (MODELS / name).iterdir()}
        assert set(files) == {"README.md", "config.json", "model.safetensors"} and sum(files.values()) < 6 << 20


def test_digits():
    """Its errors are those of the card; its samples are of their classes."""
    model, card = pg.load(MODELS / "digits"), (MODELS / "digits" / "README.md").read_text()
    told = json.loads((MODELS / "digits" / "config.json").read_text())["results"]
    data = Data(labels=100)
    splits = split(load(data), data)
    for part in ("test", "validation"):
        images, labels = getattr(splits, part)
        error = np.mean(model.classify(images) != labels)
        assert error == pytest.approx(told[part]["error"])
        assert f"{100 * error:.2f}" in card
    nats = -model.predict(splits.test.images)["log_prob_nats"].mean()
    assert nats == pytest.approx(told["test"]["reconstruction_nats"], rel=0.01)  # other draws of code and pixels
    drawn = model.sample(np.repeat(np.eye(10, dtype=np.float32), 20, axis=0))
    assert np.mean(model.classify(drawn) == np.repeat(np.arange(10), 20)) > 0.8
