"""Time, and what the device can do at most: medians of calls that were run once before. Writing what was measured."""

import datetime
import json
import math
import os
import platform
import re
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from pixelgan_jax.evaluation import provenance
from pixelgan_jax.nn.xla_cpu import compiler_options
from pixelgan_jax.training.parallel import bytes_needed


def seconds(call: Callable[[], object], repeats: int = 5) -> float:
    """The median time of a call whose result JAX has to finish; the first call is not counted."""
    jax.block_until_ready(call())
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(call())
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def by_turns(calls: dict[str, Callable], repeats: int) -> dict[str, float]:
    """The median seconds of each call, run one after the other `repeats` times."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: float(np.median(spent)) for name, spent in times.items()}


def matrix_rate(dtype=jnp.float32) -> float:
    """Operations a second of a large square matrix product, a multiplication and an addition being two."""
    side = 2048 if jax.default_backend() == "cpu" else 8192
    x = jax.random.normal(jax.random.key(0), (side, side), dtype)
    product = jax.jit(lambda a: jnp.matmul(a, a))
    return 2 * side**3 / seconds(lambda: product(x))


def bandwidth() -> float:
    """Bytes a second that a copy of a large array reads and writes."""
    megabytes = 256 if jax.default_backend() == "cpu" else 4096
    x = jnp.ones((megabytes * 2**18,), jnp.float32)
    negative = jax.jit(jnp.negative)
    return 2 * x.nbytes / seconds(lambda: negative(x))


def compiled(function: Callable, *arguments) -> tuple[Callable, float, float]:
    """(the compiled function, seconds that compiling took, bytes it needs for arguments, result and in between); one
    jitted already keeps its options, others get the package's."""
    jitted = function if hasattr(function, "lower") else jax.jit(function, compiler_options=compiler_options())
    start = time.perf_counter()
    program = jitted.lower(*arguments).compile()
    took = time.perf_counter() - start
    return program, took, float(bytes_needed(program))


def digits(value: float) -> float:
    """Three significant digits: timings hold no more."""
    return float(f"{value:.3g}") if math.isfinite(value) else value


def processor() -> str:
    """The CPU's name: what Linux calls it, elsewhere what Python does, which may be nothing."""
    told = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*: (.+)$", told.read_text(), re.MULTILINE) if told.exists() else []
    return names[0] if names else platform.processor()


def circumstances() -> dict:
    """Day, processor, cores that this process may use, versions (None for a missing PyTorch), device and commit."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        torch = metadata.version("torch")
    except metadata.PackageNotFoundError:
        torch = None
    today = datetime.date.today().isoformat()
    return {"date": today, "processor": processor(), "cores": cores, **provenance.device_and_versions(), "torch": torch}


def named(name: str) -> str:
    """What results are called: by the platform too where that is not CPU."""
    return name if jax.default_backend() == "cpu" else f"{name}_{jax.default_backend()}"


def write(results: dict, plot: Callable[[dict, Path], None], folder: Path, name: str) -> None:
    """folder/name.json, and folder/name.png by `plot`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    plot(results, folder / f"{name}.png")
