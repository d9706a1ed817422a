"""Networks that see images with mean 0 and s.d. 1 see past a photograph's light, in training and after it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import base
from pixelgan_jax.data.levels import standardise
from pixelgan_jax.evaluation import trained
from pixelgan_jax.methods import registry
from pixelgan_jax.methods.method import Batch, DataSpec, Examples
from pixelgan_jax.training import parallel
from tests import tiny

DATA = DataSpec((8, 8, 3), 3, images=16, labels=6)
DARK = np.random.RandomState(0).randint(0, 100, (16, *DATA.shape)).astype(np.uint8)
BRIGHT = 2 * DARK + 40


def made(method, standardised):
    if method == "autoencoder":
        fields = tiny.fields(data={"levels": 256}, model={"likelihood": "logistic_mixture", "mixtures": 2})
        fields.model.input_standardised, fields.prior.categories = standardised, 3
        fields.optim.reconstruction = False  # it sees an image as it is, and moves the encoder before the labels do
    else:
        fields = base.get_config(method)
        fields.ensembling.update({"blocks": (4,), "head": (6,), "standardised": standardised})
    fields.data.labels = 6
    fields.train.update(steps=4, batch_size=8)
    return registry.from_dict(fields)


def started(config):
    """(method, mesh, state before training)."""
    method, mesh = registry.make(config, DATA), parallel.make_mesh(jax.devices()[:1])
    return method, mesh, trained.initial(method, config, mesh)


def told_of(method, mesh, state, images):
    """log p(class | x) of images [16, 8, 8, 3]."""
    keys = jax.random.split(jax.random.key(1), len(images))
    return np.asarray(jax.jit(method.infer)(method.averaged(state), images, keys)["log_probabilities"])


def loss_of(method, mesh, state, step, images):
    """The loss on labels of a step with such images; `step` is the compiled one, the state is kept."""
    labelled = np.arange(6, dtype=np.int32)
    examples = parallel.replicate(Examples.of(images, labelled, labelled % 3, np.int32(0)), mesh)
    batch = Batch(np.arange(8, dtype=np.int32)[None], np.arange(8, dtype=np.int32)[None] % 6)
    _, metrics = step(jax.tree.map(jnp.copy, state), examples, parallel.split_batch(batch, mesh))
    return float(np.ravel(metrics.get("supervised_loss", metrics.get("classification_loss")))[0])


@pytest.mark.parametrize("method", [pytest.param("autoencoder", marks=pytest.mark.slow), "temporal_ensembling"])
def test_what_a_network_says_of_an_image_does_not_depend_on_its_light(method):
    run = started(made(method, True))
    np.testing.assert_allclose(told_of(*run, DARK), told_of(*run, BRIGHT), atol=1e-4)
    step = parallel.compile_step(run[0].step, run[1])
    assert loss_of(*run, step, DARK) == pytest.approx(loss_of(*run, step, BRIGHT), abs=1e-4)
    assert loss_of(*run, step, DARK) != pytest.approx(loss_of(*run, step, DARK[::-1].copy()), abs=1e-3)
    run = started(made(method, False))
    assert np.abs(told_of(*run, DARK) - told_of(*run, BRIGHT)).max() > 1e-2


def test_images_are_standardised_one_by_one_and_one_of_a_single_shade_is_left_at_nought():
    images = jnp.stack([jnp.full((4, 5, 3), 0.3), *jnp.float32(np.random.RandomState(0).rand(2, 4, 5, 3))])
    flat, *others = standardise(images)
    np.testing.assert_allclose(flat, 0, atol=1e-4)
    for image in others:
        assert float(image.mean()) == pytest.approx(0, abs=1e-5) and float(image.std()) == pytest.approx(1, abs=1e-5)
