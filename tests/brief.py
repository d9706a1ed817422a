"""Training of a few steps in this process, on tiny's random images and one device."""

import jax

from pixelgan_jax.training import loop, parallel, workdir
from pixelgan_jax.training.checkpoint import Checkpoints
from pixelgan_jax.training.description import Meta
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
    return parallel.make_mesh(jax.devices()[:1])


def meta(made):
    """What a fresh run says of itself."""
    return Meta("brief", made.config, seconds=0.0, compile_seconds=0.0, **tiny.DATA._asdict())


def target(made):
    """A function to restore `made` into, whatever the checkpoint says."""
    return lambda _: tiny.initial(made, one_device())


def train(folder, made, validate=lambda state: ({"validation_error": 0.5}, 0.5), change=lambda state: state):
    """Trains in `folder`, resuming what it holds, after `change` of the state; the last state and its meta."""
    mesh = one_device()
    workdir.prepare(folder)
    examples = parallel.replicate(tiny.examples(labelled=made.config.data.labels), mesh)
    with Checkpoints(folder) as checkpoints:
        state, about = checkpoints.newest_good(target(made)) or (target(made)(None), meta(made))
        with Log(folder, int(state.step)) as log:
            return loop.train(
                *(made.method, made.config.train, change(state), examples, about, mesh, checkpoints, log, validate)
            )
