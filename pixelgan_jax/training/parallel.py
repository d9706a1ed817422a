"""Maps the functions of one device over every device of every process."""

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from tqdm import tqdm

from pixelgan_jax.errors import InputError
from pixelgan_jax.methods.method import AXIS, Batch, Examples, Metrics, State
from pixelgan_jax.nn.xla_cpu import compiler_options, stack

Step = Callable[[State, Examples, Batch], tuple[State, Metrics]]


def make_mesh(devices: list | None = None) -> Mesh:
    """All devices (or the given ones) along the one axis that mini-batches are split over."""
    stack.shield()  # of signals that arrive in a convolution: whatever computes has made a mesh
    # not jax.make_mesh, whose explicit axes shard_map refuses
    return Mesh(np.array(jax.devices() if devices is None else devices), (AXIS,))


def is_first() -> bool:
    """Whether this is the process that writes what only one may write; where there is one process, it is."""
    return jax.process_index() == 0


def place(tree: Any, mesh: Mesh, spec: P) -> Any:
    """The tree's arrays, which every process holds alike, laid over the devices as `spec` says; a process hands over
    the part of its own devices."""
    sharding = NamedSharding(mesh, spec)
    if sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)

    # not jax.device_put, which would send all of it to all processes to compare
    def share(array):
        if isinstance(array, jax.core.Tracer):  # only its shape is asked for
            return jax.device_put(array, sharding)
        if jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(share(jax.random.key_data(array)))
        return jax.make_array_from_callback(array.shape, sharding, np.asarray(array).__getitem__)

    return jax.tree.map(share, tree)


def replicate(tree: Any, mesh: Mesh) -> Any:
    """The tree's arrays on every device, as buffers of their own."""
    return place(tree, mesh, P())


def split_batch(batch: Batch, mesh: Mesh) -> Batch:
    """A global batch [S, B] of S steps, split over the devices along B."""
    return place(batch, mesh, P(None, AXIS))


def agreement(mesh: Mesh) -> Callable[[int], int]:
    """A function that gives the largest of the numbers that the processes call it with, all equally often.

    Where there are several, it gives that of the call before, and 0 the first time: so nothing waits for it.
    """
    if jax.process_count() == 1:
        return lambda number: number
    largest = jax.jit(jnp.max, out_shardings=NamedSharding(mesh, P()))
    under_way = [np.int32(0)]

    def agree(number: int) -> int:
        numbers = place(np.full(mesh.devices.size, number, np.int32), mesh, P(AXIS))
        under_way.append(largest(numbers))
        return int(under_way.pop(0))

    return agree


def bytes_needed(program: jax.stages.Compiled) -> int:
    """Bytes of one device that a compiled program takes for its arguments, its results and what lies in between."""
    memory = program.memory_analysis()
    needed = memory.argument_size_in_bytes + memory.output_size_in_bytes + memory.temp_size_in_bytes
    return needed - memory.alias_size_in_bytes  # donated arguments that hold the results


# what a container may take: version 2 of Linux's control groups, and 1
CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def machine_memory() -> int:
    """Bytes that this process may take: the machine's, or its container's limit where that is less."""
    bounds = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in CGROUP_LIMITS:
        with suppress(OSError, ValueError):  # no such file; "max"
            bounds.append(int(path.read_text()))
    return min(bounds)


def check_images(images: np.ndarray, mesh: Mesh) -> None:
    """Raises InputError where training images uint8 [M, ...], which every device holds, exceed a device's memory."""
    limit = _device_memory(mesh)
    if limit is not None and images.nbytes > limit:  # where it is the machine's, they are in it already
        raise InputError(
            f"config.data.name: {len(images):,} training images take {images.nbytes / 1e9:.3g} GB of a device's"
            f" {limit / 1e9:.3g}; must be fewer or smaller"
        )


def _device_memory(mesh: Mesh) -> int | None:
    """Bytes that a device of this process has to itself; None where it shares the machine's."""
    return (mesh.local_devices[0].memory_stats() or {}).get("bytes_limit")


def check_memory(program: jax.stages.Compiled, mesh: Mesh, batch_size: int) -> None:
    """Raises InputError where a step of `batch_size` images cannot fit into the devices' memory."""
    local, limit = mesh.local_devices, _device_memory(mesh)
    if limit is None:
        limit = machine_memory() // len(local)
    needed = bytes_needed(program)
    if needed > limit:
        raise InputError(
            f"config.train.batch_size: {batch_size} is not allowed: must be smaller, since a step would need"
            f" {needed / 1e9:.3g} GB of a device's {limit / 1e9:.3g}; more devices share a batch"
        )


def compile_step(step: Step, mesh: Mesh) -> Step:
    """A jitted call (state, examples, batch [S, B]) -> (state, metrics [S]) of S steps; the state is donated.

    S = 1 runs the step itself: a loop around it costs a convolution's weight gradient dearly on CPU.
    """

    def steps(state: State, examples: Examples, batch: Batch) -> tuple[State, Metrics]:
        if batch.index.shape[0] == 1:
            state, metrics = step(state, examples, jax.tree.map(lambda x: x[0], batch))
            return state, jax.tree.map(lambda x: x[None], metrics)
        return jax.lax.scan(lambda carry, one: step(carry, examples, one), state, batch)

    # check_vma=True would hand over gradients of the replicated state summed already: pmean would be wrong
    mapped = jax.shard_map(steps, mesh=mesh, in_specs=(P(), P(), P(None, AXIS)), out_specs=(P(), P()), check_vma=False)
    return jax.jit(mapped, donate_argnums=0, compiler_options=compiler_options())


@cache
def mapped(function: Callable, mesh: Mesh, rows: int) -> Callable:
    """`function`, jitted, over devices that share its last `rows` arguments; every process ends up with all rows."""

    def whole(*arguments):
        specs = (P(),) * (len(arguments) - rows) + (P(AXIS),) * rows
        return jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=P(AXIS), check_vma=False)(*arguments)

    return jax.jit(whole, out_shardings=NamedSharding(mesh, P()), compiler_options=compiler_options())


def map_examples(
    function: Callable, shared: tuple, rows: tuple, mesh: Mesh, batch: int, unit: str | None = None
) -> Any:
    """function(*shared, *rows) for all rows, in calls of one size that the devices share, so that any number of rows
    takes the memory and the compilation of one call. Sizes below `batch` are powers of two: a number of rows that is
    new is seldom compiled anew.

    function: arrays with a row an example, in and out, each row depending on its own example alone. rows: arrays of N
    rows, N at least 1; of those after the first also longer ones, of which the first N count. batch: rows of a call at
    most, over all devices. unit: what a row is called in a progress bar, which more than one call shows on a terminal.
    """
    count, devices = len(rows[0]), mesh.devices.size
    size = -(-min(batch, 1 << (count - 1).bit_length()) // devices) * devices
    results = []
    with tqdm(total=count, unit=unit, disable=None if unit and count > size else True) as bar:
        for start in range(0, count, size):
            index = np.minimum(np.arange(start, start + size), count - 1)  # filled up with the last example
            given = tuple(array if len(array) == size == count else array[index] for array in rows)
            given = place(given, mesh, P(AXIS))
            result = mapped(function, mesh, len(rows))(*shared, *given)
            results.append(jax.tree.map(lambda x, start=start: np.asarray(x)[: count - start], result))
            bar.update(min(size, count - start))
    return jax.tree.map(lambda *parts: np.concatenate(parts), *results)
