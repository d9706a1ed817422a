"""A run without a reconstruction phase is trained, resumed, evaluated, reported, asked and exported like any other."""

import json

import numpy as np
import pytest

import pixelgan_jax as pg
from pixelgan_jax.commands import export, replicates
from pixelgan_jax.data.sources import load
from pixelgan_jax.methods.registry import from_dict
from tests import tiny

pytestmark = pytest.mark.slow

WITHOUT = {"reconstruction": False, "view_information": 1.0}


def config(steps):
    return from_dict(tiny.fields(optim=WITHOUT, train={"steps": steps}, data={"validation": 40}))


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("without") / "run"
    replicates.execute("train", "digits", config(2), folder)
    replicates.execute("train", "digits", config(4), folder)  # goes on
    return folder


def test_it_reports_the_code_and_no_likelihood(workdir):
    results = json.loads((workdir / "results.json").read_text())
    assert results["step"] == 4 and {"error", "marginal_kl_nats", "mutual_information_nats"} <= set(results["test"])
    assert not {"reconstruction_nats", "negative_elbo_nats", "bits_per_dim"} & set(results["test"])
    drawn = {path.stem for path in (workdir / "samples").iterdir()}
    assert {"code", "confusion", "curves"} <= drawn and not {"prior", "reconstructions", "classes"} & drawn


def test_it_classifies_and_draws_nothing_exported_or_not(workdir):
    export.execute("digits", workdir, workdir / "export", "float32", {})
    images = load(config(4).data).test.images[:8]
    whole, exported = pg.load(workdir), pg.load(workdir / "export")
    np.testing.assert_array_equal(whole.classify(images), exported.classify(images))
    card = (workdir / "export" / "README.md").read_text()
    assert "labels = model.classify(images)" in card
    without_labels = whole._trained._replace(config=from_dict(tiny.fields(optim=WITHOUT, data={"labels": 0})))
    card = export.card("digits", "export", without_labels, tiny.DATA, {}, "float32")
    assert "found = model.predict(images)" in card and whole.predict(images)["class"].shape == (8,)
    with pytest.raises(ValueError, match="^generate: the method 'autoencoder' cannot do this as it was trained"):
        exported.generate(2)
