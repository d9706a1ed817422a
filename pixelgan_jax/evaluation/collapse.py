"""Signs that the adversarial game has collapsed, in what the codes of a split came to.

They are warnings and stop nothing: early in a run they pass by themselves.
"""

from __future__ import annotations

import math
from typing import Any

from pixelgan_jax.methods.method import Code

# With fewer images a good code may use one cluster, or be this far from its prior's moments, by chance.
FEWEST_IMAGES = 100
# A code that is the same for every image says nothing of any; two clusters may be all that some data have.
FEWEST_CLUSTERS = 2
# The prior has mean 0 and standard deviation 1. Of 100 images either is known to 0.1, so this is no chance; a matched
# code is within 0.1 of both, and half the prior's spread or twice as much is no match any more.
LARGEST_MEAN, SD_FACTOR = 0.5, 2.0


def warnings(code: Code, metrics: dict[str, Any]) -> list[str]:
    """One line for each sign of collapse in the metrics of a split (`measures.summarise`); none for a code that is
    not held to a prior."""
    categories, dimensions = code.categories, code.dimensions
    if not code.matched or metrics["examples"] < FEWEST_IMAGES:
        return []
    found = []
    if categories and metrics["clusters_used"] < FEWEST_CLUSTERS:
        found.append(f"the code has collapsed: {metrics['clusters_used']} of {categories} clusters is used")
    if dimensions:
        found += _moments(metrics["code_mean"][categories:], metrics["code_sd"][categories:])
    return found


def _moments(means: list[float], sds: list[float]) -> list[str]:
    def distance(i: int) -> float:  # 1: at a threshold
        ratio = abs(math.log(sds[i])) / math.log(SD_FACTOR) if sds[i] > 0 else math.inf
        return max(abs(means[i]) / LARGEST_MEAN, ratio)

    far = [i for i in range(len(means)) if distance(i) > 1]
    if not far:
        return []
    worst = max(far, key=distance)
    return [
        f"the code does not match its prior: {len(far)} of {len(means)} Gaussian entries are off, entry {worst} the"
        f" furthest with mean {means[worst]:.2f} and standard deviation {sds[worst]:.2f}, where the prior has 0 and 1"
    ]
