"""Time, and what the device can do at most: medians of calls that were run once before."""

import math
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np


def seconds(call: Callable[[], object], repeats: int = 5) -> float:
    """The median time of a call whose result JAX has to finish; the first call is not counted."""
    jax.block_until_ready(call())
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def matrix_rate(side: int = 2048) -> float:
    """Operations a second of a float32 matrix product [side, side]², a multiplication and an addition being two."""
    x = jax.random.normal(jax.random.key(0), (side, side))
    product = jax.jit(lambda a: jnp.matmul(a, a))
    return 2 * side**3 / seconds(lambda: product(x))


def bandwidth(megabytes: int = 256) -> float:
    """Bytes a second that a copy of a large array reads and writes."""
    x = jnp.ones((megabytes * 2**18,), jnp.float32)
    negative = jax.jit(jnp.negative)
    return 2 * x.nbytes / seconds(lambda: negative(x))


def compiled(function: Callable, *arguments) -> tuple[Callable, float, float]:
    """(the compiled function, seconds that compiling took, bytes it needs for arguments, result and in between); one
    jitted already keeps its options."""
    jitted = function if hasattr(function, "lower") else jax.jit(function)
    start = time.perf_counter()
    program = jitted.lower(*arguments).compile()
    took = time.perf_counter() - start
    memory = program.memory_analysis()
    needed = memory.argument_size_in_bytes + memory.output_size_in_bytes + memory.temp_size_in_bytes
    needed -= memory.alias_size_in_bytes  # donated arguments that hold the result
    return program, took, float(needed)


def digits(value: float) -> float:
    """Three significant digits: timings hold no more."""
    return float(f"{value:.3g}") if math.isfinite(value) else value
