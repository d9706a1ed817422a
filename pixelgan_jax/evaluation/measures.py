"""Exact metrics over a split: every example once, whatever the batch size.

The networks give one row an example (`measure`); what the rows amount to is computed on the host in float64
(`summarise`). Letters: N examples, K categories, d Gaussian dimensions, D = K + d. Nats are per image.
"""

import math
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp, xlogy
from sklearn.metrics import adjusted_rand_score, confusion_matrix, normalized_mutual_info_score

from pixelgan_jax.data.randomness import Stream, example_keys, fold
from pixelgan_jax.data.sources import Split
from pixelgan_jax.methods.autoencoder import priors
from pixelgan_jax.methods.autoencoder.model import Model, encode, log_prob, seedless, targets
from pixelgan_jax.methods.autoencoder.state import TrainState
from pixelgan_jax.methods.autoencoder.step import AXIS
from pixelgan_jax.training.parallel import compiler_options, place

Array = jax.Array
BATCH = 500  # examples of one compiled call


class Outputs(NamedTuple):
    """What the averaged parameters make of N examples.

    log_probabilities [N, K], mean [N, d], log_sd [N, d]: q(z | x). code [N, D]: one draw of it, keyed by the index.
    nats [N]: -log p(x | code); shuffled_nats [N]: with the codes permuted among the images; either may be absent.
    """

    log_probabilities: np.ndarray
    mean: np.ndarray
    log_sd: np.ndarray
    code: np.ndarray
    nats: np.ndarray | None
    shuffled_nats: np.ndarray | None


def posterior_and_code(model: Model, ema: dict, stats: dict, images: Array, keys: Array) -> tuple:
    """(log_probabilities, mean, log_sd, code) of images uint8 [N, H, W, C], with a key each, [N]."""
    posterior, _ = encode(model, ema["encoder"], stats["encoder"], images, keys)
    return *posterior, priors.hard_code(posterior, keys)


def code_nats(model: Model, ema: dict, stats: dict, images: Array, keys: Array, code: Array) -> Array:
    """-log p(x | code), nats [N], of images uint8 [N, H, W, C], with a key each [N], and codes [N, D]."""
    return -jnp.sum(log_prob(model, ema["decoder"], targets(model, images, keys), code), axis=(1, 2))


@cache
def _sharded(function, model: Model, over: Mesh):
    """function(model, ...), compiled; every process ends up with all rows."""
    everywhere = NamedSharding(over, P())
    return jax.jit(partial(function, model), out_shardings=everywhere, compiler_options=compiler_options())


def over_examples(
    function, model: Model, averaged: tuple[dict, dict], over: Mesh, arrays: tuple, batch: int = BATCH
) -> Any:
    """function(model, *averaged, *rows of arrays) for all rows, in calls of one size that the devices share.

    averaged: (parameters, batch statistics) by role. The function gives arrays of one row an example.
    """
    count, devices = len(arrays[0]), over.devices.size
    size = -(-min(batch, count) // devices) * devices
    rows = []
    for start in range(0, count, size):
        index = np.minimum(np.arange(start, start + size), count - 1)  # filled up with the last example
        given = place(tuple(array[index] for array in arrays), over, P(AXIS))
        result = _sharded(function, seedless(model), over)(*averaged, *given)
        rows.append(jax.tree.map(lambda x, start=start: np.asarray(x)[: count - start], result))
    return jax.tree.map(lambda *parts: np.concatenate(parts), *rows)


def measure(
    model: Model, state: TrainState, split: Split, over: Mesh, decode: bool = True, batch: int = BATCH
) -> Outputs:
    """Runs the networks once over the split; the decoder, by far the dearer part, only with `decode`.

    Every draw is keyed by the example's index in the split.
    """
    count, seed = len(split.images), model.config.train.seed
    keys = example_keys(fold(jax.random.key(seed), Stream.EVALUATION), jnp.arange(count))
    run = partial(over_examples, model=model, averaged=(state.ema, state.ema_stats), over=over, batch=batch)
    *posterior, code = run(posterior_and_code, arrays=(split.images, keys))
    if not decode:
        return Outputs(*posterior, code, None, None)
    nats = run(code_nats, arrays=(split.images, keys, code))
    if not model.width:
        return Outputs(*posterior, code, nats, None)
    order = np.random.RandomState([seed, Stream.PERMUTATION]).permutation(count)
    return Outputs(*posterior, code, nats, run(code_nats, arrays=(split.images, keys, code[order])))


def summarise(
    model: Model, outputs: Outputs, labels: np.ndarray, fitted: Outputs, fitted_labels: np.ndarray
) -> dict[str, Any]:
    """The metrics of results.json that apply (README: "Metrics"); cluster maps are fitted on (fitted, fitted_labels),
    the validation split."""
    config = model.config
    metrics: dict[str, Any] = {"examples": len(labels)}
    if outputs.log_probabilities.shape[1]:
        if config.data.labels:
            metrics["error"] = float(np.mean(np.argmax(outputs.log_probabilities, axis=1) != labels))
        metrics |= cluster_metrics(outputs.log_probabilities, labels, fitted.log_probabilities, fitted_labels)
    if model.width:
        metrics |= moments(outputs)
    if outputs.nats is None:
        return metrics
    metrics["reconstruction_nats"] = float(np.mean(outputs.nats, dtype=np.float64))
    terms = information(model, outputs)
    metrics |= terms
    if "mutual_information_nats" in terms:
        metrics["negative_elbo_nats"] = metrics["reconstruction_nats"] + sum(terms.values())
    if "negative_elbo_nats" in metrics or not model.width:
        total = metrics.get("negative_elbo_nats", metrics["reconstruction_nats"])
        metrics["bits_per_dim"] = total / (math.prod(model.shape) * math.log(2))
    if outputs.shuffled_nats is not None:
        metrics["shuffled_code_nats"] = float(np.mean(outputs.shuffled_nats, dtype=np.float64))
    return metrics


def moments(outputs: Outputs) -> dict[str, list[float]]:
    """Mean and standard deviation of the drawn code's entries, D each: to be held against the prior's."""
    code = outputs.code.astype(np.float64)
    return {"code_mean": code.mean(axis=0).tolist(), "code_sd": code.std(axis=0).tolist()}


def prior_moments(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the prior's entries, D each: what `moments` should come to."""
    categories, dimensions = priors.sizes(model.config.prior)
    share = 1.0 / max(categories, 1)
    mean = np.repeat([share, 0.0], [categories, dimensions])
    return mean, np.repeat([math.sqrt(share * (1.0 - share)), 1.0], [categories, dimensions])


def cluster_metrics(
    log_probabilities: np.ndarray, labels: np.ndarray, fitted: np.ndarray, fitted_labels: np.ndarray
) -> dict[str, Any]:
    """Clustering errors (fractions) of log q [N, K] against labels [N], under three maps from cluster to label.

    Each is fitted on validation, log q [M, K] and labels [M]. best_example: the label of the example that maximises
    q(k | x) (Makhzani et al. 2015, section 5). majority: the commonest label among the cluster's members, the best
    example's where it has none. hungarian: the best one-to-one map, only where K is the number of classes.
    """
    clusters = log_probabilities.shape[1]
    classes = int(max(labels.max(), fitted_labels.max())) + 1
    assigned, fitted_assigned = log_probabilities.argmax(axis=1), fitted.argmax(axis=1)
    best = fitted_labels[fitted.argmax(axis=0)]
    size = max(clusters, classes)
    counts = confusion_matrix(fitted_assigned, fitted_labels, labels=np.arange(size))[:clusters, :classes]
    majority = np.where(counts.sum(axis=1) > 0, counts.argmax(axis=1), best)
    metrics = {
        "cluster_error_best_example": float(np.mean(best[assigned] != labels)),
        "cluster_error_majority": float(np.mean(majority[assigned] != labels)),
    }
    if clusters == classes:
        _, matched = linear_sum_assignment(counts, maximize=True)
        metrics["cluster_error_hungarian"] = float(np.mean(matched[assigned] != labels))
    return metrics | {
        "clusters_used": int(len(np.unique(assigned))),
        "nmi": float(normalized_mutual_info_score(labels, assigned)),
        "ari": float(adjusted_rand_score(labels, assigned)),
    }


def information(model: Model, outputs: Outputs) -> dict[str, float]:
    """The two terms that E_x KL(q(z | x) ‖ p(z)) = KL(q(z) ‖ p(z)) + I_q(z; x) splits into, nats.

    Categorical: exact, from the mean posterior and the entropies. Gaussian encoder: the left side is analytic,
    KL(q(z) ‖ p) is estimated with one draw of each component of the exact mixture q(z) = 1/N Σ q(z | x_i), and I is
    their difference. A product of both: the same over the joint mixture. A deterministic or noise-fed continuous
    code has neither.
    """
    categories, dimensions = priors.sizes(model.config.prior)
    log_q = outputs.log_probabilities.astype(np.float64)
    conditional = float(np.mean(np.sum(xlogy(np.exp(log_q), np.exp(log_q)), axis=1))) if categories else 0.0
    to_prior = conditional + (math.log(categories) if categories else 0.0)
    if not dimensions:
        if not categories:
            return {}
        mean = np.exp(log_q).mean(axis=0)
        marginal = float(np.sum(xlogy(mean, mean))) + math.log(categories)
        return {"marginal_kl_nats": marginal, "mutual_information_nats": to_prior - marginal}
    if model.config.model.encoder != "gaussian":
        return {}
    mean, log_sd = outputs.mean.astype(np.float64), outputs.log_sd.astype(np.float64)
    to_prior += float(np.mean(np.sum(0.5 * (mean**2 + np.exp(2 * log_sd) - 1.0) - log_sd, axis=1)))
    code = outputs.code.astype(np.float64)
    log_prior = -0.5 * np.sum(code[:, categories:] ** 2, axis=1) - 0.5 * dimensions * math.log(2 * math.pi)
    log_prior -= math.log(categories) if categories else 0.0
    marginal = float(np.mean(_log_mixture(code, log_q, mean, log_sd) - log_prior))
    return {"marginal_kl_nats": marginal, "mutual_information_nats": to_prior - marginal}


def _log_mixture(code: np.ndarray, log_q: np.ndarray, mean: np.ndarray, log_sd: np.ndarray) -> np.ndarray:
    """log q(z) under the mixture of all N posteriors, at codes [N, D] -> [N]; rows by the hundred to bound memory."""
    categories, dimensions = log_q.shape[1], mean.shape[1]
    constant = -0.5 * dimensions * math.log(2 * math.pi) - log_sd.sum(axis=1)
    rows = []
    for start in range(0, len(code), 100):
        part = code[start : start + 100]
        scaled = (part[:, None, categories:] - mean[None]) * np.exp(-log_sd)[None]
        log_density = constant[None] - 0.5 * np.sum(scaled**2, axis=2)
        if categories:
            log_density += log_q.T[part[:, :categories].argmax(axis=1)]
        rows.append(logsumexp(log_density, axis=1) - math.log(len(code)))
    return np.concatenate(rows)


def headline(metrics: dict[str, Any]) -> tuple[str, float]:
    """Name and value of the one metric that runs are compared by, and on validation the best checkpoint chosen: the
    classification error, or the clusters' majority error, or the reconstruction where there is no categorical code.
    Smaller is better."""
    for name in ("error", "cluster_error_majority", "reconstruction_nats"):
        if name in metrics:
            return name, metrics[name]
    raise ValueError(f"none of the metrics {sorted(metrics)} is one to compare runs by")
