"""Which examples make up a batch: a pure function of the seed and the step, so resuming needs no iterator's state."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


@lru_cache(maxsize=4)  # two streams, each at the border of two epochs, but for those that a batch uses up
def _order(examples: int, seed: int, stream: int, epoch: int) -> np.ndarray:
    order = np.random.RandomState([seed, stream, epoch]).permutation(examples).astype(np.int32)
    order.flags.writeable = False  # every caller shares it
    return order


def indices(examples: int, batch_size: int, seed: int, stream: int, step: int) -> np.ndarray:
    """Indices int32 [batch_size], each from 0 to examples - 1, of the examples in the batch of `step`.

    Batches are cut from an endless sequence of epochs, each of which has every example once, in an order of its own. A
    batch may straddle epochs, or be larger than one. `stream` numbers independent sequences: labelled and unlabelled.
    """
    first, end = step * batch_size, (step + 1) * batch_size
    parts = []
    order = _order if examples >= batch_size else _order.__wrapped__  # few labels' would drive out all images'
    for epoch in range(first // examples, (end - 1) // examples + 1):
        start = epoch * examples
        parts.append(order(examples, seed, stream, epoch)[max(first - start, 0) : end - start])
    return np.concatenate(parts)
