"""Optimizers' states as earlier versions kept them in checkpoints."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def _is_tree(node: Any) -> bool:
    """Whether a part of an optax state has the parameters' structure, where the rest is tuples and counts."""
    return isinstance(node, dict)


def vectors(opt: dict[str, Any]) -> dict[str, Any]:
    """The optimizers' states, by phase, as earlier versions kept them: of each such part one vector of its numbers."""

    def vector(node: Any) -> Any:
        if not _is_tree(node):
            return node
        first, *rest = jax.tree.leaves(node)
        size = sum(math.prod(leaf.shape) for leaf in (first, *rest))
        return jax.ShapeDtypeStruct((size,), first.dtype, sharding=first.sharding)

    return {phase: jax.tree.map(vector, state, is_leaf=_is_tree) for phase, state in opt.items()}


def trees(opt: dict[str, Any], like: dict[str, Any]) -> dict[str, Any]:
    """Such states in the structure and placement of `like`."""

    def tree(wanted: Any, vector: jax.Array) -> Any:
        if not _is_tree(wanted):
            return vector
        leaves, structure = jax.tree.flatten(wanted)
        parts = jnp.split(vector, np.cumsum([leaf.size for leaf in leaves])[:-1])
        return structure.unflatten([part.reshape(leaf.shape) for part, leaf in zip(parts, leaves, strict=True)])

    def rebuilt(opt):
        return {phase: jax.tree.map(tree, like[phase], opt[phase], is_leaf=_is_tree) for phase in like}

    return jax.jit(rebuilt, out_shardings=jax.tree.map(lambda leaf: leaf.sharding, like))(opt)
