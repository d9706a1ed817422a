"""What has XLA compile in a hurry, or not twice, since tests compile far longer than they compute; and when it is too
late to begin a slow one."""

import os
import time
from importlib.metadata import version
from pathlib import Path

XLA_FLAGS = (
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    # and in one piece: programs are small, and the other cores have tests of their own
    " --xla_cpu_opt_preset=CPU_OPT_PRESET_FAST_COMPILE --xla_cpu_parallel_codegen_split_count=1"
)
# The emitters of fusions before MLIR's compile in half the time and a quarter of the memory. They are to go, and
# XLA aborts at a flag that it does not know.
if version("jaxlib").startswith("0.10."):
    XLA_FLAGS += " --xla_cpu_use_fusion_emitters=false"


def environment(programs: Path | None) -> dict[str, str]:
    """Of a user's process: without the tests' settings and launcher, and with compiled programs kept in the folder
    `programs`."""
    others = ("JAX_", "XLA_", "SLURM_", "OMPI_", "JOB_COMPLETION_INDEX")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    if programs:
        kept |= {
            "JAX_COMPILATION_CACHE_DIR": str(programs),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        }
    return kept


UNTIL = "SLOW_TESTS_UNTIL"  # the second, as of time.time(), from which on no slow test begins; .ci/run sets it


def is_over() -> bool:
    return UNTIL in os.environ and time.time() > float(os.environ[UNTIL])
