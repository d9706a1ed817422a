"""What a code tells of its image, how far all codes together are from the prior, and by which codes an image is likely.

Computed on the host in float64 from the rows of a whole split. Shapes: N examples, K categories, d Gaussian dimensions,
D = K + d.
"""

import math
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from scipy.special import logsumexp, xlogy

from pixelgan_jax.data.randomness import Stream, fold_each, normal
from pixelgan_jax.methods.method import Code


def has_density(code: Code, gaussian: bool) -> bool:
    """Whether there is a code whose q(z | x) is known, and not only drawn from: a continuous one needs the Gaussian
    encoder."""
    return bool(code.width) and (gaussian or not code.dimensions)


def kl_to_prior(code: Code, rows: dict[str, Any]) -> np.ndarray:
    """KL(q(z | x) ‖ p(z)) of each example, analytic, nats [N]. rows: log_probabilities [N, K], mean, log_sd [N, d]."""
    log_q = rows["log_probabilities"].astype(np.float64)
    nats = np.sum(xlogy(np.exp(log_q), np.exp(log_q)), axis=1) - np.exp(log_q) @ np.log(code.shares)
    mean, log_sd = rows["mean"].astype(np.float64), rows["log_sd"].astype(np.float64)
    return nats + np.sum(0.5 * (mean**2 + np.exp(2 * log_sd) - 1.0) - log_sd, axis=1)


def information(code: Code, rows: dict[str, Any]) -> dict[str, float]:
    """The two terms that E_x KL(q(z | x) ‖ p(z)) = KL(q(z) ‖ p(z)) + I_q(z; x) splits into, nats.

    The left side is `kl_to_prior`'s. KL(q(z) ‖ p) is exact of a categorical code, from the mean posterior; of a
    Gaussian encoder's it is estimated with one draw of each component of the exact mixture q(z) = 1/N Σ q(z | x_i), of
    a product of both likewise over the joint mixture. I is their difference, and lies in 0 to log N, to which an
    estimate that strays beyond is brought back. rows: as `kl_to_prior`'s, and code [N, D].
    """
    categories, dimensions = code.categories, code.dimensions
    log_q, to_prior = rows["log_probabilities"].astype(np.float64), float(np.mean(kl_to_prior(code, rows)))
    log_shares, used = np.log(code.shares), np.exp(log_q).mean(axis=0)
    if not dimensions:
        marginal = float(np.sum(xlogy(used, used)) - used @ log_shares)
        return {"marginal_kl_nats": marginal, "mutual_information_nats": to_prior - marginal}
    mean, log_sd = rows["mean"].astype(np.float64), rows["log_sd"].astype(np.float64)
    drawn = rows["code"].astype(np.float64)
    log_prior = -0.5 * np.sum(drawn[:, categories:] ** 2, axis=1) - 0.5 * dimensions * math.log(2 * math.pi)
    if categories:
        log_prior += log_shares[drawn[:, :categories].argmax(axis=1)]
    marginal = float(np.mean(_log_mixture(drawn, log_q, mean, log_sd) - log_prior))
    shared = min(max(to_prior - marginal, 0.0), math.log(len(drawn)))
    return {"marginal_kl_nats": to_prior - shared, "mutual_information_nats": shared}


Proposals = Iterator[tuple[np.ndarray, np.ndarray]]


def proposals(code: Code, rows: dict[str, Any], keys: jax.Array, draws: int) -> tuple[int, Proposals]:
    """How many codes there are to integrate p(x) = E_p(z) p(x | z) by, and these [N, D], each with the nats [N] that
    p(x | z) is to be weighed by.

    A Gaussian part is drawn `draws` times of the encoder's q(z | x), weighed by log p(z) - log q(z | x): the bound of
    importance weighted autoencoders (Burda et al. 2016, section 3). With each draw go all categories, one after
    another, weighed by log (K p(k)), so that the mean over them is their sum, which is exact. rows: as `information`'s;
    keys [N].
    """
    draws = draws if code.dimensions else 1
    return draws * max(1, code.categories), _proposals(code, rows, keys, draws)


def _proposals(code: Code, rows: dict[str, Any], keys: jax.Array, draws: int) -> Proposals:
    mean, log_sd = rows["mean"].astype(np.float64), rows["log_sd"].astype(np.float64)
    for draw in range(draws):
        drawn_by = fold_each(fold_each(keys, Stream.IMPORTANCE), draw)
        epsilon = np.asarray(normal(drawn_by, Stream.GAUSSIAN, mean.shape[1:]), np.float64)
        continuous = mean + np.exp(log_sd) * epsilon
        weight = np.sum(0.5 * (epsilon**2 - continuous**2) + log_sd, axis=1)
        if not code.categories:
            yield continuous, weight
        for category, log_share in enumerate(np.log(code.shares)):
            one_hot = np.tile(np.eye(code.categories)[category], (len(mean), 1))
            yield np.concatenate([one_hot, continuous], axis=1), weight + log_share + math.log(code.categories)


def _log_mixture(code: np.ndarray, log_q: np.ndarray, mean: np.ndarray, log_sd: np.ndarray) -> np.ndarray:
    """log q(z) under the mixture of all N posteriors, at codes [N, D] -> [N]; by parts, to bound memory."""
    categories, dimensions = log_q.shape[1], mean.shape[1]
    constant = -0.5 * dimensions * math.log(2 * math.pi) - log_sd.sum(axis=1)
    rows, count = [], max(1, 2**23 // max(1, len(code) * dimensions))
    for start in range(0, len(code), count):
        part = code[start : start + count]
        scaled = (part[:, None, categories:] - mean[None]) * np.exp(-log_sd)[None]
        log_density = constant[None] - 0.5 * np.sum(scaled**2, axis=2)
        if categories:
            log_density += log_q.T[part[:, :categories].argmax(axis=1)]
        rows.append(logsumexp(log_density, axis=1) - math.log(len(code)))
    return np.concatenate(rows)
