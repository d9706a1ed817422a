"""Clustering errors, and how far clusters and labels agree."""

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, confusion_matrix, normalized_mutual_info_score


def cluster_metrics(
    log_probabilities: np.ndarray, labels: np.ndarray, fitted: np.ndarray, fitted_labels: np.ndarray
) -> dict[str, Any]:
    """Clustering errors (fractions) of log q [N, K] against labels [N], under three maps from cluster to label; where
    no image of either split has a label (it is -1), `clusters_used` alone.

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
    return (
        metrics
        | used
        | {
            "nmi": float(normalized_mutual_info_score(labels, assigned)),
            "ari": float(adjusted_rand_score(labels, assigned)),
        }
    )
