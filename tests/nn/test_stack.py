"""Signals that arrive in the middle of a convolution, on CPU."""

import os
import subprocess
import sys

import pytest

# a gradient of convolutions, as most of a step is, and a thousand signals a second
CONVOLVED = """
import os, signal
if hasattr(os, "sched_setaffinity"):  # with one core all of it is done by the thread that signals go to
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import jax, jax.numpy as jnp
from pixelgan_jax.nn.xla_cpu import compiler_options, memory
from pixelgan_jax.training import parallel
handled = []
signal.signal(signal.SIGALRM, lambda *_: handled.append(1))
memory.keep()
parallel.make_mesh()
images, kernel = jnp.ones((16, 28, 28, 16)), jnp.ones((3, 3, 16, 16))
def loss(kernel):
    x = images
    for _ in range(4):
        x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")) / 144
    return jnp.mean(x**2)
gradient = jax.jit(jax.grad(loss), compiler_options=compiler_options())
undisturbed = gradient(kernel)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
same = all(bool(jnp.all(gradient(kernel) == undisturbed)) for _ in range(100))
signal.setitimer(signal.ITIMER_REAL, 0)
print(same, len(handled) > 100)
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_signals_leave_a_convolution_alone():
    """Without the shield of make_mesh glibc complains about its heap within a second, where there is AVX-512."""
    other = ("PYTHONFAULTHANDLER", "XLA_FLAGS")  # the former is a shield itself, the latter the tests' quick programs
    without = {name: value for name, value in os.environ.items() if name not in other}
    done = subprocess.run([sys.executable, "-c", CONVOLVED], capture_output=True, text=True, env=without)
    assert (done.stdout, done.returncode) == ("True True\n", 0), done.stderr
