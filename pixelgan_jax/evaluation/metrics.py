"""What each metric is: its key on disk, its title, its unit, what it means, what runs are compared by.

The one table that reports, curves, tables of results and README take these from. Nats are per image.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple


class Metric(NamedTuple):
    """key: in results.json and metrics.jsonl. unit: "%" (of a fraction), "nats", "bits", "images", "clusters" or "".
    better: "smaller", "larger", or "" where neither is. digits: behind the point, in tables. panel and curve: where
    the training curves show it, and how its curve is called there beside others. equilibrium: where a loss lies while
    prior and code cannot be told apart, and how that is written. split: whether it is one of results.json's splits'."""

    key: str
    title: str
    unit: str
    meaning: str
    better: str = ""
    digits: int = 3
    panel: str = ""
    curve: str = ""
    equilibrium: tuple[float, str] | None = None
    split: bool = True


def _logged(key: str, title: str, unit: str, meaning: str, **more: Any) -> Metric:
    """A metric of metrics.jsonl alone, or of a figure."""
    return Metric(key, title, unit, meaning, split=False, **more)


def _error(key: str, title: str, meaning: str, curve: str) -> Metric:
    return Metric(key, title, "%", meaning, "smaller", 2, "Validation error", curve)


_ADVERSARIAL, _RECONSTRUCTION = "Adversarial losses, nats", "Reconstruction, nats per image"
_AGREEMENT, _CODE = "Validation: clusters and labels", "Validation: code, nats"
_DEVIATION = "Validation: code, largest deviation from the prior"

# fmt: off
METRICS = (
    Metric("examples", "Images", "images", "in the split", digits=0),
    _error("error", "Classification error", "images whose most probable class is not their label", "classification"),
    _error("cluster_error_best_example", "Cluster error, best example",
           "the paper’s rule: a cluster takes the label of the validation image with the largest q(z|x)",
           "clusters, best example"),
    _error("cluster_error_majority", "Cluster error, majority",
           "a cluster takes the commonest label of its validation images", "clusters, majority"),
    _error("cluster_error_hungarian", "Cluster error, one-to-one",
           "the best matching of clusters to classes on validation images, where there are as many",
           "clusters, one-to-one"),
    Metric("clusters_used", "Clusters used", "clusters", "clusters that some image of the split belongs to",
           "larger", 1, "Validation: clusters used"),
    Metric("nmi", "Normalised mutual information", "", "of cluster and label: 0 unrelated, 1 the same partition",
           "larger", 3, _AGREEMENT, "NMI"),
    Metric("ari", "Adjusted Rand index", "", "of cluster and label: 0 as by chance, 1 the same partition",
           "larger", 3, _AGREEMENT, "ARI"),
    Metric("reconstruction_nats", "Reconstruction", "nats",
           "E[−log p(x|z)], z from the image’s own q(z|x): for a categorical code one one-hot draw",
           "smaller", 2, _RECONSTRUCTION),
    Metric("shuffled_code_nats", "Reconstruction, codes shuffled", "nats",
           "the same with another image’s code: no higher means that the decoder ignores its code",
           "", 2, _RECONSTRUCTION, "codes shuffled"),
    Metric("marginal_kl_nats", "KL(q(z)‖p(z))", "nats",
           "how far the codes of all images together are from the prior; 0: they match",
           "smaller", 3, _CODE, "KL(q(z)‖p(z))"),
    Metric("mutual_information_nats", "I(z; x)", "nats",
           "what the code says of its image; training leaves it out. Absent, as the bound below, for a deterministic or"
           " noise-fed continuous code, where it has no computable value", "", 3, _CODE, "I(z; x)"),
    Metric("negative_elbo_nats", "Negative ELBO", "nats", "reconstruction + KL + I; −log p(x) is at most this",
           "smaller", 2, "Validation: negative ELBO, nats per image"),
    Metric("bits_per_dim", "Bits per dimension", "bits",
           "the negative ELBO, or −log p(x) without a code, over H·W·C·ln 2",
           "smaller", 4, "Validation: bits per dimension"),
    Metric("code_mean", "Mean of the code", "",
           "entry by entry, or their range; the prior has 0, or 1/K for a category"),
    Metric("code_sd", "Standard deviation of the code", "", "likewise; the prior has 1, or √(K − 1)/K for a category"),
    _logged("code_mean_deviation", "Mean of the code, largest deviation", "", "from the prior’s, of all entries",
            better="smaller", panel=_DEVIATION, curve="mean"),
    _logged("code_sd_ratio_deviation", "Standard deviation of the code, largest relative deviation", "",
            "from the prior’s, of all entries", better="smaller", panel=_DEVIATION, curve="s.d., relative"),
    _logged("discriminator_loss", "Discriminator loss", "nats", f"at equilibrium ln 4 = {math.log(4):.3f}",
            panel=_ADVERSARIAL, curve="discriminator", equilibrium=(math.log(4), "ln 4")),
    _logged("generator_loss", "Generator loss", "nats", f"at equilibrium ln 2 = {math.log(2):.3f}",
            panel=_ADVERSARIAL, curve="generator", equilibrium=(math.log(2), "ln 2")),
    _logged("supervised_loss", "Supervised loss", "nats", "cross-entropy on labelled images",
            better="smaller", panel="Supervised loss, nats"),
    _logged("confidence", "Confidence", "", "the largest probability that a classifier of real images gives a sample",
            better="larger"),
    _logged("entropy_nats", "Entropy", "nats", "of that classifier’s probabilities of a sample", better="smaller"),
    _logged("sharpness", "Sharpness", "",
            "variance of a sample’s Laplacian, pixels in [0, 1]; to be held against the real images’"),
    _logged("classifier_error", "Classifier’s error", "%", "of that classifier on real test images",
            better="smaller", digits=2),
    _logged("knn_error", "k-NN error of the code", "%",
            "of 5 nearest neighbours among the codes of the validation images", better="smaller", digits=2),
)
# fmt: on
BY_KEY = {metric.key: metric for metric in METRICS}

# What a run is told by first, wherever it is: the first of these that it has. The clusters' is the paper's rule.
HEADLINES = ("error", "cluster_error_best_example", "bits_per_dim", "reconstruction_nats")
# What the best checkpoint is chosen by, on validation; smaller is better. Clusters by majority: under the paper's rule
# one image names a whole cluster, so that it moves for other reasons than a better model.
CHOSEN_BY = ("error", "cluster_error_majority", "reconstruction_nats")


def first_of(keys: Iterable[str], metrics: dict[str, Any]) -> str | None:
    """The first of the keys that has a value among the metrics."""
    return next((key for key in keys if metrics.get(key) is not None), None)


def markdown_table() -> str:
    """README's table of the metrics of results.json."""
    rows = [f"| `{metric.key}` | {metric.unit or '–'} | {metric.meaning} |" for metric in METRICS if metric.split]
    return "\n".join(["| key | unit | what |", "|---|---|---|", *rows]) + "\n"
