"""Variables of small networks, away from their initial values, where a missing term would not show."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def drawn(init: Callable, *arguments: Any) -> Any:
    """What `init(*arguments)` gives, by shape: of kernels [..., out] and biases random numbers, kernels' about as large
    as initial ones, of variances and scales around 1. Nothing is compiled."""
    random = np.random.RandomState(1)

    def values(path, leaf):
        if path[-1].key in ("var", "scale"):
            return random.uniform(0.7, 1.4, leaf.shape).astype(np.float32)
        fan_in = np.prod(leaf.shape[:-1]) if leaf.ndim > 1 else np.inf
        return (np.hypot(0.3, fan_in**-0.5) * random.randn(*leaf.shape)).astype(np.float32)

    return jax.tree.map_with_path(values, jax.eval_shape(init, *arguments))
