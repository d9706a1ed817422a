"""A model small enough to compile in seconds, and data for it."""

import numpy as np

from experiments import base
from pixelgan_jax import config
from pixelgan_jax.methods.autoencoder import model, state
from pixelgan_jax.methods.autoencoder.step import AXIS, Batch, Examples
from pixelgan_jax.training import parallel

SHAPE = (4, 4, 1)
EXAMPLES, LABELLED, BATCH = 40, 20, 16
# the parts of a step that only some experiments have
VIEWS = {"optim": {"view_information": 1.0}, "model": {"input_shear": 0.5, "discriminator_draws": True}}


def fields(**groups):
    """base's ConfigDict shrunk, then overridden by group: fields(model={"layers": 2}, train={...})."""
    made = base.get_config()
    made.data.labels = LABELLED
    made.model.update(encoder_channels=(4, 4), encoder_units=8, channels=4, layers=1, discriminator_units=(8,))
    made.train.update(batch_size=BATCH, steps=4, log_every=2, evaluate_every=2, checkpoint_every=2)
    made.sample.count = 4
    for group, values in groups.items():
        made[group].update(values)
    return made


def build(**groups):
    """The model of `fields` for 4×4 grey images."""
    return model.build(config.from_dict(fields(**groups)), SHAPE, AXIS)


def examples(seed=0):
    """Random images with labels 0 to 9."""
    random = np.random.RandomState(seed)
    images = random.randint(0, 256, (EXAMPLES, *SHAPE)).astype(np.uint8)
    labels = np.arange(EXAMPLES, dtype=np.int32) % 10
    return Examples(images, images[:LABELLED], labels[:LABELLED], np.int32(0))


def batch(step=0):
    """A batch [1, B] of one step."""
    random = np.random.RandomState(step)
    return Batch(*(random.randint(0, size, (1, BATCH)).astype(np.int32) for size in (EXAMPLES, LABELLED)))


def ready(made, devices):
    """(mesh, state, examples) placed on the given devices."""
    over = parallel.mesh(devices)
    return over, parallel.replicate(state.create(made), over), parallel.replicate(examples(), over)
