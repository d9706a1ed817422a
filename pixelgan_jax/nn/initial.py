"""First variables of networks, by one compiled program each: operation by operation they take longer."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pixelgan_jax.nn.xla_cpu import run_once_options


def run_once(function: Callable, *static: str) -> Callable:
    """The function compiled for one call, the arguments of these names static. Where jax.eval_shape asks for shapes
    alone nothing is compiled, and no compiler's option taken."""

    def called(*arguments):
        asked = isinstance(jnp.zeros(()), jax.core.Tracer)
        options = None if asked else run_once_options()
        return jax.jit(function, static_argnames=static, compiler_options=options)(*arguments)

    return called


def first_variables(key: jax.Array, network: nn.Module, *inputs: jax.Array) -> dict[str, Any]:
    """A network's variables by a key, made for inputs of these shapes."""
    return run_once(_init, "network")(key, network, *inputs)


def _init(key: jax.Array, network: nn.Module, *inputs: jax.Array) -> dict[str, Any]:
    return network.init(key, *inputs, train=False)
