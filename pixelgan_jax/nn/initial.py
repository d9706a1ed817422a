"""First variables of networks, by one compiled program each: operation by operation they take longer, and networks
that are equal share it, whatever lies beside them."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from pixelgan_jax.nn.xla_cpu import run_once_options


def first_variables(key: jax.Array, network: nn.Module, *inputs: jax.Array, **mode: bool) -> dict[str, Any]:
    """A network's variables by a key, made for inputs of these shapes; `mode`: `train=False` of a network that asks.
    Under jax.eval_shape, which asks for shapes alone, JAX refuses compiler options: then there are none."""
    asked = isinstance(jnp.zeros(()), jax.core.Tracer)
    options = None if asked else run_once_options()
    return jax.jit(_init, static_argnames=("network", *mode), compiler_options=options)(key, network, *inputs, **mode)


def _init(key: jax.Array, network: nn.Module, *inputs: jax.Array, **mode: bool) -> dict[str, Any]:
    return network.init(key, *inputs, **mode)
