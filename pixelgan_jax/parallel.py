"""Maps the per-device step over every device of every process."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from pixelgan_jax.model import Model
from pixelgan_jax.step import AXIS, Batch, Examples, Metrics, TrainState, train_step

StepCall = Callable[[TrainState, Examples, Batch], tuple[TrainState, Metrics]]


def mesh(devices: list | None = None) -> Mesh:
    """All devices (or the given ones) along the one axis that mini-batches are split over."""
    # not jax.make_mesh, whose explicit axes shard_map refuses
    return Mesh(np.array(jax.devices() if devices is None else devices), (AXIS,))


def replicate(tree: Any, over: Mesh) -> Any:
    """The tree's arrays on every device, as buffers of their own."""
    return jax.device_put(tree, NamedSharding(over, P()))


def split_batch(batch: Batch, over: Mesh) -> Batch:
    """A global batch [S, B] of S steps, split over the devices along B."""
    return jax.device_put(batch, NamedSharding(over, P(None, AXIS)))


def compile_step(model: Model, over: Mesh) -> StepCall:
    """A jitted call (state, examples, batch [S, B]) -> (state, metrics [S]) of S steps; the state is donated.

    S = 1 runs the step itself: a loop around it costs a convolution's weight gradient dearly on CPU.
    """
    step = partial(train_step, model)

    def steps(state: TrainState, examples: Examples, batch: Batch) -> tuple[TrainState, Metrics]:
        if batch.index.shape[0] == 1:
            state, metrics = step(state, examples, jax.tree.map(lambda x: x[0], batch))
            return state, jax.tree.map(lambda x: x[None], metrics)
        return jax.lax.scan(lambda carry, one: step(carry, examples, one), state, batch)

    # check_vma=True would hand over gradients of the replicated state summed already: pmean would be wrong
    mapped = jax.shard_map(steps, mesh=over, in_specs=(P(), P(), P(None, AXIS)), out_specs=(P(), P()), check_vma=False)
    # on CPU, XLA drops the barriers of nn.masked_conv.kept before it fuses, unless told not to
    options = {"xla_disable_hlo_passes": "cse_barrier_expander"} if jax.default_backend() == "cpu" else None
    return jax.jit(mapped, donate_argnums=0, compiler_options=options)
