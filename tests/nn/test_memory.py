"""Memory that stays with the process from one call of a program to the next."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")

CALLS = """
import resource, statistics, sys
import jax, jax.numpy as jnp
from pixelgan_jax.nn.xla_cpu import memory
if sys.argv[1] == "keep":
    memory.keep()
x = jnp.ones((5000, 5000))
call = jax.jit(lambda x: jnp.sum(jax.lax.optimization_barrier(x @ x[:, :1] + x) @ x[:, :1]))
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    jax.block_until_ready(call(x))
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(int(statistics.median(faults() for _ in range(11))))
"""


def faults(mode):
    """Pages that the kernel clears in a call of a program with an intermediate result of 24,414 pages: the median of
    several, since the heap grows once more where a thread's small block has been put into the room of the large one."""
    done = subprocess.run([sys.executable, "-c", CALLS, mode], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no glibc, whose memory is meant")
@pytest.mark.skipif(
    HUGE_PAGES.exists() and "[always]" in HUGE_PAGES.read_text(),
    reason="huge pages, of which there are few",
)
def test_a_program_finds_the_memory_of_its_last_call():
    assert faults("leave") > 20000
    assert faults("keep") < 100
