"""Memory that stays with the process from one step to the next, on CPU."""

import ctypes
import platform

import jax

# of glibc's malloc.h
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep() -> None:
    """Has glibc keep what XLA:CPU gives back; to be called before JAX has devices. Does nothing without glibc.

    A program's intermediate results are one block, taken as it starts. A large one glibc asks of the kernel and returns
    at the end, and the kernel clears its pages as they are next touched: 20,000 page faults, a tenth of a step of
    experiments/mnist.py. The heap would hold the block, but other threads' heaps hold 64 MB at most: so programs run
    in the thread that calls them, which leaves some milliseconds of Python between two steps. Accelerators' programs
    are dispatched asynchronously as ever.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    set_option = ctypes.CDLL(None).mallopt
    if set_option(M_MMAP_MAX, 0) and set_option(M_TRIM_THRESHOLD, -1):
        jax.config.update("jax_cpu_enable_async_dispatch", False)
