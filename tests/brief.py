"""Training of a few steps in this process, on tiny's random images and one device."""

import jax

from pixelgan_jax.methods.autoencoder.state import create
from pixelgan_jax.training import loop, parallel, workdir
from pixelgan_jax.training.checkpoint import Checkpoints, Meta
from pixelgan_jax.training.logs import Log
from tests import tiny


def plain(**groups):
    """A decoder alone, the model that compiles fastest; `groups` as for tiny.build."""
    least = {
        "data": {"labels": 0},
        "prior": {"name": "none"},
        "model": {"channels": 2, "layers": 0},
        "train": {"steps": 6, "log_every": 100, "evaluate_every": 100, "checkpoint_every": 100},
    }
    for group, values in groups.items():
        least.setdefault(group, {}).update(values)
    return tiny.build(**least)


def one_device():
    """The mesh of the first device."""
    return parallel.mesh(jax.devices()[:1])


def meta(made):
    """What a fresh run says of itself."""
    return Meta("brief", made.config, made.shape, 10, 0.0, 0.0)


def target(made):
    """A function to restore `made` into, whatever the checkpoint says."""
    return lambda _: parallel.replicate(create(made), one_device())


def train(folder, made, validate=lambda state: ({"validation_error": 0.5}, 0.5), change=lambda state: state):
    """Trains in `folder`, resuming what it holds, after `change` of the state; the last state and its meta."""
    over = one_device()
    workdir.prepare(folder)
    examples = tiny.examples()
    if not made.config.data.labels:
        examples = examples._replace(labelled_images=examples.images[:0], labels=examples.labels[:0])
    with Checkpoints(folder) as checkpoints:
        state, about = checkpoints.newest_good(target(made)) or (target(made)(None), meta(made))
        with Log(folder, int(state.step)) as log:
            examples = parallel.replicate(examples, over)
            return loop.train(made, change(state), examples, about, over, checkpoints, log, validate)
