"""Exact metrics over a split: every example once, whatever the batch size.

The networks give rows of numbers, one an example (`measure`); what the rows amount to is computed on the host in
float64 (`summarise`). Shapes: N examples, K categories, d continuous dimensions, D = K + d. Nats are per image.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from pixelgan_jax.data.randomness import Stream
from pixelgan_jax.data.sources import Split
from pixelgan_jax.evaluation.clusters import cluster_metrics
from pixelgan_jax.evaluation.trained import MAPPED, Trained, evaluation_keys, rows
from pixelgan_jax.methods.method import Code, Method, Variables
from pixelgan_jax.training import parallel

Array = jax.Array
Rows = dict[str, np.ndarray]


LOGITS = 1 << 29  # bytes that the decoder's parameters of one call's pixels may take, as far as levels tell


def decoded_at_once(method: Method, batch: int) -> int:
    """How many of at most `batch` images go through the decoder in one call: fewer where they are large and of many
    levels."""
    height, width, _ = method.shape
    return max(1, min(batch, LOGITS // (4 * height * width * method.levels)))


@cache
def nats_function(method: Method) -> Callable[..., Array]:
    """(variables, images, keys, code) -> -log p(x | code), nats [N]."""

    def nats(variables: Variables, images: Array, keys: Array, code: Array) -> Array:
        return -jnp.sum(method.log_prob(variables, method.targets(images, keys), code), axis=(1, 2))

    return nats


def measure(
    trained: Trained, split: Split, decode: bool = True, importance_draws: int = 0, batch: int = MAPPED
) -> Rows:
    """What the averaged parameters make of the split, a row an example: `infer`'s rows, and with `decode`, where there
    is a likelihood, "nats" [N]: -log p(x | code), and "shuffled_nats" [N]: with the codes permuted among the images;
    with `importance_draws`, of a code with a density, also "importance_weighted_nats" [N], a bound of -log p(x).

    Every draw is keyed by the example's index in the split. The decoder is by far the dearer part.
    """
    method, count, seed = trained.method, len(split.images), trained.config.train.seed
    keys = evaluation_keys(seed, count)
    found = rows(trained, method.infer, (split.images, keys), batch)
    if not decode or method.log_prob is None:
        return found
    code, batch = found["code"], decoded_at_once(method, batch)
    found["nats"] = rows(trained, nats_function(method), (split.images, keys, code), batch)
    if method.code.width:
        order = np.random.RandomState([seed, Stream.PERMUTATION]).permutation(count)
        found["shuffled_nats"] = rows(trained, nats_function(method), (split.images, keys, code[order]), batch)
    if importance_draws and method.proposals:
        weighed = _importance_weighted_nats(trained, split.images, keys[:count], found, importance_draws, batch)
        found["importance_weighted_nats"] = weighed
    return found


def _importance_weighted_nats(
    trained: Trained, images: np.ndarray, keys: Array, found: Rows, draws: int, batch: int
) -> np.ndarray:
    """-log of the mean of p(x | z) over the method's proposals z, each by its weight: nats [N]."""
    count, codes = trained.method.proposals(found, keys, draws)
    summed = np.full(len(images), -np.inf)
    hidden = None if parallel.is_first() else True
    for code, weight in tqdm(codes, "weighing codes", count, leave=False, unit="code", disable=hidden):
        arrays = (images, keys, code.astype(np.float32))
        nats = rows(trained, nats_function(trained.method), arrays, batch).astype(np.float64)
        summed = np.logaddexp(summed, weight - nats)
    return math.log(count) - summed


def summarise(
    trained: Trained, found: Rows, labels: np.ndarray, fitted: Rows, fitted_labels: np.ndarray
) -> dict[str, Any]:
    """The metrics of results.json that apply (docs/metrics.md); cluster maps are fitted on (fitted,
    fitted_labels), the validation split. Images whose label is -1 have none, and no part in what compares labels."""
    method, with_labels = trained.method, trained.config.data.labels
    metrics: dict[str, Any] = {"examples": len(labels)}
    log_q = found["log_probabilities"]
    if log_q.shape[1]:
        seen = labels >= 0
        if 0 < seen.sum() < len(labels):
            metrics["labelled_examples"] = int(seen.sum())
        if with_labels and seen.any():
            metrics["error"] = float(np.mean(np.argmax(log_q[seen], axis=1) != labels[seen]))
        if method.code.categories or not with_labels:
            known = fitted["log_probabilities"], fitted_labels
            metrics |= cluster_metrics(log_q, labels, *known, len(trained.names))
    if method.code.width:
        metrics |= moments(found["code"])
    return metrics | _likelihood(method, found)


def _likelihood(method: Method, found: Rows) -> dict[str, float]:
    """Nats of reconstruction, of the code, and of both together; none where the decoder was not asked, the code's alone
    where there is none."""
    if "nats" not in found:
        return method.information(found) if method.information and method.log_prob is None else {}
    metrics = {"reconstruction_nats": float(np.mean(found["nats"], dtype=np.float64))}
    terms = method.information(found) if method.information else {}
    metrics |= terms
    if "mutual_information_nats" in terms:
        metrics["negative_elbo_nats"] = metrics["reconstruction_nats"] + sum(terms.values())
    if "negative_elbo_nats" in metrics or not method.code.width:
        total = metrics.get("negative_elbo_nats", metrics["reconstruction_nats"])
        metrics["bits_per_dim"] = total / (math.prod(method.shape) * math.log(2))
    if "importance_weighted_nats" in found:
        metrics["importance_weighted_nats"] = float(np.mean(found["importance_weighted_nats"], dtype=np.float64))
    if "shuffled_nats" in found:
        metrics["shuffled_code_nats"] = float(np.mean(found["shuffled_nats"], dtype=np.float64))
    return metrics


def moments(code: np.ndarray) -> dict[str, list[float]]:
    """Mean and standard deviation of the entries of drawn codes [N, D], D each: to be held against the prior's."""
    code = code.astype(np.float64)
    return {"code_mean": code.mean(axis=0).tolist(), "code_sd": code.std(axis=0).tolist()}


def prior_moments(code: Code) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the prior's entries, D each: what `moments` should come to."""
    shares = code.shares
    mean = np.concatenate([shares, np.zeros(code.dimensions)])
    return mean, np.concatenate([np.sqrt(shares * (1.0 - shares)), np.ones(code.dimensions)])
