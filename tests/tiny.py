"""A method small enough to compile in seconds, and data for it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments import base
from pixelgan_jax.config import Config
from pixelgan_jax.methods import registry
from pixelgan_jax.methods.autoencoder import model as models
from pixelgan_jax.methods.method import AXIS, Batch, DataSpec, Examples, Method
from pixelgan_jax.training import parallel

SHAPE = (4, 4, 1)
EXAMPLES, LABELLED, BATCH = 40, 20, 16
DATA = DataSpec(SHAPE, 10, EXAMPLES, LABELLED)
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


def recorder() -> optax.GradientTransformation:
    """An optimizer that moves nothing and keeps the gradient as its state."""

    def nothing(tree):
        return jax.tree.map(jnp.zeros_like, tree)

    return optax.GradientTransformation(nothing, lambda gradients, _, params=None: (nothing(gradients), gradients))


def assert_same_gradients(one, other):
    """Within 1e-5: rounding is relative to the size of the gradients, not to each of their entries."""
    pairs = list(zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))
    largest = max(np.abs(a).max() for a, _ in pairs)
    assert largest > 1e-3
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * largest)


class Made(NamedTuple):
    """A configuration and its method for 4×4 grey images."""

    config: Config
    method: Method


def build(**groups):
    """The method of `fields`."""
    config = registry.from_dict(fields(**groups))
    return Made(config, registry.make(config, DATA))


def model(**groups):
    """The networks of `fields`."""
    return models.build(registry.from_dict(fields(**groups)), SHAPE, AXIS)


def examples(seed=0, labelled=LABELLED):
    """Random images, the first of which have labels 0 to 9."""
    random = np.random.RandomState(seed)
    images = random.randint(0, 256, (EXAMPLES, *SHAPE)).astype(np.uint8)
    which = np.arange(labelled, dtype=np.int32)
    return Examples.of(images, which, which % 10, np.int32(0))


def batch(step=0):
    """A batch [1, B] of one step."""
    random = np.random.RandomState(step)
    return Batch(*(random.randint(0, size, (1, BATCH)).astype(np.int32) for size in (EXAMPLES, LABELLED)))


def initial(made, mesh):
    """The state before the first step, on every device of the mesh."""
    return parallel.replicate(made.method.init(made.config.train.seed), mesh)


def ready(made, devices):
    """(mesh, state, examples) placed on the given devices."""
    mesh = parallel.make_mesh(devices)
    return mesh, initial(made, mesh), parallel.replicate(examples(), mesh)
