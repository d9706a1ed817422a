"""Clustering errors, and how far clusters and labels agree."""

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import logsumexp
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score


def cluster_metrics(
    log_probabilities: np.ndarray, labels: np.ndarray, fitted: np.ndarray, fitted_labels: np.ndarray, classes: int
) -> dict[str, Any]:
    """Clustering errors (fractions) of log q [N, K] against labels [N] of so many classes, under three maps from
    cluster to label; where no image of either split has a label (it is -1), `clusters_used` alone.

    Each is fitted on validation, log q [M, K] and labels [M]. best_example: the label of the example that maximises
    q(k | x) (Makhzani et al. 2015, section 5). majority: the commonest label among the cluster's members, the best
    example's where it has none. hungarian: the best one-to-one map, only where K is the number of classes.
    """
    used = {"clusters_used": int(len(np.unique(log_probabilities.argmax(axis=1))))}
    seen, known = labels >= 0, fitted_labels >= 0
    if not (seen.any() and known.any()):
        return used
    log_probabilities, labels, fitted, fitted_labels = (
        log_probabilities[seen],
        labels[seen],
        fitted[known],
        fitted_labels[known],
    )
    clusters = log_probabilities.shape[1]
    classes = max(classes, int(max(labels.max(), fitted_labels.max())) + 1)
    assigned = log_probabilities.argmax(axis=1)
    counts, best = _counts(fitted, fitted_labels, classes), _best(fitted, fitted_labels)
    majority = majority_classes(fitted, fitted_labels)
    metrics = {
        "cluster_error_best_example": float(np.mean(best[assigned] != labels)),
        "cluster_error_majority": float(np.mean(majority[assigned] != labels)),
    }
    if clusters == classes:
        _, matched = linear_sum_assignment(counts, maximize=True)
        metrics["cluster_error_hungarian"] = float(np.mean(matched[assigned] != labels))
    return (
        metrics
        | used
        | {
            "nmi": float(normalized_mutual_info_score(labels, assigned)),
            "ari": float(adjusted_rand_score(labels, assigned)),
        }
    )


def majority_classes(fitted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The class that each cluster is named after, int [K]: the commonest among the members of log q [M, K] with labels
    [M], all at least 0; its best example's where it has none."""
    counts = _counts(fitted, labels, int(labels.max()) + 1)
    return np.where(counts.sum(axis=1) > 0, counts.argmax(axis=1), _best(fitted, labels))


def _best(fitted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The label of the example that maximises each column of log q [M, K]."""
    return labels[_logits(fitted.astype(np.float64)).argmax(axis=0)]


def _logits(log_q: np.ndarray) -> np.ndarray:
    """log q - log(1 - q), which orders q [M, K] also where it is 1 within rounding, by what is left to the others."""
    rows, top = np.arange(len(log_q)), log_q.argmax(axis=1)
    others = log_q.copy()
    others[rows, top] = -np.inf
    surely = log_q[rows, top] - logsumexp(others, axis=1)
    others[rows, top] = np.log(0.5)  # and of the others none has more than a half
    logits = others - np.log1p(-np.exp(others))
    logits[rows, top] = surely
    return logits


def _counts(fitted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """How many images of each class each cluster has, [K, classes]."""
    counts = np.zeros((fitted.shape[1], classes), np.int64)
    np.add.at(counts, (fitted.argmax(axis=1), labels), 1)
    return counts
